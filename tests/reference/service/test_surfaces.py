"""The further surfaces of the reference service: what each gives its own tenant, and that it gives nobody else anything."""

import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from capliquify_ops.reference import stack

from .conftest import Running, Tenant, spoken_to, wait_for
from .test_contract import ask, refused

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with stack.start(workers=2, serials=True) as started, spoken_to(started) as running:
        yield running


@pytest.fixture(scope="module")
def pair(running: Running) -> tuple[Tenant, Tenant]:
    return running.tenant(serials=True), running.tenant(serials=True)


@pytest.fixture(scope="module")
def a(pair: tuple[Tenant, Tenant]) -> Tenant:
    return pair[0]


@pytest.fixture(scope="module")
def b(pair: tuple[Tenant, Tenant]) -> Tenant:
    return pair[1]


def made(answer: httpx.Response, status: int = 201) -> dict:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def given(answer: httpx.Response) -> object:
    return made(answer, 200)


def ended(tenant: Tenant, path: str) -> dict:
    """Wait until a job or an export has ended."""

    def state() -> object:
        data = given(ask(tenant, "GET", path))
        return data if data["state"] in {"done", "failed"} else None

    return wait_for(state)


def export_of(tenant: Tenant) -> str:
    identifier = made(ask(tenant, "POST", "/api/exports"), 202)["id"]
    assert ended(tenant, f"/api/exports/{identifier}")["state"] == "done"
    return identifier


def job_of(tenant: Tenant, label: str) -> dict:
    identifier = made(ask(tenant, "POST", "/api/jobs", json={"label": label}), 202)["id"]
    return ended(tenant, f"/api/jobs/{identifier}")


def test_a_comment_hangs_on_a_product_of_its_own_tenant(a: Tenant, b: Tenant) -> None:
    """Both ways to comment show the parent; the other tenant's product is one that does not exist, and its list stays empty."""
    product = a.product()
    first = made(ask(a, "POST", f"/api/products/{product}/comments", "member", json={"body": "one"}))
    second = made(ask(a, "POST", "/api/comments", json={"product_id": product, "body": "two"}))
    assert first["product"] == second["product"] == {"id": product, "name": "Bolt"}
    of_product = given(ask(a, "GET", f"/api/products/{product}/comments", "viewer"))
    assert [row["body"] for row in of_product] == ["two", "one"]
    assert {row["id"] for row in given(ask(a, "GET", "/api/comments"))} >= {first["id"], second["id"]}
    for parent in (product, NOBODY, "x"):
        refused(ask(b, "GET", f"/api/products/{parent}/comments"), 404, "not_found")
        refused(ask(b, "POST", f"/api/products/{parent}/comments", json={"body": "three"}), 404, "not_found")
    refused(ask(b, "POST", "/api/comments", json={"product_id": product, "body": "three"}), 404, "not_found")
    assert given(ask(b, "GET", "/api/comments")) == []


def test_comments_go_with_their_product(a: Tenant) -> None:
    """Nothing of a deleted product stays in the shared table."""
    product = a.product()
    made(ask(a, "POST", f"/api/products/{product}/comments", json={"body": "gone"}))
    assert ask(a, "DELETE", f"/api/products/{product}").status_code == 200
    found = a.running.sql("SELECT count(*) FROM reference_service.comments WHERE product_id = %(id)s", {"id": product})
    assert found == [(0,)]


def test_a_summary_is_kept_per_tenant_and_forgotten_with_a_change(a: Tenant, b: Tenant) -> None:
    """The second answer comes from the cache, one after a change does not, and another tenant never gets it."""
    product = a.product()
    path = f"/api/products/{product}/summary"
    with httpx.Client(base_url=a.running.stack.base_url) as worker:  # one connection: one worker
        answers = [worker.get(path, headers=a.headers()) for _ in range(2)]
        refused(worker.get(path, headers=b.headers()), 404, "not_found")
        body = {"body": "seen"}
        assert worker.post(f"/api/products/{product}/comments", json=body, headers=a.headers()).status_code == 201
        answers.append(worker.get(path, headers=a.headers()))
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "miss"]
    assert [answer.json()["data"]["comments"] for answer in answers] == [0, 0, 1]


