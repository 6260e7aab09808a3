"""The controls of edge, disclosure and row security go red through one fault of the service or database, and green again."""

import dataclasses
import threading
import time
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import fill, operator
from capliquify_ops.identity_providers.sources import token_source
from capliquify_ops.isolation import audit_trail, build_world, https_enforced, run_control, service_role
from capliquify_ops.isolation.inert_input import MARK, PRODUCT
from capliquify_ops.isolation.secrets_in_errors import known_secrets
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded

SAYS = {}
FAULTS = {}


def fault(check, name, says):
    """Register a fault: `make(cast, tools)` gives what the proxy does with each request; `says` stands in the finding."""

    def register(make):
        FAULTS[check, name] = make
        SAYS[check, name] = says
        return make

    return register


def _telling(text, status):
    """Errors of one status carry a text."""

    def make(cast, tools):
        def lie(request, forward):
            answer = forward(request)
            if answer.status != status:
                return answer
            return tools.answer(answer.status).saying({"success": False, "error": "failed", "message": text})

        return lie

    return make


TELLING = {
    "a trace for unusable bodies": ('Traceback (most recent call last):\n  File "main.py", line 3, in f', 422, "a stack trace"),
    "the database's own words": ('invalid input syntax for type uuid: "x"', 404, "SQL"),
    "a path for wrong methods": ("cannot read /srv/app/config/settings.py", 405, "a path of the server"),
    "a connection string": ("postgresql://app@db.internal:5432/app", 400, "a connection string"),
}
for _name, (_text, _status, _says) in TELLING.items():
    fault("sec_013_secrets_in_errors", _name, _says)(_telling(_text, _status))


@fault("sec_013_secrets_in_errors", "the operator's password in a header", "password of the operator URL")
def _(cast, tools):
    password = known_secrets(cast.world.target)["password of the operator URL"]
    return lambda request, forward: (
        _with(forward(request), ("X-Debug", password)) if request.method == "PATCH" else forward(request)
    )


@fault("sec_013_secrets_in_errors", "an error page that repeats the token", "session token")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return answer.saying({"error": "failed", "got": request.token}) if answer.status == 404 and request.token else answer

    return lie


@fault("sec_013_secrets_in_errors", "a page that shows the environment", "a connection string")
def _(cast, tools):
    shown = tools.answer(200, body=b'{"DATABASE_URL": "postgres:\\/\\/app:secret@db\\/app"}')
    return lambda request, forward: shown if request.route == "/debug" and not request.token else forward(request)


def _with(answer, *headers):
    return dataclasses.replace(answer, headers=[*answer.headers, *headers])


def _entries(change, who="a.owner"):
    """The audit log as somebody sees it is another one."""

    def make(cast, tools):
        def lie(request, forward):
            answer = forward(request)
            if request.route != "/api/audit-logs" or cast.who(request) != who:
                return answer
            return answer.saying({"success": True, "data": change(answer.document["data"], cast)})

        return lie

    return make


def _without(action):
    return _entries(lambda entries, cast: [one for one in entries if one["action"] != action])


for _name, _action in {
    "role changes are not written down": "user.role_changed",
    "deletions are not written down": "product.deleted",
    "sign-outs are not written down": "session.signed_out",
    "refusals are not written down": "auth.access_denied",
    "failed logins are not written down": "auth.login_failed",
}.items():
    fault("sec_014_audit_trail", _name, "no entry of the tenant's log")(_without(_action))
fault("sec_014_audit_trail", "nobody is named", "names a.owner and what was done")(
    _entries(lambda entries, cast: [one | {"user_id": None} for one in entries])
)
fault("sec_014_audit_trail", "nothing is said to have been done", "no entry of the tenant's log")(
    _entries(lambda entries, cast: [{key: one[key] for key in ("id", "user_id", "resource_id", "created_at")} for one in entries])
)
fault("sec_014_audit_trail", "the token is written down", "an entry tells the token")(
    _entries(lambda entries, cast: [one | {"metadata": _tokens(cast)} for one in entries])
)


def _tokens(cast):
    return {"authorization": cast.world.caller.wallet.token(cast.world.people["a.owner"])}


