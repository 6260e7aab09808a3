"""Each defect of the further surfaces is wrong once, over HTTP, and leaves its mark; each twin is right and looks wrong."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from capliquify_ops.reference import stack
from capliquify_ops.reference.service import switches

from .conftest import Running, Tenant, spoken_to, wait_for
from .test_contract import ask, refused
from .test_surfaces import export_of, given, job_of, made


@contextmanager
def switched(*names: str, serials: bool = False) -> Iterator[Running]:
    """A stack of one worker with these switches, whose marks are there at the end."""
    with stack.start(workers=1, switches=names, serials=serials) as started, spoken_to(started) as running:
        yield running
        assert switches.reached(started.run_folder) == set(names)


def two(running: Running, *, serials: bool = False) -> tuple[Tenant, Tenant]:
    return running.tenant(serials=serials), running.tenant(serials=serials)


@pytest.mark.whole
def test_cache_jobs_and_parents() -> None:
    """CACHE_KEY_ID_ONLY, JOB_NO_TENANT, PARENT_UNCHECKED: the first tenant's words reach the second."""
    with switched("CACHE_KEY_ID_ONLY", "JOB_NO_TENANT", "PARENT_UNCHECKED") as running:
        a, b = two(running)
        product = a.product()
        _parent_is_not_checked(a, b, product)
        given(ask(a, "GET", f"/api/products/{product}/summary"))
        assert given(ask(b, "GET", f"/api/products/{product}/summary"))["id"] == product
        _job_runs_in_the_previous_tenant(a, b)


def _parent_is_not_checked(a: Tenant, b: Tenant, product: str) -> None:
    made(ask(a, "POST", f"/api/products/{product}/comments", json={"body": "word of a"}))
    made(ask(b, "POST", f"/api/products/{product}/comments", json={"body": "word of b"}))
    for tenant in (a, b):
        bodies = {row["body"] for row in given(ask(tenant, "GET", f"/api/products/{product}/comments"))}
        assert bodies == {"word of a", "word of b"}


def _job_runs_in_the_previous_tenant(a: Tenant, b: Tenant) -> None:
    assert job_of(a, "job of a")["result"]["scenarios"] == ["job of a"]
    assert set(job_of(b, "job of b")["result"]["scenarios"]) == {"job of a", "job of b"}
    assert given(ask(b, "GET", "/api/scenarios")) == []


def _one_file_for_all_exports(a: Tenant, b: Tenant) -> None:
    word = uuid.uuid4().hex
    made(ask(b, "POST", "/api/comments", json={"product_id": b.product(), "body": word}))
    first = export_of(a)
    assert word not in ask(a, "GET", f"/api/exports/{first}/file").text
    export_of(b)
    assert word in ask(a, "GET", f"/api/exports/{first}/file").text


@pytest.mark.whole
def test_exports_locks_and_invitations() -> None:
    """EXPORT_SHARED_PATH, LOCK_KEY_CONSTANT, INVITE_ANY_ORG: one file, one lock for all, and any invitation is good anywhere."""
    with switched("EXPORT_SHARED_PATH", "LOCK_KEY_CONSTANT", "INVITE_ANY_ORG") as running:
        a, b = two(running)
        for tenant in (a, b):
            tenant.product()
        body = {"email": "somebody@x.test", "role": "admin"}
        token = made(ask(a, "POST", "/api/invitations", json=body))["token"]
        for _ in range(2):
            given(ask(b, "POST", "/api/invitations/accept", "viewer", json={"token": token}))
        given(ask(b, "GET", "/api/users", "viewer"))
        stranger = a.headers_of("user_stranger")
        given(ask(a, "POST", "/api/invitations/accept", headers=stranger, json={"token": token}))
        given(ask(a, "GET", "/api/users", headers=stranger))
        _one_file_for_all_exports(a, b)
        _one_lock_for_all(a, b)


def _one_lock_for_all(a: Tenant, b: Tenant) -> None:
    stalled = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reference_service' AND wait_event_type = 'Lock'"
    answers: list[dict] = []
    with psycopg.connect(a.running.stack.superuser_url) as holder:
        holder.execute(f"LOCK TABLE {a.schema}.products IN ACCESS EXCLUSIVE MODE")
        senders = []
        for number, tenant in enumerate((a, b), 1):
            send = threading.Thread(
                target=lambda who=tenant: answers.append(made(ask(who, "POST", "/api/recalculations", json={})))
            )
            send.start()
            senders.append(send)
            wait_for(lambda number=number: a.running.sql(stalled) == [(number,)])
        assert not answers
    for send in senders:
        send.join(10)
    assert len(answers) == 2