def test_a_job_works_in_the_tenant_that_asked(a: Tenant, b: Tenant) -> None:
    """Each result lists the own scenarios alone, and neither state nor result is anybody else's."""
    labels = {tenant.organization: f"job {tenant.organization}" for tenant in (a, b)}
    for tenant, other in ((a, b), (b, a), (a, b)):
        done = job_of(tenant, labels[tenant.organization])
        assert done["state"] == "done"
        assert labels[tenant.organization] in done["result"]["scenarios"]
        assert labels[other.organization] not in done["result"]["scenarios"]
        refused(ask(other, "GET", f"/api/jobs/{done['id']}"), 404, "not_found")
    refused(ask(a, "GET", f"/api/exports/{done['id']}"), 404, "not_found")


def test_a_job_is_taken_at_once(a: Tenant) -> None:
    """No worker waits for the next look at the queue: five jobs in a row take far less than one such wait."""
    started = time.monotonic()
    for number in range(5):
        assert job_of(a, f"quick {number}")["state"] == "done"
    assert time.monotonic() - started < 4.0


def test_the_job_of_a_stopped_worker_is_taken_again_but_not_for_ever(a: Tenant) -> None:
    """A lease that is over frees the job; the third one that is over ends it."""
    statement = (
        "INSERT INTO reference_service.jobs (tenant_id, kind, label, made_by, state, attempts, lease, leased_until)"
        " VALUES (%(tenant)s, 'scenario', 'again', %(by)s, 'running', %(attempts)s, gen_random_uuid(), now() - interval '1 s')"
        " RETURNING id::text"
    )
    about = {"tenant": a.id, "by": f"owner_{a.organization}"}
    again, over = [a.running.sql(statement, about | {"attempts": attempts})[0][0] for attempts in (1, 3)]
    job_of(a, "wakes the worker")
    assert ended(a, f"/api/jobs/{again}")["state"] == "done"
    assert ended(a, f"/api/jobs/{over}")["state"] == "failed"


def test_a_job_that_cannot_be_done_fails_once(a: Tenant) -> None:
    """Whoever asked for it is no member any more: failed, after one attempt, and nothing was made."""
    statement = (
        "INSERT INTO reference_service.jobs (tenant_id, kind, label, made_by) VALUES (%(tenant)s, 'scenario', 'never', 'nobody')"
        " RETURNING id::text"
    )
    [(identifier,)] = a.running.sql(statement, {"tenant": a.id})
    names = job_of(a, "wakes the worker")["result"]["scenarios"]
    assert ended(a, f"/api/jobs/{identifier}") == {"id": identifier, "state": "failed", "result": None}
    assert "never" not in names
    tried = a.running.sql("SELECT attempts FROM reference_service.jobs WHERE id = %(id)s", {"id": identifier})
    assert tried == [(1,)]


def test_an_export_is_a_file_of_the_own_rows(a: Tenant, b: Tenant) -> None:
    """The file holds products and comments of its tenant, is an attachment, and there is no way to it for another tenant."""
    words = {tenant.organization: f"word {uuid.uuid4().hex}" for tenant in (a, b)}
    for tenant in (a, b):
        product = tenant.product(words[tenant.organization])
        body = f"on {words[tenant.organization]}"
        made(ask(tenant, "POST", f"/api/products/{product}/comments", json={"body": body}))
    exports = {tenant.organization: export_of(tenant) for tenant in (a, b)}
    for tenant, other in ((a, b), (b, a)):
        answer = ask(tenant, "GET", f"/api/exports/{exports[tenant.organization]}/file", "viewer")
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert f"on {words[tenant.organization]}" in answer.text
        assert words[other.organization] not in answer.text
        for path in ("", "/file"):
            refused(ask(other, "GET", f"/api/exports/{exports[tenant.organization]}{path}"), 404, "not_found")
    names = [path.name for path in (a.running.stack.run_folder / "exports").iterdir()]
    assert len(names) == len(set(names)) >= 2
    assert all(len(name) > 30 for name in names)


def test_a_file_that_was_removed_is_not_found(a: Tenant) -> None:
    """After its time the row still says done, and the file is none."""
    identifier = export_of(a)
    [(name,)] = a.running.sql("SELECT result ->> 'file' FROM reference_service.jobs WHERE id = %(id)s", {"id": identifier})
    (a.running.stack.run_folder / "exports" / name).unlink()
    refused(ask(a, "GET", f"/api/exports/{identifier}/file"), 404, "not_found")


