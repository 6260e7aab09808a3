"""Every scenario and built control goes red through a service that does one thing wrong, and green again afterwards."""

import base64
import dataclasses
import json
import re
import threading
import time
import uuid

import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.isolation import controls, scenarios
from capliquify_ops.isolation.people import parts_of
from capliquify_ops.model.finding import Level
from capliquify_ops.model.outcome import Grade, Outcome

ITEM = re.compile(r"/api/products/[^/?]+$")
FAULTS = {}
PROOFS = {
    "a fallback tenant for unknown organisations",
    "the header wins for a member of both organisations",
    "the write of another schema",
    "the neighbour's rows for viewers",
    "a cache without the tenant in its key",
    "a read by id without the tenant",
    "a delete by id that answers 404",
    "a foreign row in base64 inside a 404",
    "the header wins over the session",
    "a repeated header wins",
    "a query parameter wins over the session",
    "a schema name in the selector is believed",
    "an inventory of the neighbour's schema",
    "a promotion to admin",
    "a promotion to owner",
    "a viewer's change is made and refused",
    "the tenant of whoever came last",
    "unsigned tokens are believed",
    "members administrate",
    "viewers write",
    "a tenant id in another header wins",
    "viewers order forecasts and change products",
    "the key in the token's own header is believed",
    "writes at once land in the tenant of the last one",
    "nobody is somebody",
    "any token is somebody's",
    "sign-out honoured on the profile only",
    "the organisation is guessed",
    "the expiry is not looked at",
    "any issuer is believed",
    "writes need nobody",
    "a session in use cannot be signed out",
    "the organisation is guessed for writes",
    "any session may write",
    "changes follow the header",
    "a verified token never ends",
    "unsigned tokens may write",
    "members make themselves owners",
    "a role holds in every tenant",
    "a deletion outlives the demotion",
    "a method override is obeyed",
    "figures of whoever asked first",
}
WITHIN_ONE_TENANT = {
    "a promotion to admin",
    "a promotion to owner",
    "a viewer's change is made and refused",
    "members administrate",
    "viewers write",
    "viewers order forecasts and change products",
    "the organisation is guessed",
    "the organisation is guessed for writes",
    "the expiry is not looked at",
    "a verified token never ends",
    "members make themselves owners",
    "a role holds in every tenant",
    "a deletion outlives the demotion",
    "a method override is obeyed",
}
"""Faults whose witness is another tenant's secret or a changed row; the others are answers against the contract."""


def fault(check, name):
    """Register a fault: `make(cast, tools)` gives what the proxy does with each request."""

    def register(make):
        FAULTS[check, name] = make
        return make

    return register


@fault("int_01_valid_session", "a profile that says nothing")
def _(cast, tools):
    return lambda request, forward: tools.ok({}) if request.route == "/api/users/profile" else forward(request)


@fault("int_01_valid_session", "everybody is a viewer")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if request.route == "/api/users/profile" and answer.status == 200:
            return answer.saying({"data": answer.document["data"] | {"role": "viewer"}})
        return answer

    return lie


@fault("int_02_missing_authorization", "nobody is somebody")
def _(cast, tools):
    return lambda request, forward: forward(request if request.token else cast.as_(request, "a.member"))


@fault("int_03_invalid_session", "any token is somebody's")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return forward(cast.as_(request, "a.member")) if answer.status == 401 and request.token else answer

    return lie


@fault("int_04_missing_organization", "the organisation is guessed")
def _(cast, tools):
    def lie(request, forward):
        return forward(
            request if request.organization else request.with_header("X-Organization-ID", request.claims.get("org_id"))
        )

    return lie


@fault("int_05_not_a_member", "the header is ignored")
def _(cast, tools):
    return lambda request, forward: forward(request.with_header("X-Organization-ID", request.claims.get("org_id")))


@fault("int_06_no_tenant", "a fallback tenant for unknown organisations")
def _(cast, tools):
    return lambda request, forward: forward(cast.as_(request, "a.owner") if cast.who(request) == "o.owner" else request)


