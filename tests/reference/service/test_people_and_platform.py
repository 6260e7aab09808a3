"""Single users, the own profile, search, tenants under the platform, and the service's description of itself."""

import uuid

import pytest

from .conftest import Running, Tenant
from .test_contract import ask, refused

PLATFORM_ROUTES = [("DELETE", ""), ("POST", "/suspend"), ("POST", "/resume")]


def platform(running: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {running.token('root', None, platform_admin=True)}"}


def own_id(tenant: Tenant, role: str = "owner") -> str:
    return ask(tenant, "GET", "/api/users/profile", role).json()["data"]["id"]


def test_an_admin_reads_a_member_and_nobody_elses(running: Running, tenant: Tenant) -> None:
    """A member's row by its id; a foreign id, an unknown one and a text are one answer; a member may not ask."""
    mine, other = own_id(tenant, "viewer"), own_id(running.tenant())
    found = ask(tenant, "GET", f"/api/users/{mine}", "admin").json()["data"]
    assert (found["id"], found["clerk_user_id"], found["role"]) == (mine, f"viewer_{tenant.organization}", "viewer")
    answers = [ask(tenant, "GET", f"/api/users/{one}", "admin") for one in (other, uuid.uuid4(), "text")]
    assert {refused(answer, 404, "not_found")["message"] for answer in answers} == {answers[0].json()["message"]}
    refused(ask(tenant, "GET", f"/api/users/{mine}", "member"), 403, "insufficient_permissions")


def test_everybody_changes_their_own_name_and_nothing_else(tenant: Tenant) -> None:
    """Even a viewer has a name; role, e-mail and tenant are no fields of it."""
    changed = ask(tenant, "PATCH", "/api/users/profile", "viewer", json={"full_name": "Ada"})
    assert (changed.status_code, changed.json()["data"]["full_name"]) == (200, "Ada")
    for field, value in (("role", "owner"), ("email", "x@x.test"), ("tenant_id", str(uuid.uuid4()))):
        body = {"full_name": "Eve", field: value}
        refused(ask(tenant, "PATCH", "/api/users/profile", "viewer", json=body), 422, "validation_failed")
    after = ask(tenant, "GET", "/api/users/profile", "viewer").json()["data"]
    assert (after["full_name"], after["role"], after["tenant"]["id"]) == ("Ada", "viewer", tenant.id)


def found_by(tenant: Tenant, text: str, **more: str) -> list[str]:
    answer = ask(tenant, "GET", "/api/search", params={"q": text, **more})
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_search_finds_the_tenants_own_rows(running: Running, tenant: Tenant) -> None:
    """By name, description, category and the body of a comment, in any case; never another tenant's row with the same words."""
    made = {}
    for who in (running.tenant(), tenant):
        for field in ("name", "description", "category"):
            body = {"sku": field, "name": "Nut", field: f"of Brass {field}"}
            made[field] = ask(who, "POST", "/api/products", json=body).json()["data"]["id"]
        body = {"product_id": made["name"], "body": "of Brass comment"}
        made["comment"] = ask(who, "POST", "/api/comments", json=body).json()["data"]["id"]
    assert set(found_by(tenant, "OF BRASS")) == set(made.values())
    assert found_by(tenant, "brass category") == [made["category"]]
    assert found_by(tenant, "of brass", limit="1", offset="1") == [found_by(tenant, "of brass")[1]]


@pytest.mark.parametrize("text", ["%", "_ut", "N%t", "\\"])
def test_search_takes_no_pattern(tenant: Tenant, text: str) -> None:
    """What means anything to LIKE is looked for as it stands."""
    plain = ask(tenant, "POST", "/api/products", json={"sku": "1", "name": "Nut"}).json()["data"]["id"]
    odd = ask(tenant, "POST", "/api/products", json={"sku": "2", "name": f"a {text} b"}).json()["data"]["id"]
    assert found_by(tenant, text) == [odd]
    assert plain in found_by(tenant, "u")


@pytest.mark.parametrize("text", [None, "", "  ", "x" * 201, "a\0b"])
def test_a_search_for_nothing_is_400(tenant: Tenant, text: str | None) -> None:
    """Without a usable text nothing is searched."""
    refused(ask(tenant, "GET", "/api/search", params={} if text is None else {"q": text}), 400, "invalid_request")


def test_the_platform_suspends_resumes_and_deletes_tenants(running: Running, tenant: Tenant) -> None:
    """Each takes effect with the next request and stands in the tenant's audit log; a deleted tenant is unknown from then on."""
    path, root = f"/api/admin/tenants/{tenant.id}", platform(running)
    assert running.http.post(f"{path}/suspend", headers=root).json()["data"]["subscription_status"] == "suspended"
    refused(ask(tenant, "GET", "/api/products"), 403, "subscription_suspended")
    assert running.http.post(f"{path}/resume", headers=root).json()["data"]["subscription_status"] == "active"
    assert ask(tenant, "GET", "/api/products").status_code == 200
    assert running.http.delete(path, headers=root).status_code == 200
    refused(ask(tenant, "GET", "/api/products"), 404, "tenant_not_found")
    for method, end in PLATFORM_ROUTES:
        refused(running.http.request(method, path + end, headers=root), 404, "not_found")
    changes = [entry for entry in tenant.audit() if entry[0].startswith("tenant.")]
    assert changes == [(f"tenant.{verb}", {"by": "root"}) for verb in ("suspended", "resumed", "deleted")]


def test_only_a_suspension_is_resumed(running: Running, tenant: Tenant) -> None:
    """Who has cancelled is not let in by resuming."""
    tenant.update("subscription_status = 'cancelled'")
    answer = running.http.post(f"/api/admin/tenants/{tenant.id}/resume", headers=platform(running))
    refused(answer, 409, "not_suspended")


@pytest.mark.parametrize(("method", "end"), PLATFORM_ROUTES)
def test_tenants_are_the_platforms(running: Running, tenant: Tenant, method: str, end: str) -> None:
    """No owner of any tenant may do this, not to the own one either; nor a platform administrator who signed out."""
    path = f"/api/admin/tenants/{tenant.id}{end}"
    for who in (tenant, running.tenant()):
        refused(ask(who, method, path), 403, "insufficient_permissions")
    root = platform(running)
    assert running.http.post("/api/session/sign-out", headers=root).status_code == 200
    refused(running.http.request(method, path, headers=root), 401, "session_verification_failed")
    assert ask(tenant, "GET", "/api/products").status_code == 200


def test_the_description_lists_every_route(running: Running) -> None:
    """Each path and method that answers, with the parameters of the path; its paths are those of the routing itself."""
    said = running.http.get("/openapi.json").json()
    assert said["openapi"].startswith("3.1")
    given = {path: [one["name"] for one in item.get("parameters", [])] for path, item in said["paths"].items()}
    assert (given["/api/products/{id}"], given["/api/products"]) == (["id"], [])
    operations = {}
    for path, item in said["paths"].items():
        methods = {name.upper() for name in item if name != "parameters"}
        refusal = running.http.request("TRACE", path.replace("{id}", str(uuid.uuid4())))
        assert methods | {"HEAD"} == {name.strip() for name in refusal.headers["Allow"].split(",")} | {"HEAD"}, path
        operations |= {item[name]["operationId"]: item[name]["responses"] for name in item if name != "parameters"}
    assert len(operations) == sum(len(item) - ("parameters" in item) for item in said["paths"].values())
    assert all(operations.values())


def test_a_member_of_two_tenants_changes_between_them(running: Running, tenant: Tenant) -> None:
    """One user in two organisations sees with each token that organisation's rows, and with neither the other's."""
    other, user, products = running.tenant(), f"both_{tenant.id}", {}
    for one in (tenant, other):
        running.make_member(one.organization, user, "member")
        products[one.id] = one.product()
    for one in (tenant, other, tenant):
        rows = running.http.get("/api/products", headers=one.headers_of(user)).json()["data"]
        assert [row["id"] for row in rows] == [products[one.id]]