def test_an_api_key_stands_for_its_maker_until_it_is_revoked(a: Tenant, b: Tenant) -> None:
    """In place of a token, in its own organisation only; the database holds its digest, and revoked it is nothing."""
    key = made(ask(a, "POST", "/api/api-keys", "admin", json={"name": "robot"}))
    request = {"X-API-Key": key["key"]}
    http = a.running.http
    sku = uuid.uuid4().hex
    made(http.post("/api/products", json={"sku": sku, "name": "Nut"}, headers=request))
    assert sku in http.get("/api/products", headers=request | {"X-Organization-ID": a.organization}).text
    refused(http.get("/api/products", headers=request | {"X-Organization-ID": b.organization}), 403, "not_organization_member")
    refused(http.get("/api/products", headers=request | a.headers()), 400, "invalid_request")
    listed = ask(a, "GET", "/api/api-keys")
    assert key["id"] in listed.text
    assert key["key"] not in listed.text
    stored = a.running.sql("SELECT row_to_json(k)::text, k.last_used_at IS NOT NULL FROM reference_service.api_keys AS k")
    assert all(key["key"] not in text for text, _ in stored)
    assert any(used for _, used in stored)
    refused(ask(b, "DELETE", f"/api/api-keys/{key['id']}"), 404, "not_found")
    assert http.get("/api/products", headers=request).status_code == 200
    given(ask(a, "DELETE", f"/api/api-keys/{key['id']}"))
    for presented in (request, {"X-API-Key": "capk_unknown"}, {"X-API-Key": ""}):
        refused(http.get("/api/products", headers=presented), 401, "session_verification_failed")
    assert [action for action, _ in a.audit() if action.startswith("api_key.")] == ["api_key.created", "api_key.revoked"]


def test_a_key_of_a_suspended_tenant_or_of_a_removed_member_opens_nothing(running: Running) -> None:
    """A key is asked about with every request, like a token."""
    tenant = running.tenant()
    key = made(ask(tenant, "POST", "/api/api-keys", "admin", json={"name": "robot"}))["key"]
    tenant.update("subscription_status = 'suspended'")
    refused(running.http.get("/api/products", headers={"X-API-Key": key}), 403, "subscription_suspended")
    tenant.update("subscription_status = 'active'")
    running.sql("DELETE FROM public.users WHERE clerk_user_id = %(user)s", {"user": f"admin_{tenant.organization}"})
    refused(running.http.get("/api/products", headers={"X-API-Key": key}), 401, "session_verification_failed")


def test_an_invitation_is_for_one_address_in_one_organisation_once(running: Running) -> None:
    """Neither another tenant, nor another member, nor a second time; then the role is there, and nobody loses one."""
    a, b = running.tenant(), running.tenant()
    invited = f"viewer_{a.organization}@x.test"
    token = made(ask(a, "POST", "/api/invitations", "admin", json={"email": invited, "role": "admin"}))["token"]
    for tenant, role in ((b, "viewer"), (a, "member")):
        refused(ask(tenant, "POST", "/api/invitations/accept", role, json={"token": token}), 404, "not_found")
    refused(ask(a, "GET", "/api/users", "viewer"), 403, "insufficient_permissions")
    given(ask(a, "POST", "/api/invitations/accept", "viewer", json={"token": token}))
    given(ask(a, "GET", "/api/users", "viewer"))
    refused(ask(a, "POST", "/api/invitations/accept", "viewer", json={"token": token}), 404, "not_found")
    own = {"email": f"owner_{a.organization}@x.test", "role": "viewer"}
    token = made(ask(a, "POST", "/api/invitations", "owner", json=own))["token"]
    given(ask(a, "POST", "/api/invitations/accept", "owner", json={"token": token}))
    assert given(ask(a, "GET", "/api/users/profile", "owner"))["role"] == "owner"


def test_a_revoked_invitation_is_none(running: Running) -> None:
    """Revoked by its own tenant only, and listed no more; its token is never listed at all."""
    a, b = running.tenant(), running.tenant()
    body = {"email": f"viewer_{a.organization}@x.test", "role": "member"}
    invitation = made(ask(a, "POST", "/api/invitations", "admin", json=body))
    refused(ask(b, "DELETE", f"/api/invitations/{invitation['id']}"), 404, "not_found")
    listed = ask(a, "GET", "/api/invitations").text
    assert invitation["id"] in listed
    assert invitation["token"] not in listed
    given(ask(a, "DELETE", f"/api/invitations/{invitation['id']}"))
    assert given(ask(a, "GET", "/api/invitations")) == []
    refused(ask(a, "POST", "/api/invitations/accept", "viewer", json={"token": invitation["token"]}), 404, "not_found")


