"""Profiles: the registry's columns, and mistakes that are named where they are made."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import Registry
from capliquify_ops.configuration.profile import load_profile, parse_profile
from capliquify_ops.configuration.profile_registry import parse_registry
from capliquify_ops.model.errors import ConfigurationInvalid

DATABASE = "[database]\nshared_tables = []\ntenant_tables = ['django_migrations']\n"


def _registry(text):
    return parse_profile(f"version = 1\nname = 'x'\n{DATABASE}[registry]\ntable = 'public.clients'\n{text}", "here").registry


def test_without_columns_the_registry_is_like_our_own():
    """A profile that names only the table gets the columns that this product's own registry has."""
    found = _registry("")
    assert found == Registry("public.clients")
    assert found.is_ours
    assert found.columns == ("schema_name", "id", "slug", "subscription_status", "created_at", "deleted_at")


def test_columns_that_are_not_named_are_absent():
    """With [registry.columns] only what it names is there: schema name and id by their usual names, the slug is the schema's name."""
    found = _registry("[registry.columns]")
    assert (found.columns, found.slug, found.is_ours) == (("schema_name", "id", "schema_name"), "schema_name", False)
    found = _registry("[registry.columns]\nschema_name = 'schema'\nstatus = 'state'")
    assert found.columns == ("schema", "id", "schema", "state")


def test_statuses_and_shared_schemas_are_read():
    """Values of the status column mean deleted or cancelled; shared schemas alone make the registry another than ours."""
    found = _registry("shared_schemas = ['public']\n[registry.statuses]\ndeleted = ['gone', 'closed']\ncancelled = ['left']")
    assert (found.deleted_statuses, found.cancelled_statuses) == (("gone", "closed"), ("left",))
    assert (found.shared_schemas, found.status, found.is_ours) == (("public",), "subscription_status", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shared_schema = ['public']", r"here: registry: unknown key 'shared_schema'.*Did you mean 'shared_schemas'"),
        ("[registry.columns]\nschema = 'x'", r"registry\.columns: unknown key 'schema'.*Did you mean 'schema_name'"),
        ("[registry.statuses]\nactive = ['x']", r"registry\.statuses: unknown key 'active'"),
        ("[registry.columns]\n[registry.statuses]\ndeleted = ['x']", r"registry\.statuses needs a status column"),
        ("shared_schemas = 'public'", r"registry\.shared_schemas must be a list"),
        ("columns = 1", r"registry\.columns must be a table"),
        ("[registry.columns]\nid = ''", r"registry\.columns\.id must be a text, not empty"),
        ("[registry.columns]\nid = 1", r"registry\.columns\.id must be a text"),
        ("[registry.columns]\nid = 'a%b'", r"without % and NUL"),
        ("shared_schemas = [1]", r"registry\.shared_schemas must be a text"),
    ],
)
def test_a_mistake_is_named_where_it_is(text, said):
    """A key that does not exist, a value of the wrong kind: the file, the key and the nearest one that is known."""
    with pytest.raises(ConfigurationInvalid) as caught:
        _registry(text)
    assert re.search(said, str(caught.value).replace("\n", " "))


SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2))


@given(st.dictionaries(st.sampled_from(["table", "columns", "statuses", "shared_schemas", "x"]), SIMPLE))
def test_any_registry_is_read_or_refused(row):
    """Whatever a TOML holds there is read as a registry, or refused as a wrong configuration."""
    try:
        found = parse_registry(row, "here")
    except (ConfigurationInvalid, KeyError) as error:
        assert not isinstance(error, KeyError) or "table" not in row
    else:
        assert isinstance(found, Registry)


def _required(text):
    return parse_profile(
        f"version = 1\nname = 'x'\n{DATABASE}[registry]\ntable = 'public.clients'\n{text}", "here"
    ).required_environment


def test_variables_that_the_service_requires(tmp_path):
    """Names are read once each; without the table there are none; our own profile names those of its service."""
    assert _required("[deployment]\nrequired_environment = ['A', 'B_1', 'A']") == ("A", "B_1")
    assert _required("") == _required("[deployment]") == ()
    assert load_profile("capliquify", tmp_path).required_environment == ("DATABASE_URL", "CLERK_SECRET_KEY")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[deployment]\nrequired_environmen = []", r"deployment: unknown key 'required_environmen'.*Did you mean"),
        ("[deployment]\nrequired_environment = 'A'", "must be a list of names of variables"),
        ("[deployment]\nrequired_environment = ['A=secret']", "must be a list of names of variables"),
        ("[deployment]\nrequired_environment = [1]", "must be a list of names of variables"),
        ("[[deployment]]", "deployment must be a table"),
    ],
)
def test_what_names_no_variables_is_refused(text, said):
    """A value beside a name, another kind, another key."""
    with pytest.raises(ConfigurationInvalid) as caught:
        _required(text)
    assert re.search(said, str(caught.value).replace("\n", " "))


def test_a_misspelt_key_of_http_is_refused(tmp_path):
    """A name that nobody reads would silently leave something out of the audit."""
    (tmp_path / "own.toml").write_text('version = 1\nname = "own"\nextends = "capliquify"\n[http]\nopen_api = "/openapi.json"\n')
    with pytest.raises(ConfigurationInvalid, match="open_api"):
        load_profile("own.toml", tmp_path)


def test_a_profile_that_extends_itself_ends(tmp_path):
    """A circle of profiles is refused with a sentence."""
    (tmp_path / "own.toml").write_text('version = 1\nname = "own"\nextends = "own.toml"\n')
    with pytest.raises(ConfigurationInvalid, match="extends"):
        load_profile("own.toml", tmp_path)


def test_what_a_profile_extends_lies_below_it(tmp_path):
    """Tables are laid over each other by key; a route is replaced whole, all others stay."""
    (tmp_path / "own.toml").write_text(
        'version = 1\nname = "own"\nextends = "capliquify"\n[http]\nrate_limit = 7\n'
        '[routes.search]\npath = "/find"\nkind = "tenant"\nsurface = "search"\nquery = "q"\n'
    )
    base, own = load_profile("capliquify", tmp_path), load_profile("own.toml", tmp_path)
    assert (own.name, own.rate_limit, own.organization_header) == ("own", 7, base.organization_header)
    assert own.routes.keys() == {*base.routes, "search"}
    assert own.surface("search")[0].query == "q"
