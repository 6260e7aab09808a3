"""A database that is not this product's: a project of django-tenants, checked with the profile that the how-to page gives."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from capliquify_ops.cli import main
from capliquify_ops.configuration import Registry, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.database.dsn import parts
from capliquify_ops.integrity import cross_references, registry_catalogue, structure_equality
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret

PAGE = Path(__file__).parents[2] / "docs/how-to/check-a-django-tenants-database.md"
PROJECT = Path(__file__).with_name("django_tenants_project.py")
TENANTS = ("Initech", "acme", "globex-2")
PASSWORD = "only-for-this-test"


def _page(language):
    """The blocks of one language on the page, without the indent that they have in a list."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks]


@pytest.fixture(scope="module")
def shop(server, tmp_path_factory):
    """The project's database, owned by the role that Django connects as; `folder` holds the page's two files."""
    suffix = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    names = {"database": f"shop_{suffix}", "django": f"django_{suffix}", "observer": f"observer_{suffix}"}
    folder = tmp_path_factory.mktemp("shop")
    where = parts(server.url("superuser", names["database"]))

    def url(role):
        return Secret(f"postgresql://{names[role]}:{PASSWORD}@{where['host']}:{where['port']}/{names['database']}")

    with operator(server.url("superuser", "postgres"), "test") as session:
        for role in ("django", "observer"):
            statement = "CREATE ROLE :\"role\" LOGIN PASSWORD :'password'"
            session.outside_transaction(fill(statement, {"role": names[role], "password": PASSWORD}))
        session.outside_transaction(fill('CREATE DATABASE :"database" OWNER :"django"', names))
        try:
            _sign_up(names, where, folder)
            _grant(server.url("superuser", names["database"]), names)
            _configure(folder, names)
            yield SimpleNamespace(folder=folder, names=names, observer_url=url("observer"), django_url=url("django"))
        finally:
            session.outside_transaction(fill('DROP DATABASE :"database" WITH (FORCE)', names))
            for role in ("django", "observer"):
                session.outside_transaction(fill('DROP ROLE :"role"', {"role": names[role]}))


def _sign_up(names, where, folder):
    connection = {
        "NAME": names["database"],
        "USER": names["django"],
        "PASSWORD": PASSWORD,
        "HOST": where["host"],
        "PORT": where["port"],
    }
    (folder / "project").mkdir()
    program = [sys.executable, str(PROJECT), json.dumps(connection), str(folder / "project")]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _grant(url, names):
    """Give the observer what the page says, and no more."""
    (statements,) = _page("sql")
    grants = statements.replace("CREATE ROLE observer LOGIN;", "").replace("observer", ':"observer"')
    with operator(url, "test") as session, session.transaction():
        session.script(fill(grants, names))


def _configure(folder, names):
    profile, target = _page("toml")
    target = target.replace('"production"', '"loopback"').replace('"django"', f'"{names["django"]}"')
    target = target.replace('observer = "observer"', f'observer = "{names["observer"]}"')
    (folder / "profile.toml").write_text(profile, encoding="utf-8")
    (folder / "capliquify-ops.toml").write_text(target, encoding="utf-8")


@pytest.fixture
def command(shop, forked):
    """Runs `fleet check` as the page has it: its exit code, the ids of findings that count against it, and stderr."""

    def run(url):
        env = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "DATABASE_URL", "PG"))}
        arguments = ("fleet", "check", "--config", str(shop.folder / "capliquify-ops.toml"), "--json")
        done = forked(lambda: main(arguments), cwd=shop.folder, env=env | {"SHOP_OBSERVER_URL": url.reveal()})
        findings = json.loads(done.stdout)["findings"]
        return (
            done.returncode,
            {each["id"] for each in findings if each["outcome"] != "healthy" and not each["suppressed"]},
            done.stderr,
        )

    return run


@pytest.fixture
def as_django(shop):
    """Runs statements as the role that Django connects as, for good."""

    def run(statement):
        with operator(shop.django_url, "test") as session, session.transaction():
            session.script(fill(statement, {}))

    return run


def test_a_sound_project_is_healthy(shop, command):
    """Three tenants and the public one, as the observer of the page: nothing fails; what stands in tenants' tables is unknown."""
    code, found, said = command(shop.observer_url)
    assert (code, {each.partition(":")[0] for each in found}, said) == (17, {"migration_ledgers", "sequence_health"}, "")