def test_an_admin_invites_no_owner(a: Tenant) -> None:
    """Nobody gives more than they may change roles to."""
    body = {"email": "new@x.test", "role": "owner"}
    refused(ask(a, "POST", "/api/invitations", "admin", json=body), 403, "insufficient_permissions")
    made(ask(a, "POST", "/api/invitations", "owner", json=body))


def test_a_repeated_key_makes_one_row_per_tenant(a: Tenant, b: Tenant) -> None:
    """The same answer again for the same body, 422 for another one; the other tenant's key of the same name is its own."""
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, {"sku": uuid.uuid4().hex, "name": "Once"}
    first = made(ask(a, "POST", "/api/products", headers=a.headers() | key, json=body))
    assert made(ask(a, "POST", "/api/products", headers=a.headers("member") | key, json=body)) == first
    other = made(ask(b, "POST", "/api/products", headers=b.headers() | key, json=body))
    assert other["id"] != first["id"]
    changed = ask(a, "POST", "/api/products", headers=a.headers() | key, json=body | {"sku": uuid.uuid4().hex})
    refused(changed, 422, "idempotency_key_reused")
    refused(
        ask(a, "POST", "/api/products", headers=a.headers() | {"Idempotency-Key": "k" * 201}, json=body), 400, "invalid_request"
    )


def test_a_refused_request_leaves_its_key_free(a: Tenant) -> None:
    """What was not done is not remembered."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    refused(
        ask(a, "POST", "/api/comments", headers=a.headers() | key, json={"product_id": NOBODY, "body": "x"}), 404, "not_found"
    )
    made(ask(a, "POST", "/api/comments", headers=a.headers() | key, json={"product_id": a.product(), "body": "x"}))


def test_two_at_once_under_one_key_are_one(a: Tenant) -> None:
    """The second waits for the first and gets its answer."""
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, {"sku": uuid.uuid4().hex, "name": "Once"}
    headers, answers = a.headers() | key, []
    senders = [
        threading.Thread(target=lambda: answers.append(ask(a, "POST", "/api/products", headers=headers, json=body)))
        for _ in range(4)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len({made(answer)["id"] for answer in answers}) == 1


def test_a_recalculation_waits_for_its_own_tenant_only(a: Tenant, b: Tenant) -> None:
    """While one tenant's lock is held, the other's work goes on, and its own waits."""
    a.product()
    with psycopg.connect(a.running.stack.superuser_url) as holder:
        holder.execute(f"LOCK TABLE {a.schema}.products IN ACCESS EXCLUSIVE MODE")
        waiting = threading.Thread(target=lambda: made(ask(a, "POST", "/api/recalculations", json={})))
        waiting.start()
        stalled = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'reference_service' AND wait_event_type = 'Lock'"
        wait_for(lambda: a.running.sql(stalled))
        made(ask(b, "POST", "/api/recalculations", json={}))
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()
    refused(ask(a, "POST", "/api/recalculations", "viewer", json={}), 403, "insufficient_permissions")


def test_a_stream_tells_of_the_own_rows_and_holds_no_connection(a: Tenant, b: Tenant) -> None:
    """More streams than the pool has connections; each row of the own tenant is told, none of the other's."""
    words = {tenant.organization: uuid.uuid4().hex for tenant in (a, b)}
    streams = [a.running.http.stream("GET", "/api/events", headers=a.headers("viewer")) for _ in range(12)]
    answers = [stream.__enter__() for stream in streams]
    try:
        lines = [answer.iter_lines() for answer in answers]
        assert {next(line) for line in lines} == {": connected"}
        for tenant in (b, a):
            made(ask(tenant, "POST", "/api/scenarios", json={"name": words[tenant.organization]}))
        for line in lines:
            told = next(text for text in line if text.startswith("data:"))
            assert words[a.organization] in told
            assert words[b.organization] not in told
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)


@pytest.mark.whole
def test_a_stream_ends_with_the_right_to_it(running: Running) -> None:
    """Suspended in the middle of it: the stream ends within its heartbeat."""
    tenant = running.tenant()
    with running.http.stream("GET", "/api/events", headers=tenant.headers()) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": connected"
        tenant.update("subscription_status = 'suspended'")
        assert not [line for line in lines if line.startswith("data:")]
    refused(ask(tenant, "GET", "/api/events"), 403, "subscription_suspended")