@fault("sec_014_audit_trail", "one log for all", "of its entries tell of the other tenant")
def _(cast, tools):
    def lie(request, forward):
        is_log = request.route == "/api/audit-logs" and cast.who(request) == "b.owner"
        return forward(cast.as_(request, "a.owner") if is_log else request)

    return lie


def _items(request):
    return request.method == "GET" and request.route.startswith("/api/products/")


@fault("sec_019_inert_input", "rows come as a page", "markup stands unescaped")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return dataclasses.replace(answer, headers=[("Content-Type", "text/html")]) if _items(request) else answer

    return lie


@fault("sec_019_inert_input", "plain text that may be sniffed", "markup stands unescaped")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return dataclasses.replace(answer, headers=[("Content-Type", "text/plain")]) if _items(request) else answer

    return lie


@fault("sec_019_inert_input", "expressions are evaluated", "was evaluated")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return dataclasses.replace(answer, body=answer.body.replace(b"{{31337*27183}}", PRODUCT.encode()))

    return lie


@fault("sec_019_inert_input", "a line end makes a header", "a line end in the text made a header")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return _with(answer, (MARK, "1")) if f"\r\n{MARK}" in unquote(request.path) else answer

    return lie


@fault("sec_019_inert_input", "texts are escaped when they are stored", "came back as something else")
def _(cast, tools):
    return lambda request, forward: forward(dataclasses.replace(request, body=request.body.replace(b"<", b"&lt;")))


@fault("sec_019_inert_input", "a NUL fails", "expected no server error")
def _(cast, tools):
    failed = tools.answer(500).saying({"error": "internal_error"})
    return lambda request, forward: failed if rb"\u0000" in request.body else forward(request)


@fault("sec_019_inert_input", "an unknown path is shown", "markup stands unescaped")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        if answer.status != 404:
            return answer
        return tools.answer(404, [("Content-Type", "text/html")], f"<p>no {unquote(request.path)}</p>".encode())

    return lie


@fault("sec_019_inert_input", "a stored statement runs", "it was changed or deleted")
def _(cast, tools):
    victim = cast.world.planted("a", "products")[0]

    def lie(request, forward):
        if b"DROP TABLE" in request.body:
            forward(dataclasses.replace(request, method="PATCH", path=victim.path, body=b'{"category": "gone"}'))
        return forward(request)

    return lie


@fault("sec_020_https_enforced", "plain HTTP is served", "holds the tenant's own data")
def _(cast, tools):
    return lambda request, forward: forward(request.with_header("X-Forwarded-Proto", None))


@fault("sec_020_https_enforced", "plain HTTP is served in capitals", "over HTTP: GET")
def _(cast, tools):
    def lie(request, forward):
        said = request.header("X-Forwarded-Proto")
        return forward(request.with_header("X-Forwarded-Proto", None) if said == "HTTP" else request)

    return lie


@fault("sec_020_https_enforced", "writes over plain HTTP", "POST /api/products")
def _(cast, tools):
    return lambda request, forward: forward(
        request.with_header("X-Forwarded-Proto", None) if request.method == "POST" else request
    )


@fault("sec_020_https_enforced", "a write that is refused and made", "it was made")
def _(cast, tools):
    def lie(request, forward):
        if request.method == "POST" and request.header("X-Forwarded-Proto"):
            forward(request.with_header("X-Forwarded-Proto", None))
        return forward(request)

    return lie


@fault("sec_020_https_enforced", "a redirect to plain HTTP", "does not lead to https")
def _(cast, tools):
    def lie(request, forward):
        answer = forward(request)
        return tools.answer(308, [("Location", "http://example.com/")]) if b"https_required" in answer.body else answer

    return lie


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """An entry that never comes is not waited for longer than this service takes."""
    monkeypatch.setattr(audit_trail, "WRITTEN_WITHIN_S", 0.3)