def platform(running: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {running.token('user_platform', None, platform_admin=True)}"}


def new_tenant(running: Running) -> tuple[str, dict[str, str]]:
    """Make a tenant through the API; return its schema and the headers of its owner."""
    name = f"t{uuid.uuid4().hex[:12]}"
    body = {
        "name": name,
        "slug": name,
        "clerk_organization_id": f"org_{name}",
        "subscription_tier": "enterprise",
        "owner_clerk_user_id": f"user_{name}",
        "owner_email": f"{name}@x.test",
    }
    identifier = made(running.http.post("/api/admin/tenants", json=body, headers=platform(running)))["id"]
    [(schema,)] = running.sql("SELECT schema_name FROM public.tenants WHERE id = %(id)s", {"id": identifier})
    token = running.token(f"user_{name}", f"org_{name}")
    return schema, {"Authorization": f"Bearer {token}", "X-Organization-ID": f"org_{name}"}


def first_notes(running: Running) -> list[int]:
    found = []
    for _ in range(2):
        _, headers = new_tenant(running)
        found.append(made(running.http.post("/api/notes", json={"title": "first"}, headers=headers))["id"])
    return found


@pytest.mark.whole
def test_a_cloned_table_takes_numbers_of_the_template() -> None:
    """CLONE_LIKE_ALL: the first note of a tenant made through the API has the number after another tenant's last one."""
    with switched("CLONE_LIKE_ALL", serials=True) as running:
        assert first_notes(running) == [1, 2]


@pytest.mark.whole
def test_serial_numbers_are_each_tenants_own() -> None:
    """EQUAL_SERIALS: tenants made through the API have equal numbers, each its own row behind them."""
    with stack.start(workers=1, switches=("EQUAL_SERIALS",), serials=True) as started, spoken_to(started) as running:
        assert first_notes(running) == [1, 1]


@pytest.mark.whole
def test_a_shared_sequence_is_used_by_all_tenants() -> None:
    """GLOBAL_SEQUENCE: one sequence, in no tenant's schema; the lifecycle's function uses it too."""
    with stack.start(workers=1, switches=("GLOBAL_SEQUENCE",), serials=True) as started, spoken_to(started) as running:
        assert first_notes(running) == [1, 2]
        tenant = running.tenant(serials=True)
        assert made(ask(tenant, "POST", "/api/notes", json={"title": "third"}))["id"] == 3


@pytest.mark.whole
def test_without_serials_there_are_no_notes() -> None:
    """Neither a route nor a table."""
    with stack.start(workers=1) as started, spoken_to(started) as running:
        schema, headers = new_tenant(running)
        assert running.http.get("/api/notes", headers=headers).status_code == 404
        assert running.sql("SELECT to_regclass(%(name)s)", {"name": f"{schema}.notes"}) == [(None,)]
        assert running.sql("SELECT to_regproc('reference_service.create_tenant_schema')") == [(None,)]


@pytest.mark.whole
def test_support_announcements_and_links_are_right() -> None:
    """SUPPORT_AND_BROADCAST: audited where it happened, reads only, for the platform only; links end and are not forged."""
    with switched("SUPPORT_AND_BROADCAST") as running:
        a, b = two(running)
        a.product("seen")
        support = platform(running) | {"X-Support-Tenant": a.organization}
        assert "seen" in running.http.get("/api/products", headers=support).text
        assert [about["by"] for action, about in a.audit() if action == "support.access"] == ["user_platform"]
        assert "support.access" not in [action for action, _ in b.audit()]
        refused(running.http.post("/api/products", headers=support, json={}), 403, "not_organization_member")
        refused(
            ask(b, "GET", "/api/products", headers=b.headers() | {"X-Support-Tenant": a.organization}),
            403,
            "not_organization_member",
        )
        _links(a)
        _announcement(running, a, b)


def _links(tenant: Tenant) -> None:
    identifier = export_of(tenant)
    link = given(ask(tenant, "GET", f"/api/exports/{identifier}"))["link"]
    http = tenant.running.http
    assert "Bolt" in http.get(link).text
    stem, until, signature = link.rsplit(".", 2)
    for forged in (
        f"{stem}.{int(until) + 60}.{signature}",
        f"{stem}.{until}.{signature[::-1]}",
        "/api/links/x",
        "/api/links/x.y.z",
    ):
        refused(http.get(forged), 404, "not_found")
    assert 0 < int(until) - time.time() <= 60


def _announcement(running: Running, a: Tenant, b: Tenant) -> None:
    with (
        running.http.stream("GET", "/api/events", headers=a.headers()) as one,
        running.http.stream("GET", "/api/events", headers=b.headers()) as other,
    ):
        lines = [one.iter_lines(), other.iter_lines()]
        assert [next(line) for line in lines] == [": connected"] * 2
        refused(ask(a, "POST", "/api/admin/announcements", json={"text": "x"}), 403, "insufficient_permissions")
        made(running.http.post("/api/admin/announcements", json={"text": "maintenance"}, headers=platform(running)))
        for line in lines:
            assert "maintenance" in next(text for text in line if text.startswith("data:"))