def test_notes_have_equal_numbers_and_own_content(pair: tuple[Tenant, Tenant]) -> None:
    """Number 1 is there in both tenants, and each sees, changes, sums up and deletes its own."""
    for tenant in pair:
        note = made(ask(tenant, "POST", "/api/notes", json={"title": tenant.organization, "body": "x", "amount": 1.25}))
        assert note["id"] == 1
    for tenant in pair:
        assert given(ask(tenant, "GET", "/api/notes/1"))["title"] == tenant.organization
        assert given(ask(tenant, "GET", "/api/notes/1/summary"))["title"] == tenant.organization
        assert [row["title"] for row in given(ask(tenant, "GET", "/api/notes"))] == [tenant.organization]
    first, second = pair
    changed = given(ask(first, "PATCH", "/api/notes/1", json={"body": None}))
    assert (changed["body"], changed["amount"], changed["title"]) == (None, 1.25, first.organization)
    given(ask(first, "DELETE", "/api/notes/1"))
    for identifier in ("1", "01", "0", "x", "9" * 30, NOBODY):
        refused(ask(first, "GET", f"/api/notes/{identifier}"), 404, "not_found")
    assert given(ask(second, "GET", "/api/notes/1"))["body"] == "x"


BODIES = (
    ("/api/comments", {"body": "x"}),
    ("/api/comments", {"product_id": NOBODY, "body": "x", "tenant_id": NOBODY}),
    ("/api/jobs", {}),
    ("/api/jobs", {"label": "x", "tenant_id": NOBODY}),
    ("/api/exports", {"tenant_id": NOBODY}),
    ("/api/api-keys", {"name": "x", "user_id": NOBODY}),
    ("/api/invitations", {"email": "x@x.test", "role": "king"}),
    ("/api/invitations/accept", {}),
    ("/api/recalculations", {"tenant_id": NOBODY}),
    ("/api/notes", {"title": "x", "id": 7}),
)


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_a_body_with_anything_else_is_422(a: Tenant, path: str, body: dict) -> None:
    """Missing fields, wrong values, and fields that nobody may choose."""
    refused(ask(a, "POST", path, json=body), 422, "validation_failed")


ROLES: tuple[tuple[str, str, str], ...] = (
    ("POST", "/api/comments", "viewer"),
    ("POST", "/api/jobs", "viewer"),
    ("POST", "/api/exports", "viewer"),
    ("POST", "/api/notes", "viewer"),
    ("DELETE", "/api/notes/1", "member"),
    ("GET", "/api/api-keys", "member"),
    ("POST", "/api/api-keys", "member"),
    ("DELETE", f"/api/api-keys/{NOBODY}", "member"),
    ("GET", "/api/invitations", "member"),
    ("POST", "/api/invitations", "member"),
    ("DELETE", f"/api/invitations/{NOBODY}", "member"),
)


@pytest.mark.parametrize(("method", "path", "role"), ROLES)
def test_a_role_too_low_is_403(a: Tenant, method: str, path: str, role: str) -> None:
    """The role of the membership decides before the body is looked at."""
    refused(ask(a, method, path, role), 403, "insufficient_permissions")


def test_jobs_do_not_go_round_the_plan(running: Running) -> None:
    """Who may not make scenarios may not have them made."""
    starter = running.tenant("starter")
    refused(ask(starter, "POST", "/api/jobs", json={"label": "x"}), 403, "feature_not_available")


def test_the_service_role_sees_no_row_without_a_tenant(running: Running, pair: tuple[Tenant, Tenant]) -> None:
    """Row security of every shared table binds the role that the service has, and binds to one tenant."""
    tables = ("comments", "jobs", "api_keys", "invitations", "idempotency")
    for tenant in pair:
        made(ask(tenant, "POST", "/api/comments", json={"product_id": tenant.product(), "body": "seen by its tenant alone"}))
    with psycopg.connect(running.stack.app_url) as connection:
        for table in tables:
            count = f"SELECT count(*) FROM reference_service.{table}"
            assert connection.execute(count).fetchone() == (0,), table
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [pair[0].id])
        seen = connection.execute("SELECT DISTINCT tenant_id::text FROM reference_service.comments").fetchall()
    assert seen == [(pair[0].id,)]