@pytest.mark.parametrize(("check", "name"), sorted(FAULTS), ids=lambda text: text.replace(" ", "-"))
def test_a_fault_is_found(check, name, world, cast, make, lie, as_found, record_property, run, is_whole):
    """The control is failing through one fault, says which, shows no secret, and is healthy on the same rows without it."""
    record_property("fault", name)
    if is_whole:
        before = run(check, world)
        assert before.outcome is Outcome.HEALTHY, before.why
    lie(FAULTS[check, name](cast, make))
    found = run(check, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert SAYS[check, name] in "\n".join(found.witness.lines), found.witness.lines
    secrets = [world.caller.wallet.token(world.people["a.owner"]), *known_secrets(world.target).values()]
    assert not any(secret in text for secret in secrets for text in (*found.witness.lines, found.why))
    lie(None)
    as_found.put_back()
    after = run(check, world)
    assert after.outcome is Outcome.HEALTHY, after.why


def test_an_https_redirect_is_fine(world, make, lie, run):
    """A service that redirects plain HTTP to HTTPS, and one that refuses with another code, are healthy."""

    def redirect(request, forward):
        answer = forward(request)
        return make.answer(308, [("Location", "https://example.com/")]) if b"https_required" in answer.body else answer

    lie(redirect)
    found = run("sec_020_https_enforced", world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.fixture
def over_https(world, proxy, monkeypatch):
    """The world of a target that speaks HTTPS, whose port for plain HTTP is the proxy's."""
    monkeypatch.setattr(https_enforced, "PLAIN_PORT", urlsplit(proxy.url).port)
    return dataclasses.replace(world, target=dataclasses.replace(world.target, base_url="https://127.0.0.1"))


def test_an_https_target_that_answers_plain_http(over_https, run):
    """An HTTPS target whose host also answers plain HTTP is failing, for whatever it answers nobody there."""
    found = run("sec_020_https_enforced", over_https)
    assert found.outcome is Outcome.FAILING
    assert "plain HTTP: GET" in found.why


@pytest.mark.parametrize(
    ("location", "hsts", "says"),
    [
        ("https://example.com/", "max-age=31536000", ""),
        ("http://example.com/", "max-age=31536000", "does not lead to https"),
        ("https://example.com/", None, "no strict-transport-security"),
        ("https://example.com/", "max-age=0", "no strict-transport-security"),
    ],
)
def test_an_https_target(location, hsts, says, over_https, make, lie, run):
    """An HTTPS target redirects plain HTTP to HTTPS and names HSTS with an age: all else is failing."""

    def edge(request, forward):
        if not request.header("X-Audit-Run"):
            return make.answer(301, [("Location", location)])
        answer = forward(request)
        kept = [(name, value) for name, value in answer.headers if name.lower() != "strict-transport-security"]
        return dataclasses.replace(answer, headers=kept + ([("Strict-Transport-Security", hsts)] if hsts else []))

    lie(edge)
    found = run("sec_020_https_enforced", over_https)
    assert found.outcome is (Outcome.FAILING if says else Outcome.HEALTHY), found.why
    assert says in found.why


def test_an_https_target_without_plain_http(over_https, run, monkeypatch):
    """Where nobody listens for plain HTTP, nothing is wrong."""
    monkeypatch.setattr(https_enforced, "PLAIN_PORT", 1)
    assert run("sec_020_https_enforced", over_https).outcome is Outcome.HEALTHY


# SEC-013, logs


@pytest.mark.whole
def test_a_secret_in_the_log(world, tmp_path, lie, run):
    """A password that the service writes down while it is audited is found; what stood there before is not its fault."""
    log = tmp_path / "service.log"
    password = known_secrets(world.target)["password of the database URL"]
    log.write_text(f"connected with {password}\n")
    watched = dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=(log,)))
    assert run("sec_013_secrets_in_errors", watched).outcome is Outcome.HEALTHY

    def write(request, forward):
        if request.method == "PATCH":
            log.write_text(f"{log.read_text()}retrying postgresql://app:{password}@db/app\n")
        return forward(request)

    lie(write)
    found = run("sec_013_secrets_in_errors", watched)
    assert found.outcome is Outcome.FAILING
    assert "the log service.log: it tells the password of the database URL" in found.why
    assert password not in found.why


def test_a_log_that_is_not_there(world, tmp_path, run):
    """A log that cannot be read is said, and is no pass."""
    gone = dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=(tmp_path / "gone.log",)))
    found = run("sec_013_secrets_in_errors", gone)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "log_files" in found.why