@fault("int_07_suspended", "one route forgets the suspension")
def _(cast, tools):
    def lie(request, forward):
        forgets = cast.who(request) == "x.owner" and request.route == "/api/dashboard"
        return tools.ok({"products": 0}) if forgets else forward(request)

    return lie


@fault("int_08_first_login", "two rows for one user")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if request.route == "/api/users" and request.method == "GET" and answer.status == 200:
            rows = answer.document["data"]
            return answer.saying({"data": rows + [row for row in rows if "_new" in row["email"]]})
        return answer

    return lie


@fault("int_08_first_login", "newcomers are refused")
def _(cast, tools):
    def lie(request, forward):
        is_new = "_new" in str(request.claims.get("sub"))
        return tools.answer(403).saying({"error": "not_organization_member"}) if is_new else forward(request)

    return lie


@fault("int_09_tenant_schema", "the write of another schema")
def _(cast, tools):
    def lie(request, forward):
        return forward(cast.as_(request, "b.owner") if request.method == "POST" and cast.who(request) == "a.owner" else request)

    return lie


@fault("int_10_professional_ai", "professional is taken for starter")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return tools.answer(403).saying({"error": "feature_not_available"}) if request.route == "/api/forecasts/ai" else answer

    return lie


@fault("int_11_starter_refused_ai", "AI for everybody")
@fault("int_12_starter_refused_reports", "reports for everybody")
@fault("sec_010_starter_premium", "premium for everybody")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return tools.ok([]) if answer.status == 403 and b"feature_not_available" in answer.body else answer

    return lie


@fault("int_11_starter_refused_ai", "a refusal without a way to upgrade")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if b"feature_not_available" in answer.body:
            return answer.saying({"success": False, "error": "feature_not_available", "message": "No."})
        return answer

    return lie


@fault("int_13_admin_creates_product", "an acknowledged row that is not kept")
def _(cast, tools):
    def lie(request, forward):
        if request.method == "POST" and cast.who(request) == "a.admin":
            return tools.ok({"id": str(uuid.uuid4())} | json.loads(request.body), 201)
        return forward(request)

    return lie


@fault("int_14_member_refused_admin", "members administrate")
def _(cast, tools):
    return lambda request, forward: forward(cast.as_(request, "a.admin") if cast.who(request) == "a.member" else request)


@fault("int_15_viewer_refused_write", "viewers write")
@fault("sec_009_viewer_writes", "viewers write")
def _(cast, tools):
    return lambda request, forward: forward(cast.as_(request, "a.admin") if cast.who(request) == "a.viewer" else request)


@fault("sec_009_viewer_writes", "a viewer's change is made and refused")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if cast.who(request) == "a.viewer" and request.method == "PUT":
            forward(cast.as_(request, "a.member"))
        return answer

    return lie


@fault("int_16_a_sees_only_a", "the neighbour's rows for viewers")
def _(cast, tools):
    return lambda request, forward: forward(cast.as_(request, "b.owner") if cast.who(request) == "a.viewer" else request)


@fault("int_17_b_sees_only_b", "a cache without the tenant in its key")
def _(cast, tools):
    kept = {}

    def lie(request, forward):
        if request.method != "GET" or ITEM.match(request.route):
            return forward(request)
        answer = kept.get(request.path) or forward(request)
        if answer.status == 200:
            kept[request.path] = answer
        return answer

    return lie


@fault("int_18_foreign_resource", "a read by id without the tenant")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if answer.status == 404 and request.method == "GET" and ITEM.match(request.route):
            other = "b.owner" if cast.who(request).startswith("a.") else "a.owner"
            return forward(cast.as_(request, other))
        return answer

    return lie


@fault("int_18_foreign_resource", "403 tells that it exists")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return tools.answer(403).saying({"error": "forbidden"}) if answer.status == 404 else answer

    return lie


@fault("sec_001_other_tenants_data", "a delete by id that answers 404")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if answer.status == 404 and request.method == "DELETE":
            forward(cast.as_(request, "b.owner" if cast.who(request).startswith("a.") else "a.owner"))
        return answer

    return lie