def test_the_owner_observes_too(shop, command):
    """As the role that owns it all nothing fails; what it may not see of other roles' sessions is said."""
    assert command(shop.django_url) == (17, {"capacity:sessions of other roles"}, "")


def test_every_tenant_is_examined_and_public_is_none(shop):
    """The three tenants are examined by each check that says how many, and the public tenant by none."""
    found = {
        module.CHECK: _findings(shop, module, _profile(shop))
        for module in (registry_catalogue, structure_equality, cross_references)
    }
    assert {check: [each.examined for each in findings] for check, findings in found.items()} == {check: [3] for check in found}


FAULTS = {
    "structure_equality:column shop_order.details": (
        "ALTER TABLE acme.shop_order DROP COLUMN details",
        "ALTER TABLE acme.shop_order ADD COLUMN details jsonb NOT NULL",
    ),
    "registry_catalogue:missing_schema": (
        "INSERT INTO public.customers_client (schema_name, name, created_on) VALUES ('nowhere', 'x', now())",
        "DELETE FROM public.customers_client WHERE schema_name = 'nowhere'",
    ),
    "registry_catalogue:orphan_schema": (
        "CREATE SCHEMA left_over; CREATE TABLE left_over.django_migrations (id bigint PRIMARY KEY)",
        "DROP SCHEMA left_over CASCADE",
    ),
    "cross_references:foreign key shop_order.by": (
        'ALTER TABLE acme.shop_order ADD CONSTRAINT by FOREIGN KEY (by_id) REFERENCES "globex-2".auth_user',
        "ALTER TABLE acme.shop_order DROP CONSTRAINT by",
    ),
}
"""By the finding's id: what makes the fault, and what undoes it."""


@pytest.mark.parametrize("expected", FAULTS)
def test_a_fault_is_found_and_gone(shop, as_django, expected):
    """A column that changed, a row without schema, a schema without row, a reference into another tenant: 0, 1, 0."""
    made, undone = FAULTS[expected]
    assert _all_failing(shop) == set()
    as_django(made)
    try:
        found = _all_failing(shop)
    finally:
        as_django(undone)
    assert expected in found
    assert {each.partition(":")[0] for each in found} <= {expected.partition(":")[0], "structure_equality", "migration_ledgers"}
    assert _all_failing(shop) == set()


def test_the_command_ends_with_1_for_a_fault(shop, command, as_django):
    """A row without a schema ends the command with 1, and nothing else is said to be wrong."""
    expected = "registry_catalogue:missing_schema"
    made, undone = FAULTS[expected]
    as_django(made)
    try:
        code, found, _ = command(shop.observer_url)
    finally:
        as_django(undone)
    assert code == 1
    # The tenant without a schema cannot be compared, and that is said too.
    unknown = ("structure_equality:", "migration_ledgers:", "sequence_health:")
    assert {each for each in found if not each.startswith(unknown)} == {expected}


def _all_failing(shop):
    """The ids of all failing findings."""
    roles = Roles(owner=shop.names["django"], app=shop.names["django"], observer=shop.names["observer"])
    with observer(shop.observer_url, "test") as session:
        found = check_fleet(session, load_limits(), SystemClock(), profile=_profile(shop), roles=roles)
    return {each.id for each in found if each.outcome is Outcome.FAILING}


def _profile(shop, **registry):
    profile = load_profile("profile.toml", shop.folder)
    return dataclasses.replace(profile, registry=Registry(**registry)) if registry else profile


def _findings(shop, module, profile):
    roles = Roles(owner=shop.names["django"])
    with observer(shop.django_url, "test") as session:
        return module.run(session, load_limits(), SystemClock(), profile=profile, roles=roles)