@pytest.mark.whole
def test_words_that_data_may_hold(world, make, lie, run):
    """SQL and paths in rows and in what the caller sent are nobody's disclosure."""
    words = "SELECT id FROM t; see /srv/app/main.py"

    def echo(request, forward):
        answer = forward(request)
        if answer.status == 404:
            return answer.saying({"error": "not_found", "path": unquote(request.path), "raw": request.path})
        if request.method == "GET" and answer.status == 200 and request.route == "/api/products":
            document = answer.document
            return answer.saying(document | {"note": words})
        return answer

    lie(echo)
    found = run("sec_013_secrets_in_errors", world)
    assert found.outcome is Outcome.HEALTHY, found.why


# SEC-014


def test_without_a_route_of_the_audit_log(world, run):
    """Without a route that shows the audit log nothing can be said, and the sentence says what to declare."""
    routes = {name: route for name, route in world.profile.routes.items() if route.surface != "audit_log"}
    silent = dataclasses.replace(
        world, target=dataclasses.replace(world.target, profile=dataclasses.replace(world.profile, routes=routes))
    )
    found = run("sec_014_audit_trail", silent)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "routes.audit_logs" in found.why


def test_a_log_that_is_written_later(world, cast, lie, run):
    """A log that shows its entries a little later, and one that writes down who reads it, are healthy."""
    reads, log = iter(range(1000)), []

    def later(request, forward):
        answer = forward(request)
        if request.route != "/api/audit-logs" or cast.who(request) != "a.owner":
            return answer
        entries, turn = answer.document["data"], next(reads)
        log.append({"id": str(turn), "action": "audit.read", "user_id": cast.world.people["a.owner"].user_id})
        known = {one["id"] for one in first}
        first.extend(entries if turn == 0 else [])
        shown = [one for one in entries if one["id"] in known] if 0 < turn < 3 else entries
        return answer.saying({"data": [*log, *shown]})

    first = []
    lie(later)
    found = run("sec_014_audit_trail", world)
    assert found.outcome is Outcome.HEALTHY, found.why


UNMADE = {
    "a role change": lambda request: request.method == "PATCH" and request.route.startswith("/api/users/"),
    "a deletion": lambda request: request.method == "DELETE" and request.route.startswith("/api/products/"),
    "a sign-out": lambda request: request.route == "/api/session/sign-out",
    "API keys": lambda request: request.method == "POST" and request.route == "/api/api-keys",
}
SAID = {"a role change": "a.owner makes a.viewer", "a deletion": "a.admin deletes", "a sign-out": "a.member signs out",
        "API keys": "a.owner makes api_keys"}  # fmt: skip


@pytest.mark.parametrize("kind", [pytest.param(one, marks=pytest.mark.whole if one != "a sign-out" else ()) for one in UNMADE])
def test_a_kind_of_event_that_could_not_be_made(kind, world, make, lie, run):
    """Where an event of a kind that the service has could not be made, nobody saw that it is written down: no pass."""
    lie(lambda request, forward: make.answer(409).saying({"error": "conflict"}) if UNMADE[kind](request) else forward(request))
    found = run("sec_014_audit_trail", world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "events that could not be made" in found.why
    assert SAID[kind] in found.why


@pytest.mark.whole
def test_kinds_of_events_that_a_service_does_not_have(world, run):
    """Without a route a kind must be declared absent: it is then said; undeclared it is no pass."""
    routes = {name: route for name, route in world.profile.routes.items() if route.surface not in {"sign_out", "user"}}
    absent = {"sign_out": "sessions end by themselves", "user": "roles come from the identity provider"}
    for declared, outcome in ((absent, Outcome.HEALTHY), ({"user": absent["user"]}, Outcome.INCONCLUSIVE)):
        profile = dataclasses.replace(world.profile, routes=routes, not_applicable=dict(world.profile.not_applicable) | declared)
        found = run("sec_014_audit_trail", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile)))
        assert found.outcome is outcome, found.why
        assert "sign_out" in found.why or all(why in found.why for why in absent.values())


# SEC-012


@pytest.fixture
def superuser(generous_stack, world):
    """Runs statements as the superuser, with the names of the roles and of the tenant's row of users filled in."""

    def execute(*statements):
        with operator(Secret(generous_stack.superuser_url), "test fault") as session, session.transaction():
            for statement in statements:
                session.execute(fill(statement, world.target.roles.names()))

    return execute