@fault("sec_001_other_tenants_data", "a foreign row in base64 inside a 404")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if answer.status == 404 and request.method == "GET":
            row = forward(cast.as_(request, "b.owner" if cast.who(request).startswith("a.") else "a.owner"))
            return answer.saying({"error": "not_found", "debug": "ctx" + base64.b64encode(row.body).decode()})
        return answer

    return lie


@fault("sec_002_organization_header", "the header wins over the session")
def _(cast, tools):
    def lie(request, forward):
        owner = cast.owner_of(request.organization)
        return forward(cast.as_(request, owner) if owner in {"a.owner", "b.owner"} else request)

    return lie


@fault("sec_002_organization_header", "the header wins for a member of both organisations")
def _(cast, tools):
    def lie(request, forward):
        is_both = str(request.claims.get("sub", "")).endswith("_both")
        return forward(cast.as_(request, cast.owner_of(request.organization)) if is_both else request)

    return lie


@fault("sec_002_organization_header", "a repeated header wins")
def _(cast, tools):
    def lie(request, forward):
        values = [value for key, value in request.headers if key.lower() == "x-organization-id"]
        owner = cast.owner_of(values[-1]) if len(values) > 1 else ""
        return forward(cast.as_(request, owner) if owner else request)

    return lie


@fault("sec_002_organization_header", "a query parameter wins over the session")
def _(cast, tools):
    def lie(request, forward):
        named = [cast.owner_of(value) for value in re.findall(r"tenantId|(?<=org=)[\w-]+", request.path)]
        return forward(cast.as_(request, named[0]) if named and named[0] else request)

    return lie


@fault("sec_003_selector_injection", "a quote breaks the statement")
def _(cast, tools):
    def lie(request, forward):
        is_broken = "'" in (request.organization or "")
        return tools.answer(500).saying({"error": "syntax error"}) if is_broken else forward(request)

    return lie


@fault("sec_003_selector_injection", "a schema name in the selector is believed")
def _(cast, tools):
    def lie(request, forward):
        other = cast.world.tenants["b"].schema_name
        return forward(cast.as_(request, "b.owner") if f'"{other}"' in (request.organization or "") else request)

    return lie


@fault("sec_004_expired_token", "the expiry is not looked at")
def _(cast, tools):
    def lie(request, forward):
        is_expired = request.claims.get("exp", 1e12) < time.time()
        return forward(cast.as_(request, cast.who(request)) if is_expired else request)

    return lie


@fault("sec_005_tampered_token", "unsigned tokens are believed")
def _(cast, tools):
    def lie(request, forward):
        is_unsigned = str(parts_of(request.token)[0].get("alg", "")).lower() == "none"
        return forward(cast.as_(request, cast.who(request)) if is_unsigned and cast.who(request) else request)

    return lie


@fault("sec_006_foreign_environment", "any issuer is believed")
def _(cast, tools):
    def lie(request, forward):
        is_foreign = "foreign" in str(request.claims.get("iss"))
        return forward(cast.as_(request, cast.who(request)) if is_foreign else request)

    return lie


@fault("sec_007_member_to_admin", "a promotion to admin")
def _(cast, tools):
    def lie(request, forward):
        promotes = request.method == "PATCH" and cast.who(request) == "a.member"
        return forward(cast.as_(request, "a.owner") if promotes else request)

    return lie


@fault("sec_007_member_to_admin", "a role header is believed")
def _(cast, tools):
    return lambda request, forward: forward(cast.as_(request, "a.admin") if request.header("X-User-Role") == "admin" else request)


@fault("sec_008_admin_to_owner", "a promotion to owner")
def _(cast, tools):
    def lie(request, forward):
        promotes = request.method == "PATCH" and cast.who(request) == "a.admin"
        return forward(cast.as_(request, "a.owner") if promotes else request)

    return lie


@fault("sec_008_admin_to_owner", "the platform is open to owners")
def _(cast, tools):
    return lambda request, forward: tools.ok({}, 201) if request.route == "/api/admin/tenants" else forward(request)