@pytest.fixture
def accounts(as_django):
    """A registry of other names: a key that is a number, a flag, a day of closing, a name that may be NULL."""
    as_django(
        'CREATE SCHEMA "Billing"; CREATE TABLE "Billing"."Accounts" (number bigint GENERATED ALWAYS AS IDENTITY,'
        ' "Schema ""name""" varchar(63), is_active boolean, closed_on date, made_at timestamptz DEFAULT now());'
        ' INSERT INTO "Billing"."Accounts" ("Schema ""name""", is_active) VALUES'
        " ('acme', true), ('Initech', NULL), ('globex-2', true), ('public', true), ('Billing', true)"
    )
    yield Registry(
        "Billing.Accounts",
        schema_name='Schema "name"',
        id="number",
        slug='Schema "name"',
        status="is_active",
        created_at="",
        deleted_at="closed_on",
        shared_schemas=("public", "Billing"),
    )
    as_django('DROP SCHEMA "Billing" CASCADE')


INSERT = 'INSERT INTO "Billing"."Accounts" ("Schema ""name""", is_active, closed_on) VALUES '


@pytest.mark.parametrize(
    ("row", "changes", "subjects"),
    [
        ("", {}, None),
        ("('nowhere', true, NULL)", {}, {"missing_schema"}),
        ("('nowhere', true, NULL)", {"created_at": "made_at"}, None),
        ("('nowhere', false, NULL)", {}, {"missing_schema"}),
        ("('nowhere', false, NULL)", {"deleted_statuses": ("false",)}, None),
        ("('nowhere', false, NULL)", {"cancelled_statuses": ("false",)}, None),
        ("('nowhere', false, NULL)", {"status": "", "deleted_at": ""}, {"missing_schema"}),
        ("('nowhere', true, '2020-01-01')", {}, None),
        ("('nowhere', true, '2020-01-01')", {"deleted_at": ""}, {"missing_schema"}),
        ("(NULL, true, NULL), (NULL, true, NULL)", {}, {"missing_schema"}),
        ("('acme', true, NULL)", {}, {"shared_schema"}),
        ("('ACME', false, NULL)", {"cancelled_statuses": ("false",)}, {"colliding_names"}),
    ],
)
def test_columns_of_any_name_mean_what_the_profile_says(shop, as_django, accounts, row, changes, subjects):
    """Rows that the profile calls deleted, cancelled or young lack no schema; all others do; None is a healthy answer."""
    if row:
        as_django(INSERT + row)
    profile = dataclasses.replace(_profile(shop), registry=dataclasses.replace(accounts, **changes))
    findings = _findings(shop, registry_catalogue, profile)
    if subjects is None:
        assert [each.outcome for each in findings] == [Outcome.HEALTHY]
    else:
        assert {each.subject.name for each in findings} == subjects
        assert {each.outcome for each in findings} == {Outcome.FAILING}


def test_a_closed_tenant_is_not_compared(shop, as_django, accounts):
    """Only live tenants must be built alike: the one that lacks a column counts until its row is closed."""
    profile = dataclasses.replace(_profile(shop), registry=accounts)
    as_django("ALTER TABLE acme.shop_product RENAME price TO cost")
    try:
        assert {each.outcome for each in _findings(shop, structure_equality, profile)} == {Outcome.FAILING}
        as_django('UPDATE "Billing"."Accounts" SET closed_on = \'2020-01-01\' WHERE number = 1')
        assert [(each.outcome, each.examined) for each in _findings(shop, structure_equality, profile)] == [(Outcome.HEALTHY, 2)]
    finally:
        as_django("ALTER TABLE acme.shop_product RENAME cost TO price")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": "nick"}, r"no column 'nick'"),
        ({"deleted_at": "is_active"}, r"is_active is no time: every value of it would count as a deletion"),
        ({"created_at": "closed_on"}, r"closed_on is no time of day"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(shop, accounts, changes, said):
    """A column that is not there, a flag as a time of deletion, a day as a time of creation: a wrong profile, in a sentence."""
    profile = dataclasses.replace(_profile(shop), registry=dataclasses.replace(accounts, **changes))
    with pytest.raises(ConfigurationInvalid, match=said):
        _findings(shop, registry_catalogue, profile)


def test_a_registry_of_shared_rows_alone_is_never_healthy(shop, accounts):
    """Where every row is a shared schema's, nothing was examined, and no check says that all is well."""
    profile = dataclasses.replace(
        _profile(shop), registry=dataclasses.replace(accounts, shared_schemas=("public", "Billing", *TENANTS))
    )
    for module in (registry_catalogue, structure_equality, cross_references):
        assert [each.outcome for each in _findings(shop, module, profile)] == [Outcome.INCONCLUSIVE]