A_TENANT = "nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid"
DATABASE_FAULTS = {
    "not forced": ("ALTER TABLE public.users NO FORCE ROW LEVEL SECURITY", "ALTER TABLE public.users FORCE ROW LEVEL SECURITY",
                   "row security not forced"),
    "switched off": ("ALTER TABLE public.audit_logs DISABLE ROW LEVEL SECURITY", "ALTER TABLE public.audit_logs ENABLE ROW LEVEL SECURITY",
                     "row security off"),
    "a policy that is always true": ("CREATE POLICY wide ON public.users USING (true)", "DROP POLICY wide ON public.users", "open policy"),
    "a policy that nobody reads as true": ("CREATE POLICY wide ON public.users USING (tenant_id IS NOT NULL)",
                                           "DROP POLICY wide ON public.users", "without a tenant: it sees rows"),
    "an empty tenant is no filter": (
        "CREATE POLICY wide ON public.subscriptions FOR SELECT USING (coalesce(pg_catalog.current_setting('app.tenant_id', true), '') = '')",
        "DROP POLICY wide ON public.subscriptions", "with an empty tenant: it sees rows"),
    "writes are not looked at": ("CREATE POLICY wide ON public.audit_logs FOR INSERT WITH CHECK (action IS DISTINCT FROM 'x')",
                                 "DROP POLICY wide ON public.audit_logs", "inserts a row of B into audit_logs"),
    "other tenants' rows may be deleted": (
        f"CREATE POLICY wide ON public.users FOR SELECT USING (tenant_id <> {A_TENANT}); "
        f"CREATE POLICY wider ON public.users FOR DELETE USING (tenant_id <> {A_TENANT})",
        "DROP POLICY wide ON public.users; DROP POLICY wider ON public.users", "deletes B's rows"),
    "the role bypasses it": ('ALTER ROLE :"app" BYPASSRLS', 'ALTER ROLE :"app" NOBYPASSRLS', "BYPASSRLS"),
    "the role owns the table": ('ALTER TABLE public.subscriptions OWNER TO :"app"', 'ALTER TABLE public.subscriptions OWNER TO :"owner"',
                                "may switch its row security off"),
}  # fmt: skip


@pytest.mark.parametrize("check", ["sec_012_row_level_security"])
@pytest.mark.parametrize("name", sorted(DATABASE_FAULTS), ids=lambda text: text.replace(" ", "-"))
def test_a_fault_of_the_database(check, name, superuser, world, run):
    """Row security that does not bind the service is found in the database, over no request at all; put back, all is well."""
    done, undone, says = DATABASE_FAULTS[name]
    superuser(*done.split("; "))
    try:
        found = run(check, world)
    finally:
        superuser(*undone.split("; "))
    assert found.outcome is Outcome.FAILING, found.why
    assert says in "\n".join(found.witness.lines), found.witness.lines
    after = run(check, world)
    assert after.outcome is Outcome.HEALTHY, after.why


def test_a_policy_that_asks_a_function(superuser, world, run):
    """A policy whose comparison stands in a function is tried like any other."""
    superuser(
        f"CREATE FUNCTION public.its_tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT {A_TENANT} $$",
        "ALTER POLICY users_of_tenant ON public.users USING (tenant_id = public.its_tenant())"
        " WITH CHECK (tenant_id = public.its_tenant())",
    )
    try:
        found = run("sec_012_row_level_security", world)
    finally:
        superuser(
            f"ALTER POLICY users_of_tenant ON public.users USING (tenant_id = {A_TENANT}) WITH CHECK (tenant_id = {A_TENANT})",
            "DROP FUNCTION public.its_tenant()",
        )
    assert found.outcome is Outcome.HEALTHY, found.why


def test_an_operator_who_may_not_act_as_the_service(superuser, world, run):
    """Without the membership nothing is tried, and the grant is named."""
    superuser('REVOKE :"app" FROM :"operator"')
    try:
        found = run("sec_012_row_level_security", world)
    finally:
        superuser('GRANT :"app" TO :"operator"')
    assert found.outcome is Outcome.INCONCLUSIVE
    assert f'GRANT "{world.target.roles.app}" TO "{world.target.roles.operator}"' in found.why


