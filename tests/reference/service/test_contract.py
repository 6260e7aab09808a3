"""The HTTP contract, situation by situation, on the running service with its identity process and PostgreSQL."""

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from capliquify_ops.reference import keys

from .conftest import Running, Tenant

MALFORMED = ("", "Bearer", "Basic abc", "abc")


def ask(tenant: Tenant, method: str, path: str, role: str = "owner", **more: object) -> httpx.Response:
    headers = more.pop("headers", None) or tenant.headers(role)
    return tenant.running.http.request(method, path, headers=headers, **more)


def refused(answer: httpx.Response, status: int, code: str) -> dict:
    body = answer.json()
    assert (answer.status_code, body["error"], body["success"]) == (status, code, False), answer.text
    assert body["message"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body


@pytest.mark.parametrize("value", MALFORMED)
def test_a_missing_or_malformed_authorization_is_401(tenant: Tenant, value: str) -> None:
    """Without a bearer token nothing is answered but missing_authorization."""
    headers = {"X-Organization-ID": tenant.organization} | ({"Authorization": value} if value else {})
    refused(ask(tenant, "GET", "/api/products", headers=headers), 401, "missing_authorization")


def expired(tenant: Tenant) -> dict[str, str]:
    return tenant.headers(iat=1_700_000_000, nbf=1_700_000_000, exp=1_700_000_600)


def tampered(tenant: Tenant) -> dict[str, str]:
    headers = tenant.headers("viewer")
    head, _, signature = headers["Authorization"].split(".")
    other = tenant.headers("owner")["Authorization"].split(".")[1]
    return headers | {"Authorization": f"{head}.{other}.{signature}"}


def foreign(tenant: Tenant) -> dict[str, str]:
    return tenant.headers(key=keys.FOREIGN)


def signed_out(tenant: Tenant) -> dict[str, str]:
    headers = tenant.headers()
    assert ask(tenant, "GET", "/api/products", headers=headers).status_code == 200
    assert ask(tenant, "POST", "/api/session/sign-out", headers=headers).status_code == 200
    return headers


def other_issuer(tenant: Tenant) -> dict[str, str]:
    return tenant.headers(iss="https://elsewhere.test")


def other_party(tenant: Tenant) -> dict[str, str]:
    return tenant.headers(azp="https://elsewhere.test")


@pytest.mark.parametrize("make", [expired, tampered, foreign, signed_out, other_issuer, other_party])
def test_a_token_that_proves_no_session_is_401_and_audited(tenant: Tenant, make: Callable[[Tenant], dict[str, str]]) -> None:
    """Expired, tampered, foreign and signed-out tokens are refused alike, and the tenant's audit log shows the attempt."""
    refused(ask(tenant, "GET", "/api/products", headers=make(tenant)), 401, "session_verification_failed")
    assert ("auth.login_failed", "session_verification_failed") in [
        (action, about.get("code")) for action, about in tenant.audit()
    ]


def test_sign_out_ends_every_token_of_the_session(tenant: Tenant) -> None:
    """Another token of a signed-out session is refused too, on every worker, while other sessions go on."""
    first, second = tenant.headers(sid="sess_both"), tenant.headers(sid="sess_both", jti="2")
    assert ask(tenant, "POST", "/api/session/sign-out", headers=first).status_code == 200
    for _ in range(10):
        refused(ask(tenant, "GET", "/api/products", headers=second), 401, "session_verification_failed")
    assert ask(tenant, "GET", "/api/products").status_code == 200


def test_a_missing_organization_header_is_400(tenant: Tenant) -> None:
    """Without X-Organization-ID the request names no tenant."""
    refused(
        ask(tenant, "GET", "/api/products", headers={"Authorization": tenant.headers()["Authorization"]}),
        400,
        "missing_organization_id",
    )


def test_two_organization_headers_are_refused(tenant: Tenant) -> None:
    """A request that names two organisations reaches neither."""
    pairs = [*tenant.headers().items(), ("X-Organization-ID", "org_other")]
    refused(ask(tenant, "GET", "/api/products", headers=pairs), 400, "invalid_request")


def test_the_header_must_be_the_organization_of_the_token(running: Running, tenant: Tenant) -> None:
    """Own credentials with another tenant's header give 403, and the aimed-at tenant sees it in its audit log."""
    target = running.tenant()
    headers = tenant.headers() | {"X-Organization-ID": target.organization}
    refused(ask(tenant, "GET", "/api/products", headers=headers), 403, "not_organization_member")
    assert [action for action, _ in target.audit()] == ["auth.access_denied"]


def test_a_stranger_to_an_organization_is_403(tenant: Tenant) -> None:
    """A token of the organisation whose user identity does not know as a member is refused and makes no row."""
    refused(ask(tenant, "GET", "/api/products", headers=tenant.headers_of("stranger")), 403, "not_organization_member")
    assert tenant.running.sql("SELECT count(*) FROM public.users WHERE clerk_user_id = 'stranger'") == [(0,)]


def test_an_organization_without_tenant_is_404(running: Running) -> None:
    """A member of an organisation that has no tenant gets tenant_not_found."""
    nothing = Tenant(running, "", f"org_{uuid.uuid4().hex}", "")
    refused(ask(nothing, "GET", "/api/products"), 404, "tenant_not_found")


def test_a_soft_deleted_tenant_is_404(tenant: Tenant) -> None:
    """A soft-deleted tenant is as gone as one that never existed."""
    tenant.update("deleted_at = now()")
    refused(ask(tenant, "GET", "/api/products"), 404, "tenant_not_found")


def test_past_due_reads_but_does_not_write(tenant: Tenant) -> None:
    """With an overdue payment reads go on and every write is 402."""
    identifier = tenant.product()
    tenant.update("subscription_status = 'past_due'")
    assert ask(tenant, "GET", f"/api/products/{identifier}").status_code == 200
    refused(ask(tenant, "POST", "/api/products", json={"sku": "x", "name": "y"}), 402, "payment_required")
    refused(ask(tenant, "DELETE", f"/api/products/{identifier}"), 402, "payment_required")


@pytest.mark.parametrize(
    ("change", "code", "hint"),
    [
        ("subscription_status = 'suspended'", "subscription_suspended", None),
        ("subscription_status = 'cancelled'", "subscription_cancelled", None),
        ("subscription_status = 'trial', trial_ends_at = now()", "subscription_suspended", "trial_expired"),
    ],
)
def test_a_frozen_tenant_is_403_from_the_next_request_on(tenant: Tenant, change: str, code: str, hint: str | None) -> None:
    """Suspension, cancellation and a trial's end count from the next request on, and so does their end."""
    headers = tenant.headers()
    assert ask(tenant, "GET", "/api/products", headers=headers).status_code == 200
    tenant.update(change)
    for _ in range(6):
        assert refused(ask(tenant, "GET", "/api/products", headers=headers), 403, code).get("hint") == hint
    tenant.update("subscription_status = 'active'")
    assert ask(tenant, "GET", "/api/products", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("role", "method", "path", "is_allowed"),
    [
        ("viewer", "GET", "/api/products", True),
        ("viewer", "GET", "/api/users/profile", True),
        ("viewer", "POST", "/api/products", False),
        ("viewer", "PATCH", "/api/products/{id}", False),
        ("member", "POST", "/api/products", True),
        ("member", "PATCH", "/api/products/{id}", True),
        ("member", "DELETE", "/api/products/{id}", False),
        ("member", "GET", "/api/users", False),
        ("member", "GET", "/api/audit-logs", False),
        ("member", "PATCH", "/api/users/{id}", False),
        ("admin", "DELETE", "/api/products/{id}", True),
        ("admin", "GET", "/api/users", True),
        ("admin", "GET", "/api/audit-logs", True),
        ("owner", "DELETE", "/api/products/{id}", True),
    ],
)
def test_each_role_may_do_what_the_contract_says(tenant: Tenant, role: str, method: str, path: str, is_allowed: bool) -> None:
    """Viewers read, members also create and edit, admins also delete and see users and audit log."""
    identifier = tenant.product()
    body = {"sku": uuid.uuid4().hex, "name": "Nut"} if method in {"POST", "PATCH"} else None
    answer = ask(tenant, method, path.format(id=identifier), role, json=body)
    if is_allowed:
        assert answer.status_code in {200, 201}, answer.text
    else:
        refused(answer, 403, "insufficient_permissions")
        assert "insufficient_permissions" in [about.get("code") for _, about in tenant.audit()]


@pytest.mark.parametrize(
    ("path", "tier_without", "tier_with"),
    [
        ("/api/forecasts/ai", "starter", "professional"),
        ("/api/scenarios", "starter", "professional"),
        ("/api/reports/advanced", "professional", "enterprise"),
    ],
)
def test_a_feature_needs_its_tier_and_no_column_unlocks_it(
    running: Running, path: str, tier_without: str, tier_with: str
) -> None:
    """The lower tier gets 403 with an upgrade URL even when the features column was edited; the higher one may, unless switched off."""
    lower, higher = running.tenant(tier_without), running.tenant(tier_with)
    everything = {"ai_forecasting": True, "what_if_analysis": True, "advanced_reports": True}
    lower.update(f"features = '{json.dumps(everything)}'")
    assert refused(ask(lower, "GET", path), 403, "feature_not_available")["upgradeUrl"]
    assert ask(higher, "GET", path).status_code == 200
    higher.update(f"features = '{json.dumps(dict.fromkeys(everything, False))}'")
    refused(ask(higher, "GET", path), 403, "feature_not_available")


def test_ids_of_others_unknown_ids_and_texts_give_the_same_answer(running: Running, tenant: Tenant) -> None:
    """Nobody can tell another tenant's id from one that never existed, nor from a text that is no id, by any method."""
    theirs = running.tenant().product()
    for method, body in (("GET", None), ("PUT", {"sku": "s", "name": "n"}), ("PATCH", {"name": "n"}), ("DELETE", None)):
        answers = [ask(tenant, method, f"/api/products/{i}", json=body) for i in (theirs, str(uuid.uuid4()), "nonsense", "%00")]
        assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    answers = [
        ask(tenant, "POST", "/api/sales", json={"product_id": i, "sold_on": "2026-01-31", "quantity": 1})
        for i in (theirs, str(uuid.uuid4()))
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


def test_products_can_be_made_read_changed_replaced_and_deleted(tenant: Tenant) -> None:
    """The life of a product over HTTP; PATCH keeps and PUT resets what is not sent, deleting is audited."""
    made = ask(
        tenant, "POST", "/api/products", json={"sku": "B-1", "name": "Bolt", "unit_price": 1.25, "description": "<script>"}
    )
    assert made.status_code == 201
    path = f"/api/products/{made.json()['data']['id']}"
    assert ask(tenant, "GET", path).json()["data"] == made.json()["data"]
    changed = ask(tenant, "PATCH", path, json={"name": "Big bolt"}).json()["data"]
    assert (changed["name"], changed["unit_price"], changed["sku"]) == ("Big bolt", 1.25, "B-1")
    replaced = ask(tenant, "PUT", path, json={"sku": "B-2", "name": "Nut"}).json()["data"]
    assert (replaced["sku"], replaced["unit_price"], replaced["description"]) == ("B-2", 0, None)
    assert [row["id"] for row in ask(tenant, "GET", "/api/products").json()["data"]] == [made.json()["data"]["id"]]
    assert ask(tenant, "DELETE", path).status_code == 200
    assert ask(tenant, "GET", path).status_code == 404
    assert "product.deleted" in [action for action, _ in tenant.audit()]


def test_the_other_resources_take_and_show_rows(tenant: Tenant) -> None:
    """Sales, inventory, forecasts, scenarios and AI forecasts are stored in the tenant and counted on its dashboard."""
    product = tenant.product()
    bodies = {
        "/api/sales": {"product_id": product, "sold_on": "2026-01-31", "quantity": 3, "unit_price": 2.5},
        "/api/inventory": {"product_id": product, "quantity_on_hand": 7, "quantity_reserved": 2},
        "/api/forecasts": {"product_id": product, "period": "2026-02-01", "quantity": 1.5},
        "/api/scenarios": {"name": "Late payers", "assumptions": {"days": [30, 45.5], "note": None}},
        "/api/forecasts/ai": {"product_id": product, "months": 2},
    }
    for path, body in bodies.items():
        assert ask(tenant, "POST", path, "member", json=body).status_code == 201, path
        assert ask(tenant, "GET", path, "viewer").json()["data"], path
    totals = ask(tenant, "GET", "/api/dashboard").json()["data"]
    assert (totals["products"], totals["sales"], totals["sales_total"], totals["quantity_available"], totals["forecasts"]) == (
        1,
        1,
        7.5,
        5,
        3,
    )
    assert ask(tenant, "GET", "/api/reports/advanced").json()["data"]["months"][0]["total"] == 7.5
    assert ask(tenant, "GET", "/api/working-capital").json()["data"] == []


def test_lists_are_paged(tenant: Tenant) -> None:
    """A page holds at most `limit` rows and pages do not overlap; limits out of range are 400."""
    for _ in range(5):
        tenant.product()
    pages = [ask(tenant, "GET", f"/api/products?limit=2&offset={offset}").json()["data"] for offset in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({row["id"] for page in pages for row in page}) == 5
    for query in ("limit=0", "limit=201", "limit=x", "offset=-1", "offset=9999999999", "limit=1%00", "limit=%C2%B2"):
        refused(ask(tenant, "GET", f"/api/products?{query}"), 400, "invalid_request")


BAD_BODIES = [
    (b"", 400, "invalid_json"),
    (b"{", 400, "invalid_json"),
    (b"[]", 400, "invalid_json"),
    (b"\xff", 400, "invalid_json"),
    (b'{"sku": NaN}', 400, "invalid_json"),
    (b"[" * 100_000, 400, "invalid_json"),
    (b'{"sku": 1' + b"0" * 5000 + b"}", 400, "invalid_json"),
    (b'{"sku": "a"}', 422, "validation_failed"),
    (b'{"sku": "a", "name": 1}', 422, "validation_failed"),
    (b'{"sku": "", "name": "n"}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "id": "x"}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "tenant_id": "x"}', 422, "validation_failed"),
    (b'{"sku": "a\\u0000", "name": "n"}', 422, "validation_failed"),
    (b'{"sku": "\\ud800", "name": "n"}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "unit_price": -1}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "unit_price": 1e999999}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "unit_price": 0.00001}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "unit_price": true}', 422, "validation_failed"),
    (b'{"sku": "a", "name": "n", "unit_price": "1"}', 422, "validation_failed"),
    (json.dumps({"sku": "a", "name": "n" * 256}).encode(), 422, "validation_failed"),
    (b" " * (1 << 20) + b"{}", 413, "body_too_large"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), BAD_BODIES, ids=[f"{number}-{body[:24]!r}" for number, (body, _, _) in enumerate(BAD_BODIES)]
)
def test_a_bad_body_is_the_callers_error(tenant: Tenant, body: bytes, status: int, code: str) -> None:
    """Whatever is sent as a product, the answer is 4xx in the one error shape, never a 500."""
    refused(ask(tenant, "POST", "/api/products", content=body), status, code)


def test_a_body_without_length_is_limited_too(tenant: Tenant) -> None:
    """A chunked body is cut off at the same limit."""
    with httpx.Client(base_url=tenant.running.stack.base_url, verify=False) as client:
        answer = client.post("/api/products", headers=tenant.headers(), content=(b" " * 65536 for _ in range(17)))
    refused(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/sales", {"sold_on": "2026-02-30", "quantity": 1}),
        ("/api/sales", {"sold_on": "2026-W01-1", "quantity": 1}),
        ("/api/inventory", {"quantity_on_hand": 10**12}),
        ("/api/forecasts/ai", {"months": 25}),
    ],
)
def test_dates_and_numbers_out_of_range_are_422(tenant: Tenant, path: str, body: dict) -> None:
    """Values that the columns could not hold are refused before the database sees them."""
    refused(ask(tenant, "POST", path, json=body | {"product_id": tenant.product()}), 422, "validation_failed")


def test_a_scenario_may_be_nested_but_not_without_end(tenant: Tenant) -> None:
    """JSON objects are stored as they are up to a depth, and refused beyond it or with a NUL inside."""
    deep: dict = {}
    for _ in range(200):
        deep = {"a": deep}
    refused(ask(tenant, "POST", "/api/scenarios", json={"name": "n", "assumptions": deep}), 422, "validation_failed")
    refused(ask(tenant, "POST", "/api/scenarios", json={"name": "n", "assumptions": {"a": ["\0"]}}), 422, "validation_failed")


def test_a_taken_sku_is_409_in_this_tenant_only(running: Running, tenant: Tenant) -> None:
    """The same sku twice is a conflict, also by a change; another tenant may use it."""
    tenant.product("one")
    other = tenant.product("two")
    refused(ask(tenant, "POST", "/api/products", json={"sku": "one", "name": "n"}), 409, "already_exists")
    refused(ask(tenant, "PATCH", f"/api/products/{other}", json={"sku": "one"}), 409, "already_exists")
    assert running.tenant().product("one")


def test_a_first_login_makes_the_user_once(running: Running, tenant: Tenant) -> None:
    """A member whom only identity knows gets one row with identity's role and one audit row, however many requests come at once."""
    running.make_member(tenant.organization, "newcomer", "member")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: ask(tenant, "GET", "/api/users/profile", headers=tenant.headers_of("newcomer")), range(8))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert {(answer.json()["data"]["role"], answer.json()["data"]["email"]) for answer in answers} == {
        ("member", "newcomer@x.test")
    }
    assert [action for action, _ in tenant.audit()] == ["user.first_login"]
    running.sql("UPDATE public.users SET role = 'viewer' WHERE clerk_user_id = 'newcomer'")
    assert ask(tenant, "GET", "/api/users/profile", headers=tenant.headers_of("newcomer")).json()["data"]["role"] == "viewer"


def test_the_plan_limits_the_number_of_users(running: Running) -> None:
    """A first login beyond max_users is refused with an upgrade URL and makes no row; those inside stay."""
    full = running.tenant("starter", max_users=4)
    running.make_member(full.organization, "fifth", "member")
    assert refused(ask(full, "GET", "/api/products", headers=full.headers_of("fifth")), 403, "user_limit_reached")["upgradeUrl"]
    assert ask(full, "GET", "/api/products", "viewer").status_code == 200


def role_of(tenant: Tenant, role: str) -> str:
    [(identifier,)] = tenant.running.sql(
        "SELECT id::text FROM public.users WHERE clerk_user_id = %(u)s", {"u": f"{role}_{tenant.organization}"}
    )
    return identifier


@pytest.mark.parametrize(
    ("actor", "target", "wanted", "expected"),
    [
        ("admin", "viewer", "admin", None),
        ("admin", "admin", "owner", (403, "insufficient_permissions")),
        ("admin", "owner", "viewer", (403, "insufficient_permissions")),
        ("member", "member", "admin", (403, "insufficient_permissions")),
        ("owner", "member", "owner", None),
        ("owner", "owner", "admin", (409, "last_owner")),
        ("owner", "viewer", "emperor", (422, "validation_failed")),
    ],
)
def test_nobody_hands_out_more_than_their_role(
    tenant: Tenant, actor: str, target: str, wanted: str, expected: tuple[int, str] | None
) -> None:
    """Admins give roles up to admin, only owners make owners, and an owner remains; a change is audited."""
    answer = ask(tenant, "PATCH", f"/api/users/{role_of(tenant, target)}", actor, json={"role": wanted})
    if expected is None:
        assert (answer.status_code, answer.json()["data"]["role"]) == (200, wanted)
        assert ("user.role_changed", {"old": target, "new": wanted}) in tenant.audit()
    else:
        refused(answer, *expected)


def test_users_of_others_are_not_found(running: Running, tenant: Tenant) -> None:
    """Another tenant's user id is 404 to an owner, and the user list and audit log hold own rows only."""
    other = running.tenant()
    refused(ask(tenant, "PATCH", f"/api/users/{role_of(other, 'viewer')}", json={"role": "admin"}), 404, "not_found")
    users = ask(tenant, "GET", "/api/users").json()["data"]
    assert {user["clerk_user_id"] for user in users} == {
        f"{role}_{tenant.organization}" for role in ("owner", "admin", "member", "viewer")
    }


def test_a_platform_administrator_makes_tenants_and_nothing_else(running: Running, tenant: Tenant) -> None:
    """POST /api/admin/tenants makes a tenant that its owner can use at once; tenant routes stay closed to the administrator."""
    root = {"Authorization": f"Bearer {running.token('root', None, platform_admin=True)}"}
    name = f"new-{uuid.uuid4().hex[:8]}"
    body = {
        "name": "New",
        "slug": name,
        "clerk_organization_id": f"org_{name}",
        "owner_clerk_user_id": f"owner_org_{name}",
        "owner_email": "o@x.test",
    }
    made = running.http.post("/api/admin/tenants", headers=root, json=body)
    assert (made.status_code, made.json()["data"]["subscription_status"]) == (201, "trial"), made.text
    fresh = Tenant(running, made.json()["data"]["id"], f"org_{name}", "")
    assert ask(fresh, "GET", "/api/users/profile").json()["data"]["role"] == "owner"
    assert fresh.product()
    assert [action for action, _ in fresh.audit()] == ["tenant.created"]
    refused(running.http.post("/api/admin/tenants", headers=root, json=body), 409, "already_exists")
    refused(running.http.post("/api/admin/tenants", headers=root, json=body | {"slug": "A b"}), 422, "validation_failed")
    refused(running.http.get("/api/products", headers=root), 400, "missing_organization_id")
    refused(
        running.http.get("/api/products", headers=root | {"X-Organization-ID": tenant.organization}),
        403,
        "not_organization_member",
    )
    refused(ask(tenant, "POST", "/api/admin/tenants", json=body), 403, "insufficient_permissions")
    assert running.http.post("/api/session/sign-out", headers=root).status_code == 200
    refused(running.http.post("/api/admin/tenants", headers=root, json=body), 401, "session_verification_failed")


def test_a_claim_of_platform_administration_beside_an_organization_is_none(tenant: Tenant) -> None:
    """A tenant's token with the administrator's claim stays a tenant's token."""
    refused(
        ask(tenant, "POST", "/api/admin/tenants", headers=tenant.headers(platform_admin=True), json={}),
        403,
        "insufficient_permissions",
    )


@pytest.mark.parametrize("value", ["http", "HTTP", "https, http"])
def test_plain_http_behind_a_proxy_is_refused(tenant: Tenant, value: str) -> None:
    """A request that came to the proxy over plain HTTP gets nothing; one over HTTPS does."""
    refused(ask(tenant, "GET", "/api/products", headers=tenant.headers() | {"X-Forwarded-Proto": value}), 403, "https_required")
    assert ask(tenant, "GET", "/api/products", headers=tenant.headers() | {"X-Forwarded-Proto": "https"}).status_code == 200


def test_unknown_paths_and_methods_have_the_error_shape(tenant: Tenant) -> None:
    """404 and 405 look like every other error, and 405 names what is allowed."""
    refused(ask(tenant, "GET", "/api/nothing"), 404, "not_found")
    answer = ask(tenant, "DELETE", "/api/products")
    refused(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


def test_hostile_tenant_selectors_are_only_strangers(tenant: Tenant) -> None:
    """SQL in the header, in the signed organisation or in the user id changes nothing and is never a 500."""
    for text in ("' OR '1'='1", 'x"; DROP SCHEMA public CASCADE; --', "%s %(x)s", "org\\_%"):
        own = Tenant(tenant.running, "", text, "")
        refused(ask(own, "GET", "/api/products"), 404, "tenant_not_found")
        refused(
            ask(tenant, "GET", "/api/products", headers=tenant.headers() | {"X-Organization-ID": text}),
            403,
            "not_organization_member",
        )
        refused(ask(tenant, "GET", "/api/products", headers=tenant.headers_of(text)), 403, "not_organization_member")


def test_nothing_secret_stands_in_logs(tenant: Tenant) -> None:
    """Neither the access log nor the service's log holds a token, a schema name or a connection string."""
    headers = tenant.headers()
    for path in ("/api/products", "/api/nothing", f"/api/products/{uuid.uuid4()}"):
        ask(tenant, "GET", path, headers=headers)
    for name in ("access.log", "service.log"):
        text = (tenant.running.stack.run_folder / name).read_text()
        assert headers["Authorization"].split()[1] not in text
        assert tenant.schema not in text
        assert "postgresql://" not in text


def test_concurrent_requests_of_many_tenants_never_mix(running: Running) -> None:
    """With more tenants than connections at once, every answer holds rows of the asking tenant only."""
    tenants = [running.tenant() for _ in range(14)]
    own = {each.id: {each.product() for _ in range(3)} for each in tenants}
    headers = {each.id: each.headers() for each in tenants}

    def visit(number: int) -> bool:
        each = tenants[number % len(tenants)]
        if number % 5 == 0:
            ask(each, "POST", "/api/products", headers=headers[each.id], json={"sku": f"s{number}"})
        rows = ask(each, "GET", "/api/products", headers=headers[each.id]).json()["data"]
        return {row["id"] for row in rows} == own[each.id]

    with ThreadPoolExecutor(24) as pool:
        assert all(pool.map(visit, range(250)))
    assert running.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reference_service'")[0][0] <= 10


def test_the_metrics_add_up_over_workers(running: Running, tenant: Tenant) -> None:
    """A counter grows by the requests of all workers, with the route's template and never a raw path."""
    name = 'http_requests_total{method="GET",route="/api/products/{id}",status="404"}'
    before, identifiers = running.metric(name), [str(uuid.uuid4()) for _ in range(40)]
    headers = tenant.headers()
    # A connection each, so that both workers get some.
    with httpx.Client(base_url=running.stack.base_url, headers=headers | {"Connection": "close"}, verify=False) as http:
        for identifier in identifiers:
            assert http.get(f"/api/products/{identifier}").status_code == 404
    assert running.metric(name) == before + 40
    text = running.http.get("/metrics").text
    assert not any(identifier in text for identifier in identifiers)
    assert len(list(running.stack.run_folder.glob("metrics-*.bin"))) == 2
    for family in (
        "http_request_duration_seconds_bucket", "middleware_latency_seconds_count", "database_query_duration_seconds_sum",
        "database_connections_active", "database_connections_idle", "database_connections_waiting",
        "clerk_session_verifications_total", "process_resident_memory_bytes",
    ):  # fmt: skip
        assert f"\n{family}" in text


def test_health_says_who_answers(running: Running) -> None:
    """Health names database, uptime and the instance, without credentials."""
    body = running.http.get("/api/health").json()
    assert (body["status"], body["database"], body["instance"]) == ("healthy", "connected", running.stack.instance)
    assert body["uptime"] >= 0
