"""Where a request goes that chooses its tenant by a header, by the host's name or by how its path begins."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration.profile import parse_profile
from capliquify_ops.isolation.addressing import Addressing
from capliquify_ops.isolation.world_model import AuditTenant
from capliquify_ops.model.errors import ConfigurationInvalid

TENANTS = {key: AuditTenant(key, f"shop-{key}", f"org_r_{key}", f"id-{key}", f"t_{key}") for key in ("a", "b", "ab")}
HOST, PATH = "{slug}.app.example.com", "/t/{slug}"
PROFILE = """
version = 1
name = "x"
[registry]
table = "public.tenants"
[database]
tenant_tables = []
shared_tables = []
[routes.up]
path = "/up"
kind = "public"
[routes.admin]
path = "/admin/{id}"
kind = "platform"
[routes.rows]
path = "/rows"
kind = "tenant"
[http]
"""


def profile(text):
    return parse_profile(PROFILE + text, "here")


def addressing(**ways):
    return Addressing(**ways, tenants=TENANTS)


@pytest.mark.parametrize(
    ("organization", "host"),
    [
        ("org_r_a", "shop-a"), ("org_r_ab", "shop-ab"), ("ORG_R_B", "SHOP-B"), ("org_r_a'; --", "shop-a'; --"),
        ("org_r_a,org_r_b", "shop-a,shop-b"), ("shop-b", "shop-b"), ("org_r_unknown", "org_r_unknown"),
    ],
)  # fmt: skip
def test_what_is_tried_as_organisation_is_tried_as_host(organization, host):
    """Organisations become what the template names tenants by, also inside a longer text; whatever else stays as it is."""
    found = addressing(host=HOST, header="X-Org").headers(organization)
    assert found == {"X-Org": organization, "Host": f"{host}.app.example.com"}


def test_nothing_chosen():
    """Without an organisation nothing chooses one; an empty one is sent where it can be sent."""
    asked = addressing(host=HOST, header="X-Org", path=PATH)
    assert (asked.headers(None), asked.target("/rows", None)) == ({}, "/rows")
    assert (asked.headers(""), asked.target("/rows", "")) == ({"X-Org": ""}, "/rows")
    assert (addressing().headers("org_r_a"), addressing().target("/rows", "org_r_a")) == ({}, "/rows")


def test_names_of_every_kind():
    """A tenant can be named by its slug, organisation, id or schema."""
    asked = addressing(host="{slug}.{organization}.{id}.{schema}")
    assert asked.host_of("org_r_a") == "shop-a.org_r_a.id-a.t_a"


@given(text=st.text(min_size=1, max_size=30))
def test_a_path_stays_one_part(text):
    """Whatever stands in for an organisation, it is one part of the path."""
    found = Addressing(path="/t/{organization}").target("/rows?x=1", text)
    assert found.startswith("/t/")
    assert found.endswith("/rows?x=1")
    assert found.count("/") == 3
    assert found.isascii()


def test_routes_without_a_tenant():
    """Public and platform routes and the document of routes have no tenant before their path."""
    asked = Addressing.of(profile(f"tenant_path = '{PATH}'\nopenapi = '/openapi.json'"))
    asked.tenants = TENANTS
    for path in ("/up", "/up?x=1", "/admin/17", "/openapi.json"):
        assert asked.target(path, "org_r_a") == path
    for path in ("/rows", "/rows?x=/up", "/upper", "/admin/17/rows"):
        assert asked.target(path, "org_r_a") == f"/t/shop-a{path}"


def test_a_tenant_that_is_gone_is_still_addressed():
    """Sessions of a tenant that was removed ask at its own address."""
    tenants = dict(TENANTS)
    asked = Addressing(path=PATH, tenants=tenants)
    asked.target("/rows", "org_r_b")
    del tenants["a"]
    assert asked.target("/rows", "org_r_a") == "/t/shop-a/rows"


def test_contradictions():
    """With one place that chooses there are none; with two each of them names the other tenant once, with three in each way."""
    assert list(addressing(host=HOST).contradictions("org_r_a", "org_r_b")) == []
    found = list(addressing(host=HOST, header="X-Org").contradictions("org_r_a", "org_r_b"))
    assert [(what, headers) for what, _, headers in found] == [
        ("own header, other host", {"X-Org": "org_r_a", "Host": "shop-b.app.example.com"}),
        ("other header, own host", {"X-Org": "org_r_b", "Host": "shop-a.app.example.com"}),
    ]
    found = list(addressing(host=HOST, header="X-Org", path=PATH).contradictions("org_r_a", "org_r_b"))
    assert len({(organization, *headers.values()) for _, organization, headers in found}) == 6
    assert {organization for _, organization, _ in found} == {"org_r_a", "org_r_b"}


def test_imitations():
    """What a proxy would say of the host and the path that were asked for names the other tenant; a header has none."""
    assert list(addressing(header="X-Org").imitations("/rows", "org_r_b")) == []
    hosts = list(addressing(host=HOST).imitations("/rows", "org_r_b"))
    assert {"X-Forwarded-Host": "shop-b.app.example.com"} in hosts
    assert {"Forwarded": "host=shop-b.app.example.com"} in hosts
    paths = list(addressing(path=PATH).imitations("/rows", "org_r_b"))
    assert {"X-Original-URL": "/t/shop-b/rows"} in paths
    assert {"X-Forwarded-Prefix": "/t/shop-b"} in paths


def test_a_profile_that_names_addresses():
    """The three keys are read; without them the header alone chooses and bodies are JSON."""
    plain = profile("")
    assert (plain.tenant_host, plain.tenant_path, plain.body) == ("", "", "json")
    found = profile(f"tenant_host = '{HOST}'\ntenant_path = '{PATH}'\nbody = 'form'")
    assert (found.tenant_host, found.tenant_path, found.body) == (HOST, PATH, "form")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((f"{key} = {value}", f"http.{key} must be a text") for key, value in itertools.product(
            ("tenant_host", "tenant_path"), ("1", "'/t'", "'/{name}'", "'/{slug!r}'", "'/{slug:5}'", "'/{}'", "'/{slug'", "'/{slug.x}'"),
        )),
        ("tenant_host = 'https://{slug}.example.com'", "name of a host"),
        ("tenant_host = '{slug} .example.com'", "name of a host"),
        ("tenant_path = 't/{slug}'", "start with /"),
        ("tenant_path = '/t/{slug}/'", "start with /"),
        ("tenant_path = '/t?x={slug}'", "start with /"),
        ("body = 'xml'", "json or form"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_profile(text, said):
    """A template that names no tenant, or is no host or path, is refused with the key."""
    with pytest.raises(ConfigurationInvalid, match=said):
        profile(text)


def test_bodies_as_forms():
    """A mapping is sent as a form where the service takes forms; what is none, and every body elsewhere, stays JSON."""
    asked = Addressing.of(profile("body = 'form'"))
    assert (
        asked.form_of({"name": "a b&", "price": 1.5, "of": None, "is": True, "in": [1]})
        == b"name=a+b%26&price=1.5&of=&is=true&in=%5B1%5D"
    )
    assert (asked.form_of([1]), asked.form_of(None), Addressing.of(profile("")).form_of({"x": 1})) == (None, None, None)
    assert asked.form_of({"name": "\ud800"})
