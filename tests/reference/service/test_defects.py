"""Each switch of the service: a defect shows what it says and leaves its mark, a twin is right; without them all is right.

Each attack is a function that tells whether the service gave away, or took, what it must not.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from capliquify_ops.reference import stack
from capliquify_ops.reference.service.switches import reached

from .conftest import Running, Tenant, spoken_to, wait_for
from .test_contract import ask

Attack = Callable[[Running], bool]
ONE_CONNECTION = {"workers": 1, "pool_size": 1}
PROBES = 24
"""Twice as many as the usual pool has connections: both workers' pools come round."""


@contextmanager
def switched(*names: str, **options: int | str) -> Iterator[Running]:
    with stack.start(**{"workers": 2, "switches": names, **options}) as started, spoken_to(started) as running:
        yield running


def two(running: Running) -> tuple[Tenant, Tenant]:
    return running.tenant(), running.tenant()


def named(tenant: Tenant) -> str:
    """Makes a product with a name that nobody else has."""
    name = f"Bolt {uuid.uuid4().hex}"
    assert ask(tenant, "POST", "/api/products", json={"sku": name, "name": name}).status_code == 201
    return name


def own_id(tenant: Tenant) -> str:
    return ask(tenant, "GET", "/api/users/profile").json()["data"]["id"]


def reads_a_user(running: Running) -> bool:
    a, b = two(running)
    return b.organization in ask(a, "GET", f"/api/users/{own_id(b)}").text


def lists_audit_log(running: Running) -> bool:
    a, b = two(running)
    product = b.product()
    assert ask(b, "DELETE", f"/api/products/{product}").status_code == 200
    return product in ask(a, "GET", "/api/audit-logs").text


def lists_users(running: Running) -> bool:
    a, b = two(running)
    return b.organization in ask(a, "GET", "/api/users", params={"limit": 200}).text


def follows_the_header(running: Running) -> bool:
    a, b = two(running)
    name = named(b)
    headers = a.headers() | {"X-Organization-ID": b.organization}
    return name in ask(a, "GET", "/api/products", headers=headers).text


def searches_after(running: Running, poison: Callable[[Tenant], object]) -> bool:
    """Whether a search of A finds B's product on any connection that B used before."""
    a, b = two(running)
    name = named(b)
    for _ in range(PROBES):
        poison(b)
    answers = [ask(a, "GET", "/api/search", params={"q": name}) for _ in range(PROBES)]
    assert {answer.status_code for answer in answers} == {200}
    return any(name in answer.text.replace(f"q={name}", "") for answer in answers)


def searches_after_success(running: Running) -> bool:
    return searches_after(running, lambda b: ask(b, "GET", "/api/products"))


def searches_after_failure(running: Running) -> bool:
    return searches_after(running, lambda b: ask(b, "GET", f"/api/products/{uuid.uuid4()}"))


def falls_through(running: Running) -> bool:
    tenant = running.tenant()
    named(tenant)
    running.sql(f'ALTER TABLE "{tenant.schema}".products RENAME TO elsewhere')
    return ask(tenant, "GET", "/api/products").status_code == 200


def serves_the_suspended(running: Running) -> bool:
    tenant = running.tenant()
    assert ask(tenant, "GET", "/api/products").status_code == 200
    tenant.update("subscription_status = 'suspended'")
    return ask(tenant, "GET", "/api/products").status_code == 200


def mixes_stalled_requests(running: Running) -> bool:
    """A waits inside the database, B comes in, and both go on."""
    a, b = two(running)
    name = named(b)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.users'::regclass"
    with psycopg.connect(running.stack.superuser_url) as holder, ThreadPoolExecutor(2) as pool:
        holder.execute("LOCK TABLE public.users")
        first = pool.submit(httpx.get, f"{running.stack.base_url}/api/products", headers=a.headers(), timeout=20)
        wait_for(lambda: running.sql(waiting) == [(1,)])
        second = pool.submit(httpx.get, f"{running.stack.base_url}/api/products", headers=b.headers(), timeout=20)
        wait_for(lambda: running.sql(waiting) == [(2,)])
        holder.rollback()
        assert name in second.result().text
        return name in first.result().text