def test_the_role_is_the_one_that_the_service_uses(world, run):
    """The role that is tried is the one that the service was seen to connect with, not the one that the target names."""
    roles = dataclasses.replace(world.target.roles, app=world.target.roles.observer)
    found = run("sec_012_row_level_security", dataclasses.replace(world, target=dataclasses.replace(world.target, roles=roles)))
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_a_role_that_was_not_seen(superuser, world, run, monkeypatch):
    """Where no request waits for the table, the role is unknown: that nothing is wrong for the declared one is no pass."""
    monkeypatch.setattr(service_role, "STALLED_S", 0.2)
    route = dataclasses.replace(world.route("products"), table="working_capital_metrics")
    profile = dataclasses.replace(world.profile, routes=dict(world.profile.routes) | {"products": route})
    unseen = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    found = run("sec_012_row_level_security", unseen)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "was not seen" in found.why
    assert "[routes.products]" in found.why
    superuser('ALTER ROLE :"app" BYPASSRLS')
    try:
        found = run("sec_012_row_level_security", unseen)
    finally:
        superuser('ALTER ROLE :"app" NOBYPASSRLS')
    assert found.outcome is Outcome.FAILING, found.why


@pytest.mark.whole
def test_reads_that_no_lock_holds(world, lie, run, monkeypatch):
    """A service that reads from a cache is seen while it makes a row, and the row is removed."""
    monkeypatch.setattr(service_role, "STALLED_S", 0.5)
    path, kept, rows = f"{world.route('products').path}?limit=100", {}, {}

    def cache(request, forward):
        if request.method == "POST":
            rows["made"] = forward(request)
            return rows["made"]
        if request.method == "DELETE":
            rows["removed"] = request.path
        if request.method != "GET" or request.path != path:
            return forward(request)
        if request.token not in kept:
            kept[request.token] = forward(request)
        return kept[request.token]

    lie(cache)
    roles = dataclasses.replace(world.target.roles, app=world.target.roles.observer)
    found = run("sec_012_row_level_security", dataclasses.replace(world, target=dataclasses.replace(world.target, roles=roles)))
    assert found.outcome is Outcome.HEALTHY, found.why
    assert rows["removed"].endswith(rows["made"].document["data"]["id"])


def test_no_row_security_at_all(world, run):
    """Where no shared table relies on row security, that is said, together with how to declare it."""
    profile = dataclasses.replace(
        world.profile, shared_tables=("tenants",), registry=dataclasses.replace(world.profile.registry, table="public.tenants")
    )
    found = run(
        "sec_012_row_level_security", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    )
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "[not_applicable]" in found.why


# SEC-018


UNFORGIVING_S = 1.2
"""For so long nothing is served by a limiter that does not forgive."""


class Limiter:
    """A service before the service: token buckets of `limit` a second, twice as much saved up, by a key of each request."""

    def __init__(self, make, limit, key, *, headers=(("Retry-After", "1"),), code="rate_limit_exceeded", forgives=True):
        self._answer = make.answer(429, [("Content-Type", "application/json"), *headers]).saying({"error": code})
        self._limit, self._key, self._forgives = limit, key, forgives
        self._lock, self._levels = threading.Lock(), {}

    def __call__(self, request, forward):
        with self._lock:
            now, key = time.monotonic(), self._key(request)
            level, at = self._levels.get(key, (2.0 * self._limit, now))
            if self._forgives:
                level = min(2.0 * self._limit, level + (now - at) * self._limit)
            elif level < 1:
                level, now = (2.0 * self._limit, now) if now > at + UNFORGIVING_S else (level, at)
            self._levels[key] = (level - (level >= 1), now)
        return self._answer if level < 1 else forward(request)


@contextmanager
def _paced(world, limit):
    yield dataclasses.replace(
        world, target=dataclasses.replace(world.target, profile=dataclasses.replace(world.profile, rate_limit=limit))
    )


LIMIT = 30


def by_tenant(request):
    return request.organization