@fault("sec_010_starter_premium", "a plan header is believed")
def _(cast, tools):
    def lie(request, forward):
        return tools.ok([]) if request.header("X-Plan") == "enterprise" else forward(request)

    return lie


@fault("sec_011_feature_column", "the column unlocks")
def _(cast, tools):
    target = cast.world.target

    def lie(request, forward):
        answer = forward(request)
        if answer.status == 403 and b"feature_not_available" in answer.body and cast.who(request) == "s.owner":
            with operator(target.changing_url(), "fault") as session, session.transaction():
                session.execute(fill('SET LOCAL ROLE :"owner"', {"owner": target.roles.owner}))
                tenant = cast.world.tenants["s"].id
                stored = session.value("SELECT features FROM public.tenants WHERE id = %(id)s", {"id": tenant})
            is_on = isinstance(stored, dict) and stored.get(answer.document["feature"]) is True
            return tools.ok([]) if is_on else answer
        return answer

    return lie


@fault("sec_015_own_rows_only", "a total over all tenants")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if request.route == "/api/dashboard" and answer.status == 200:
            other = forward(cast.as_(request, "b.owner" if cast.who(request) == "a.owner" else "a.owner")).document["data"]
            own = answer.document["data"]
            return answer.saying({"success": True, "data": own | {"products": own["products"] + other["products"]}})
        return answer

    return lie


@fault("sec_001_other_tenants_data", "an inventory of the neighbour's schema")
@fault("sec_015_own_rows_only", "an inventory of the neighbour's schema")
def _(cast, tools):
    def lie(request, forward):
        is_patched = request.route == "/api/inventory" and request.method == "GET" and cast.who(request) == "a.owner"
        is_patched = is_patched and request.organization == cast.world.tenants["a"].organization_id
        return forward(cast.as_(request, "b.owner") if is_patched else request)

    return lie


@fault("sec_016_concurrent_search_path", "the tenant of whoever came last")
def _(cast, tools):
    last, lock = [None], threading.Lock()

    def lie(request, forward):
        with lock:
            last[0] = request
        answer = forward(request)
        current = last[0]
        if current is not request and request.method == "GET" and cast.who(current):
            return forward(cast.as_(request, cast.who(current)))
        return answer

    return lie


@fault("sec_017_guessed_ids", "403 tells that it exists")
@fault("sec_017_guessed_ids", "a header tells that it exists")
def _(cast, tools):
    return _telling(cast, lambda answer: tools.answer(403, answer.headers, answer.body))


def _telling(cast, tell):
    def lie(request, forward):
        answer = forward(request)
        if answer.status == 404 and ITEM.match(request.route):
            other = "b.owner" if cast.who(request).startswith("a.") else "a.owner"
            look = cast.as_(request, other)
            look.method, look.body = "GET", b""
            if forward(look).status == 200:
                return tell(answer)
        return answer

    return lie


FAULTS["sec_017_guessed_ids", "a header tells that it exists"] = lambda cast, tools: _telling(
    cast, lambda answer: tools.answer(404, [*answer.headers, ("X-Owner", "other")], answer.body)
)
FAULTS["sec_017_guessed_ids", "another text tells that it exists"] = lambda cast, tools: _telling(
    cast, lambda answer: answer.saying(answer.document | {"message": "This belongs to somebody else."})
)


@fault("int_03_invalid_session", "sign-out honoured on the profile only")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        is_refused = answer.status == 401 and request.route != "/api/users/profile" and cast.who(request)
        return forward(cast.as_(request, cast.who(request))) if is_refused else answer

    return lie


@fault("sec_010_starter_premium", "premium features unchecked on writes")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if request.method == "POST" and answer.status == 403 and cast.who(request).startswith("s."):
            return forward(cast.as_(request, "b.owner"))
        return answer

    return lie


@fault("sec_009_viewer_writes", "viewers order forecasts and change products")
def _(cast, tools):
    def lie(request, forward):
        is_open = request.method == "PATCH" or request.route == "/api/forecasts/ai"
        return forward(cast.as_(request, "a.owner") if is_open and cast.who(request) == "a.viewer" else request)

    return lie