def tells_foreign_from_unknown(running: Running) -> bool:
    a, b = two(running)
    foreign, unknown = (ask(a, "GET", f"/api/products/{one}") for one in (b.product(), uuid.uuid4()))
    return (foreign.status_code, foreign.text) != (unknown.status_code, unknown.text)


def takes_a_role(running: Running) -> bool:
    tenant = running.tenant()
    ask(tenant, "PATCH", "/api/users/profile", "viewer", json={"full_name": "Eve", "role": "owner"})
    return ask(tenant, "GET", "/api/users/profile", "viewer").json()["data"]["role"] == "owner"


def takes_a_tenant(running: Running) -> bool:
    a, b = two(running)
    me = own_id(a)
    ask(a, "PATCH", "/api/users/profile", json={"full_name": "Eve", "tenant_id": b.id})
    return me in ask(b, "GET", "/api/users").text


def quotes_the_database(running: Running) -> bool:
    tenant = running.tenant()
    name = named(tenant)
    answer = ask(tenant, "POST", "/api/products", json={"sku": name, "name": name})
    assert answer.status_code == 409
    return "constraint" in answer.text and tenant.schema in answer.text


def has_an_open_function(running: Running) -> bool:
    named(running.tenant())
    [(settings,)] = running.sql("SELECT proconfig FROM pg_proc WHERE oid = 'public.resolve_tenant(text, text)'::regprocedure")
    return not any(each.startswith("search_path=") for each in settings or ())


DEFECTS: list[tuple[str, Attack, dict[str, int]]] = [
    ("SESSION_SET", searches_after_success, ONE_CONNECTION),
    ("PATCH_ME_ALL_FIELDS", takes_a_role, {}),
    ("DB_ROLE_OWNER", lists_users, {}),
    ("READ_USER_NO_TENANT", reads_a_user, {}),
    ("AUDIT_LIST_ALL", lists_audit_log, {}),
    ("TRUST_ORG_HEADER", follows_the_header, {}),
    ("SESSION_SET", searches_after_success, {"pool_size": 4}),
    ("RESET_ON_SUCCESS_ONLY", searches_after_failure, ONE_CONNECTION),
    ("PATH_WITH_PUBLIC", falls_through, {}),
    ("SUSPEND_CACHED", serves_the_suspended, {"workers": 1}),
    ("GLOBAL_TENANT", mixes_stalled_requests, {"workers": 1}),
    ("FORBIDDEN_IF_EXISTS", tells_foreign_from_unknown, {}),
    ("PATCH_ME_ALL_FIELDS", takes_a_tenant, {}),
    ("RAW_DB_ERROR", quotes_the_database, {}),
    ("SECDEF_UNPINNED", has_an_open_function, {}),
]
TWINS: list[tuple[str, tuple[Attack, ...]]] = [
    ("UNIFORM_403", (tells_foreign_from_unknown,)),
    ("SESSION_SET_WITH_RESET", (searches_after_success, searches_after_failure)),
    ("ONE_ROLE_NO_RLS", (lists_users, lists_audit_log, reads_a_user)),
    ("PREPARED_STATEMENTS", (searches_after_success, lists_users)),
]


def works(running: Running) -> None:
    """The positive controls: each tenant's people read and write what is theirs."""
    for tenant in two(running):
        name = named(tenant)
        for path in ("/api/products", f"/api/search?q={name}"):
            assert name in ask(tenant, "GET", path, "viewer").text
        assert tenant.organization in ask(tenant, "GET", "/api/users", "admin").text
        me = own_id(tenant)
        assert ask(tenant, "GET", f"/api/users/{me}", "admin").json()["data"]["id"] == me
        body = {"full_name": "Ada"}
        assert ask(tenant, "PATCH", "/api/users/profile", json=body).json()["data"]["full_name"] == "Ada"
        for path in ("/api/dashboard", "/api/audit-logs", "/api/reports/advanced"):
            assert ask(tenant, "GET", path).status_code == 200
        product = tenant.product()
        assert ask(tenant, "DELETE", f"/api/products/{product}").status_code == 200
        assert product in ask(tenant, "GET", "/api/audit-logs").text
        running.make_member(tenant.organization, f"new_{tenant.id}", "member")
        headers = tenant.headers_of(f"new_{tenant.id}")
        assert ask(tenant, "GET", "/api/products", headers=headers).status_code == 200