LIMITERS = {
    "one bucket for each tenant": ({}, by_tenant, ""),
    "one bucket for all": ({}, lambda request: "all", "b.owner while s.owner is refused"),
    "no Retry-After": ({"headers": ()}, by_tenant, "Retry-After"),
    "another code": ({"code": "slow_down"}, by_tenant, "not the code 'slow_down'"),
    "an hour of penance": ({"forgives": False}, by_tenant, "s.owner within"),
    "a bucket for each request": ({}, lambda request: id(request) + time.monotonic_ns(), "was refused; the limit is 30/s"),
}


@pytest.mark.parametrize("check", ["sec_018_rate_limit"])
@pytest.mark.parametrize("name", sorted(LIMITERS), ids=lambda text: text.replace(" ", "-"))
def test_limits(check, name, world, make, lie, run, monkeypatch):
    """Only a service that limits each tenant by itself, says so, and forgives, is healthy."""
    monkeypatch.setattr("capliquify_ops.isolation.rate_limit.RECOVERED_WITHIN_S", 0.3)
    options, key, says = LIMITERS[name]
    lie(Limiter(make, LIMIT, key, **options))
    with _paced(world, LIMIT) as limited:
        found = run(check, limited)
    assert found.outcome is (Outcome.FAILING if says else Outcome.HEALTHY), found.why
    assert says in "\n".join(found.witness.lines if found.witness else ()), found.why


def test_a_profile_without_a_limit(world, run):
    """Without a limit in the profile nothing is beyond it: inconclusive, with what to declare."""
    with _paced(world, 0) as unknown:
        found = run("sec_018_rate_limit", unknown)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "http.rate_limit" in found.why


@pytest.mark.parametrize("who", ["s.owner", pytest.param("b.owner", marks=pytest.mark.whole)])
def test_a_burst_that_is_too_much(who, world, cast, make, lie, run):
    """A service that fails under the burst, before its limit or for the other tenant too, was not seen to limit: no verdict."""
    limiter, failed = Limiter(make, LIMIT, by_tenant), make.answer(500).saying({"error": "internal_error"})
    sent, ill = [], []

    def overloaded(request, forward):
        answer = limiter(request, forward)
        sent.append(answer.status)
        is_ill = 429 in sent and cast.who(request) == who and len(ill) < 4
        ill.extend([1] if is_ill else [])
        return failed if is_ill else answer

    lie(overloaded)
    with _paced(world, LIMIT) as limited:
        found = run("sec_018_rate_limit", limited)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "500" in found.why


def test_a_limit_that_cannot_be_reached(world, run):
    """Where too few requests can be sent from here, the limit was not tried, and the sentence says how many were."""
    found = run("sec_018_rate_limit", world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "too few for 4000/s" in found.why


@pytest.mark.whole
def test_the_reference_service_limits_each_tenant():
    """On a stack of its own, with a low limit, the real service is healthy, and the other controls are so afterwards."""
    with embedded.start(service_settings={"rate_limit_per_s": 50, "rate_limit_burst": 100}) as running:
        target = load_settings(running.config, environment={}).targets["running"]
        target = dataclasses.replace(target, profile=dataclasses.replace(target.profile, rate_limit=50))
        with build_world(target, token_source(target.identity, SystemClock()), new_run(), SystemClock()) as world:
            for check in ("sec_018_rate_limit", "sec_010_starter_premium", "sec_018_rate_limit"):
                found = run_control(check, world)
                assert found.outcome is Outcome.HEALTHY, found.why


# SEC-009


@pytest.mark.whole
def test_keys_that_a_viewer_may_revoke(world, cast, lie, run):
    """A key is made for the attack: one that a viewer really revokes is no other check's own row that went missing."""

    def fault(request, forward):
        is_key = request.method == "DELETE" and request.route.startswith("/api/api-keys/")
        return forward(cast.as_(request, "a.owner") if is_key and cast.who(request) == "a.viewer" else request)

    lie(fault)
    found = run("sec_009_viewer_writes", world)
    assert found.outcome is Outcome.FAILING, found.why
    assert "a.viewer DELETE /api/api-keys/{id}" in "\n".join(found.witness.lines)
    lie(None)
    after = run("sec_015_own_rows_only", world)
    assert after.outcome is Outcome.HEALTHY, after.why