@fault("sec_002_organization_header", "a tenant id in another header wins")
def _(cast, tools):
    def lie(request, forward):
        named = [key for key, tenant in cast.world.tenants.items() if tenant.id == request.header("X-Tenant-ID")]
        return forward(cast.as_(request, f"{named[0]}.owner") if named and named[0] in "ab" else request)

    return lie


@fault("sec_005_tampered_token", "the key in the token's own header is believed")
def _(cast, tools):
    def lie(request, forward):
        header, claims = parts_of(request.token)
        owner = cast.owner_of(claims.get("org_id"))
        return forward(cast.as_(request, owner) if "jwk" in header and owner else request)

    return lie


@fault("sec_015_own_rows_only", "a dashboard of the neighbour's totals")
def _(cast, tools):
    def lie(request, forward):
        is_total = request.route == "/api/dashboard" and cast.who(request).startswith("b.")
        return forward(cast.as_(request, "a.owner") if is_total else request)

    return lie


@fault("sec_016_concurrent_search_path", "writes at once land in the tenant of the last one")
def _(cast, tools):
    under_way, current = [0], [""]
    lock = threading.Lock()

    def lie(request, forward):
        who = cast.who(request)
        if request.method != "POST" or who[:2] not in {"a.", "b."}:
            return forward(request)
        with lock:
            under_way[0] += 1
            current[0] = who if under_way[0] == 1 else current[0]
        try:
            return forward(cast.as_(request, current[0]) if under_way[0] > 1 else request)
        finally:
            with lock:
                under_way[0] -= 1

    return lie


WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def _remembering(cast, is_remembered):
    """A service that remembers tokens once it accepted them: refused later, they still open what they opened."""
    accepted = set()

    def lie(request, forward):
        answer = forward(request)
        if answer.status < 400:
            accepted.add(request.token)
        if answer.status == 401 and request.token in accepted and is_remembered(request):
            return forward(cast.as_(request, cast.who(request)))
        return answer

    return lie


@fault("sec_004_expired_token", "a verified token never ends")
def _(cast, tools):
    return _remembering(cast, lambda request: request.claims.get("exp", 1e12) < time.time())


@fault("int_03_invalid_session", "a session in use cannot be signed out")
def _(cast, tools):
    return _remembering(cast, lambda request: True)


@fault("sec_006_foreign_environment", "the issuer is not looked at")
def _(cast, tools):
    return _unchecked(cast, "iss")


@fault("sec_006_foreign_environment", "the authorised party is not looked at")
def _(cast, tools):
    return _unchecked(cast, "azp")


def _unchecked(cast, claim):
    def lie(request, forward):
        is_other = "another-environment" in str(request.claims.get(claim))
        return forward(cast.as_(request, cast.who(request)) if is_other else request)

    return lie


def _as_before(cast, who, instead, methods):
    """What somebody was allowed once stays allowed: the role is remembered by method and route."""
    allowed = set()

    def lie(request, forward):
        answer = forward(request)
        key = request.method, ITEM.sub("item", request.route)
        if cast.who(request) == who and request.method in methods:
            if answer.status < 400:
                allowed.add(key)
            elif answer.status == 403 and key in allowed:
                return forward(cast.as_(request, instead))
        return answer

    return lie


@fault("sec_007_member_to_admin", "a role outlives the demotion")
def _(cast, tools):
    return _as_before(cast, "a.admin", "a.owner", {"GET"})


@fault("sec_007_member_to_admin", "a deletion outlives the demotion")
def _(cast, tools):
    return _as_before(cast, "a.admin", "a.owner", {"DELETE"})


@fault("sec_008_admin_to_owner", "an owner's role outlives the demotion")
def _(cast, tools):
    return _as_before(cast, "a.coowner", "a.owner", {"PATCH"})