@pytest.mark.whole
@pytest.mark.parametrize(("name", "attack", "options"), DEFECTS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_defect_is_what_it_says(name: str, attack: Attack, options: dict[str, int]) -> None:
    """With the switch on the service works, does the one thing that it must not, and the switch was reached."""
    with switched(name, **options) as running:
        works(running)
        assert attack(running)
        assert reached(running.stack.run_folder) == {name}


@pytest.mark.parametrize("attack", {row[1]: None for row in DEFECTS}, ids=lambda attack: attack.__name__)
def test_without_a_switch_it_does_not(running: Running, attack: Attack) -> None:
    """The same requests, answered as they should be; nothing of a switch is reached."""
    assert not attack(running)
    assert reached(running.stack.run_folder) == set()


@pytest.mark.whole
@pytest.mark.parametrize(("name", "attacks"), TWINS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_twin_gives_nothing_away(name: str, attacks: tuple[Attack, ...]) -> None:
    """With the switch on the service works another way, and no attack succeeds."""
    with switched(name) as running:
        works(running)
        assert [attack.__name__ for attack in attacks if attack(running)] == []
        assert reached(running.stack.run_folder) == {name}


@pytest.mark.whole
def test_a_uniform_403_is_an_answer_of_the_profile() -> None:
    """Whatever is not there is forbidden, with the code that the stack's profile names."""
    with switched("UNIFORM_403") as running:
        answer = ask(running.tenant(), "GET", f"/api/products/{uuid.uuid4()}")
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert 'profile = "reference_uniform_403"' in running.stack.config.read_text()


@pytest.mark.whole
def test_shared_reference_data_is_read_by_all_and_written_by_nobody() -> None:
    """Both tenants see the same rows; the service's role cannot write them."""
    with switched("SHARED_REFERENCE") as running:
        works(running)
        seen = {ask(tenant, "GET", "/api/currencies", "viewer").text for tenant in two(running)}
        assert len(seen) == 1
        assert "EUR" in seen.pop()
        assert "/api/currencies" in running.http.get("/openapi.json").json()["paths"]
        statement = "SELECT has_table_privilege(%(app)s, 'reference_service.currencies', 'INSERT, UPDATE, DELETE, TRUNCATE')"
        assert running.sql(statement, {"app": running.stack.roles.app}) == [(False,)]


@pytest.mark.whole
def test_a_suspension_takes_effect_within_two_seconds() -> None:
    """SUSPEND_TTL: served from memory at first, refused within the time that the profile declares, and resumed at once."""
    with switched("SUSPEND_TTL") as running:
        works(running)
        assert serves_the_suspended(running)
        tenant = running.tenant()
        assert ask(tenant, "GET", "/api/products").status_code == 200
        tenant.update("subscription_status = 'suspended'")
        wait_for(lambda: all(ask(tenant, "GET", "/api/products").status_code == 403 for _ in range(PROBES)), 3)
        tenant.update("subscription_status = 'active'")
        assert ask(tenant, "GET", "/api/products").status_code == 200


@pytest.mark.whole
@pytest.mark.parametrize(("workers", "pool_size"), [(1, 1), (1, 4), (2, 4), (2, 10)])
@pytest.mark.parametrize("mode", ["", "transaction", "session"])
def test_every_pool_serves(workers: int, pool_size: int, mode: str) -> None:
    """The service works with any number of workers and connections, directly and through PgBouncer."""
    with switched(workers=workers, pool_size=pool_size, pooler=mode) as running:
        works(running)
        assert not searches_after_success(running)
        assert not searches_after_failure(running)