@fault("sec_007_member_to_admin", "a role holds in every tenant")
def _(cast, tools):
    def lie(request, forward):
        is_elsewhere = str(request.claims.get("sub", "")).endswith("_elsewhere")
        owner = cast.owner_of(request.organization)
        return forward(cast.as_(request, owner) if is_elsewhere and owner == "b.owner" else request)

    return lie


@fault("sec_007_member_to_admin", "members make themselves owners")
def _(cast, tools):
    def lie(request, forward):
        is_open = request.method == "PATCH" and cast.who(request) == "a.member" and b'"owner"' in request.body
        return forward(cast.as_(request, "a.owner") if is_open else request)

    return lie


@fault("sec_010_starter_premium", "professional is sold reports")
def _(cast, tools):
    def lie(request, forward):
        is_sold = request.route == "/api/reports/advanced" and cast.who(request) == "a.owner"
        return tools.ok({"months": []}) if is_sold else forward(request)

    return lie


@fault("int_17_b_sees_only_b", "figures of whoever asked first")
@fault("sec_015_own_rows_only", "figures of whoever asked first")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        is_figure = request.route == "/api/working-capital" and answer.status == 200
        return kept.setdefault(request.path, answer) if is_figure else answer

    first = cast.world.get("a.owner", "/api/working-capital")
    kept = {first.call.path: tools.answer(200, body=first.response.body)}
    return lie


@fault("sec_009_viewer_writes", "a method override is obeyed")
def _(cast, tools):
    def lie(request, forward):
        method = request.header("X-HTTP-Method-Override")
        if method and cast.who(request) == "a.viewer":
            return forward(dataclasses.replace(cast.as_(request, "a.owner"), method=method))
        return forward(request)

    return lie


def _tolerated(cast, tools, code, methods=None):
    """What a tenant's standing forbids is answered with an empty success."""

    def lie(request, forward):
        answer = forward(request)
        is_told = code in answer.body and cast.who(request) == "x.owner" and request.method in (methods or WRITES | {"GET"})
        return tools.ok({}, 201 if request.method == "POST" else 200) if is_told else answer

    return lie


@fault("int_07_suspended", "cancelled is let in")
def _(cast, tools):
    return _tolerated(cast, tools, b"subscription_cancelled")


@fault("int_07_suspended", "past due may write")
def _(cast, tools):
    return _tolerated(cast, tools, b"payment_required")


@fault("int_07_suspended", "past due may delete")
def _(cast, tools):
    return _tolerated(cast, tools, b"payment_required", {"DELETE"})


@fault("int_07_suspended", "a trial never ends")
def _(cast, tools):
    return _tolerated(cast, tools, b"trial_expired")


@fault("int_07_suspended", "a deleted tenant lives on")
def _(cast, tools):
    return _tolerated(cast, tools, b"tenant_not_found")


@fault("int_07_suspended", "only reads are suspended")
def _(cast, tools):
    return _tolerated(cast, tools, b"subscription_suspended", WRITES)


@fault("int_07_suspended", "past due is shut out")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if request.method != "GET" and answer.status == 402:
            shut[0] = True
        is_shut = shut[0] and request.route == "/api/dashboard" and cast.who(request) == "x.owner" and answer.status == 200
        return tools.answer(402).saying({"error": "payment_required"}) if is_shut else answer

    shut = [False]
    return lie


@fault("int_02_missing_authorization", "writes need nobody")
def _(cast, tools):
    def lie(request, forward):
        return forward(cast.as_(request, "a.member") if request.method in WRITES and not request.token else request)

    return lie


@fault("int_04_missing_organization", "the organisation is guessed for writes")
def _(cast, tools):
    def lie(request, forward):
        is_open = request.method in WRITES and not request.organization
        return forward(request.with_header("X-Organization-ID", request.claims.get("org_id")) if is_open else request)

    return lie


@fault("int_05_not_a_member", "any session may write")
@fault("sec_001_other_tenants_data", "changes follow the header")
def _(cast, tools):
    def lie(request, forward):
        owner = cast.owner_of(request.organization)
        is_open = request.method in WRITES - {"POST"} and owner in {"a.owner", "b.owner"} and "_owner" in str(request.claims)
        return forward(cast.as_(request, owner) if is_open else request)

    return lie


@fault("sec_005_tampered_token", "unsigned tokens may write")
def _(cast, tools):
    def lie(request, forward):
        is_unsigned = str(parts_of(request.token)[0].get("alg", "")).lower() == "none" and request.method in WRITES
        return forward(cast.as_(request, cast.who(request)) if is_unsigned and cast.who(request) else request)

    return lie


ELSEWHERE = {
    "sec_012_row_level_security", "sec_013_secrets_in_errors", "sec_014_audit_trail", "sec_018_rate_limit", "sec_019_inert_input",
    "sec_020_https_enforced",
}  # fmt: skip
"""Provoked in test_provoked_controls.py."""
BUILT = [row.check for row in (*scenarios(), *controls()) if row.check not in ELSEWHERE]


@pytest.mark.parametrize(("check", "name"), sorted(FAULTS), ids=lambda text: text.replace(" ", "-"))
def test_a_fault_is_found(check, name, world, cast, make, lie, as_found, record_property, run, is_whole):
    """The check is failing through one fault with a witness that names it, and healthy on the same rows without it.

    That it is healthy before as well is measured too when all faults are: in the sample it would be the same measurement twice.
    """
    record_property("fault", name)
    if is_whole:
        before = run(check, world)
        assert before.outcome is Outcome.HEALTHY, before.why
    lie(FAULTS[check, name](cast, make))
    found = run(check, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert found.witness is not None
    assert found.witness.lines
    assert (found.grade is Grade.PROOF) is (name in PROOFS), found.why
    assert (found.escalation is Level.L3) is (name in PROOFS - WITHIN_ONE_TENANT)
    assert not any(
        canary.token in text
        for canary in world.caller.canaries
        if canary.token.startswith("canary")
        for text in found.witness.lines
    )
    lie(None)
    as_found.put_back()
    after = run(check, world)
    assert after.outcome is Outcome.HEALTHY, after.why


def test_every_built_check_is_provoked():
    """There is at least one fault for each scenario, and for each control that is not provoked elsewhere."""
    assert {check for check, _ in FAULTS} == set(BUILT)
    assert len(BUILT) == 18 + 14


def test_the_sample_holds_faults_of_a_quarter_of_the_checks(make):
    """What `make test` runs of the faults is one each of about a quarter of the checks, the same each time."""
    cases = [("test_provoked.py::test_a_fault_is_found", check, name) for check, name in FAULTS]
    kept = make.sample(cases)
    checks = [check for _, check, _ in kept]
    assert len(checks) == len(set(checks))
    assert len(BUILT) * 0.15 < len(checks) < len(BUILT) * 0.4
    assert kept == make.sample(reversed(cases))


STRAY = (
    'INSERT INTO :"a".products (company_id, sku, name) SELECT c.id, p.sku, p.name FROM :"b".products AS p, :"a".companies AS c',
    'UPDATE :"b".products SET unit_cost = 1',
    'DELETE FROM :"a".sales',
)
ROWS = (
    "SELECT string_agg(r::text, '' ORDER BY r::text) FROM (SELECT p::text FROM :\"a\".products AS p UNION ALL"
    ' SELECT p::text FROM :"b".products AS p UNION ALL SELECT s::text FROM :"a".sales AS s) AS r'
)


def test_no_test_finds_what_another_one_left(world, as_found):
    """Rows made in the wrong tenant, changed and deleted ones, and what the world knows of them are put back."""

    def change(*statements):
        names = {"owner": world.target.roles.owner} | {key: world.tenants[key].schema_name for key in "ab"}
        with operator(world.target.changing_url(), "test fault") as session, session.transaction():
            for statement in ('SET LOCAL ROLE :"owner"', *statements):
                session.execute(fill(statement, names))
            return session.value(fill(ROWS, names))

    before, plants = change(), list(world.plants)
    world.plant("b", world.planting_route())
    assert change(*STRAY) != before
    as_found.put_back()
    assert change() == before
    assert world.plants == plants
