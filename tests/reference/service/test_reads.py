"""Reads in one round trip: who asks is judged first, nothing of a tenant stays on the connection, and no answer meets another request."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.reference.service import round_trip
from capliquify_ops.reference.service import store as store_module
from capliquify_ops.reference.service.metrics import Series
from capliquify_ops.reference.service.round_trip import RoundTrips, numbered
from capliquify_ops.reference.service.store import Store

from .conftest import Running, Tenant

CONTEXT = numbered("SELECT current_setting('search_path') || ' ' || coalesce(current_setting('app.tenant_id', true), '')")
SCHEMA = numbered("SELECT current_schemas(false)::text || count(*) FROM products")
ECHO = numbered("SELECT %(text)s::text || %(n)s || '100%%' || %(text)s")
LOCKED = numbered("SELECT current_schema() || (pg_advisory_lock(20) IS NULL)::text")
HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 20 AND NOT granted"


@pytest.fixture(params=["prepared", "behind a pooler"])
def opened(running: Running, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., object]:
    """Runs a scenario with a store of one connection."""

    @asynccontextmanager
    async def store() -> AsyncIterator[Store]:
        made = Store(running.stack.app_url, 1, Series(tmp_path, os.getpid()), pooled=request.param != "prepared")
        await made.open()
        try:
            yield made
        finally:
            await made.close()

    def run(scenario: Callable[[Store], Awaitable[object]]) -> object:
        async def whole() -> object:
            async with store() as made:
                return await scenario(made)

        return asyncio.run(whole())

    return run


def viewer(tenant: Tenant) -> str:
    """A member of the tenant."""
    return f"viewer_{tenant.organization}"


async def left(store: Store) -> tuple:
    """What the pool's only connection knows between two requests."""
    async with store._pool.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.pgconn.pipeline_status == psycopg.pq.PipelineStatus.OFF
        row = await (await connection.execute(CONTEXT.text.decode())).fetchone()
        return (*row, connection.info.backend_pid)


def test_each_request_reads_its_own_tenant(running: Running, opened) -> None:
    """Tenants in turns and nobody's organisation between, on one connection: each its own schema, and then none."""
    tenants = [running.tenant() for _ in range(3)]

    async def scenario(store: Store) -> None:
        for each in (*tenants, *reversed(tenants)):
            unknown = await store.read("s", "org_of_nobody", "nobody", (SCHEMA, {}))
            assert unknown.row.tenant_id is None
            with pytest.raises(psycopg.errors.UndefinedTable):
                unknown.shown()
            found = await store.read("s", each.organization, viewer(each), (SCHEMA, {}))
            assert (found.row.tenant_id, found.shown()) == (each.id, f"{{{each.schema}}}0")
            assert (await left(store))[0] in {"pg_temp ", '"$user", public '}

    opened(scenario)


@pytest.mark.parametrize(
    ("change", "user"),
    [
        ("subscription_status = 'suspended'", "viewer"),
        ("subscription_status = 'cancelled'", "viewer"),
        ("deleted_at = now()", "viewer"),
        ("name = name", "stranger"),
    ],
)
def test_whoever_may_not_read_waits_for_no_lock_of_the_tenant(
    running: Running, tenant: Tenant, opened, change: str, user: str
) -> None:
    """A purge, or a migration of a suspended tenant, locks its tables: those who are refused must not fill the pool meanwhile."""
    tenant.update(change)

    async def scenario(store: Store) -> None:
        async with asyncio.timeout(5):
            found = await store.read("s", tenant.organization, f"{user}_{tenant.organization}", (SCHEMA, {}))
        assert found.row.tenant_id == tenant.id
        with pytest.raises(psycopg.errors.UndefinedTable):
            found.shown()

    with psycopg.connect(running.stack.superuser_url) as holder:
        holder.execute(f"LOCK TABLE {tenant.schema}.products IN ACCESS EXCLUSIVE MODE")
        opened(scenario)
        holder.rollback()


def test_what_a_tier_does_not_include_is_not_computed(running: Running) -> None:
    """The report of a starter tenant is refused while its tables are locked: nothing of it was asked of them."""
    tenant = running.tenant(tier="starter")
    with psycopg.connect(running.stack.superuser_url) as holder:
        holder.execute(f"LOCK TABLE {tenant.schema}.sales IN ACCESS EXCLUSIVE MODE")
        answer = running.http.get("/api/reports/advanced", headers=tenant.headers(), timeout=5)
        holder.rollback()
    assert (answer.status_code, answer.json()["error"]) == (403, "feature_not_available")


def test_texts_are_utf8_whatever_the_environment_says(tenant: Tenant, opened, monkeypatch) -> None:
    """libpq would take the encoding of the connection from there, and these texts are written and read as UTF-8."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")

    async def scenario(store: Store) -> str | None:
        length = numbered("SELECT length(%(text)s::text)::text")
        return (await store.read("s", tenant.organization, viewer(tenant), (length, {"text": "é€😀"}))).shown()

    assert opened(scenario) == "3"


@pytest.mark.parametrize("status", ["trial", "active", "past_due"])
def test_whoever_may_read_reads(tenant: Tenant, opened, status: str) -> None:
    """In each state of the subscription that lets reads through."""
    tenant.update(f"subscription_status = '{status}'")

    async def scenario(store: Store) -> str | None:
        return (await store.read("s", tenant.organization, viewer(tenant), (SCHEMA, {}))).shown()

    assert opened(scenario) == f"{{{tenant.schema}}}0"


def test_settings_that_fail_are_a_failure_of_the_database(tenant: Tenant, opened, monkeypatch) -> None:
    """Behind a pooler they come first, and nothing comes after them; without one nobody sends them."""
    monkeypatch.setattr(store_module, "_SETTINGS_FIRST", ((numbered("SELECT (1/0)::text"), {}),))

    async def scenario(store: Store) -> object:
        try:
            return (await store.read("s", tenant.organization, viewer(tenant), (SCHEMA, {}))).shown()
        except psycopg.errors.DivisionByZero:
            return store._pooled

    assert opened(scenario) in {True, f"{{{tenant.schema}}}0"}


@pytest.mark.parametrize("opened", ["prepared"], indirect=True)
def test_plans_of_their_own_are_few_and_change_no_answer(running: Running, opened, monkeypatch) -> None:
    """As many statements are prepared on a connection as there is room for, and one more for all the others."""
    monkeypatch.setattr(round_trip, "MOST_PREPARED", 3)
    tenants = [running.tenant() for _ in range(5)]

    async def scenario(store: Store) -> list[tuple[str]]:
        for each in (*tenants, *tenants):
            assert (await store.read("s", each.organization, viewer(each), (SCHEMA, {}))).shown() == f"{{{each.schema}}}0"
        async with store._pool.connection() as connection:
            names = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'read%' ORDER BY 1"
            return await (await connection.execute(names)).fetchall()

    names = [name for (name,) in opened(scenario)]
    own = [name for name in names if name.startswith(f"{SCHEMA.name.decode()}_")]
    assert (len(names), len(own)) == (4, 2)


def test_a_name_however_long_is_no_longer_than_the_server_takes() -> None:
    """The server would cut it off, and take two for one."""
    assert len(SCHEMA.planned_for("org_" + "x" * 300).own_name) == 38
    assert SCHEMA.planned_for("a").own_name != SCHEMA.planned_for("b").own_name


def test_without_a_statement_only_who_asks_is_read(tenant: Tenant, opened) -> None:
    """What cannot be asked for is refused to those only who may ask: the row is there, and no text."""

    async def scenario(store: Store) -> None:
        found = await store.read("s", tenant.organization, viewer(tenant), None)
        assert (found.row.tenant_id, found.row.role, found.shown()) == (tenant.id, "viewer", None)

    opened(scenario)


def test_a_rolled_back_transaction_takes_no_read_with_it(tenant: Tenant, opened) -> None:
    """psycopg forgets every prepared statement of a connection when a transaction is rolled back; reads go on."""

    async def scenario(store: Store) -> list[str | None]:
        texts = []
        for _ in range(3):
            texts.append((await store.read("s", tenant.organization, viewer(tenant), (SCHEMA, {}))).shown())
            with pytest.raises(psycopg.errors.DivisionByZero):
                async with store.transaction("s", tenant.organization, "nobody") as transaction:
                    await transaction.finish("SELECT 1/0", {})
        return texts

    assert opened(scenario) == [f"{{{tenant.schema}}}0"] * 3


async def waiting_for_the_lock(running: Running) -> int:
    """The backend that waits."""
    async with asyncio.timeout(20):
        while not (found := running.sql(HELD)):  # noqa: ASYNC110  # another process, which sets no event
            await asyncio.sleep(0.01)
        return int(found[0][0])


def test_an_abandoned_read_never_answers_the_next_request(running: Running, tenant: Tenant, opened) -> None:
    """A read that is cancelled closes its connection: its answer is still to come."""

    async def scenario(store: Store) -> None:
        running.sql("SELECT pg_advisory_lock(20)")
        reading = asyncio.create_task(store.read("s", tenant.organization, viewer(tenant), (LOCKED, {})))
        backend = await waiting_for_the_lock(running)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        running.sql("SELECT pg_advisory_unlock(20)")
        found = await store.read("s", tenant.organization, viewer(tenant), (ECHO, {"text": "mine", "n": 1}))
        assert found.shown() == "mine1100%mine"
        assert (await left(store))[-1] != backend

    opened(scenario)


def test_a_connection_that_is_left_half_way_is_closed(running: Running) -> None:
    """Whoever has it, a pool or not: what is still to come is not for the next one."""

    async def scenario() -> None:
        connection = await psycopg.AsyncConnection.connect(running.stack.app_url, autocommit=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await RoundTrips(prepares=True).ask(connection, [(numbered("SELECT pg_sleep(20)::text"), {})])
        assert connection.closed

    asyncio.run(scenario())


def test_a_connection_that_the_server_ended_is_replaced_unseen(running: Running, tenant: Tenant, opened) -> None:
    """A restart of the database between two reads is no failure of the second."""

    async def scenario(store: Store) -> None:
        backend = (await left(store))[-1]
        running.sql("SELECT pg_terminate_backend(%s, 5000)", [backend])
        found = await store.read("s", tenant.organization, viewer(tenant), (SCHEMA, {}))
        assert found.shown() == f"{{{tenant.schema}}}0"

    opened(scenario)


def test_a_read_that_is_cut_off_is_asked_once_more(running: Running, tenant: Tenant, opened) -> None:
    """The server ends the connection while the statement runs: a read changes nothing, so it is sent again."""

    async def scenario(store: Store) -> str | None:
        running.sql("SELECT pg_advisory_lock(20)")
        reading = asyncio.create_task(store.read("s", tenant.organization, viewer(tenant), (LOCKED, {})))
        running.sql("SELECT pg_terminate_backend(%s), pg_advisory_unlock(20)", [await waiting_for_the_lock(running)])
        return (await reading).shown()

    assert opened(scenario) == f"{tenant.schema}false"


@given(
    text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60),
    n=st.none() | st.integers(0, 99),
)
def test_values_arrive_as_they_were_sent(text: str, n: int | None) -> None:
    """Each value is one parameter, whatever it holds; a name that comes twice is sent once."""
    assert ECHO.text == b"SELECT $1::text || $2 || '100%' || $1"
    assert ECHO.values({"text": text, "n": n, "more": 1}) == [text.encode(), None if n is None else str(n).encode()]


def test_a_nul_is_refused_before_anything_is_sent(tenant: Tenant, opened) -> None:
    """libpq would end the text there: another text than the caller's would be looked for."""

    async def scenario(store: Store) -> None:
        backend = (await left(store))[-1]
        with pytest.raises(psycopg.DataError):
            await store.read("s", tenant.organization, viewer(tenant), (ECHO, {"text": "a\0b", "n": 1}))
        assert (await left(store))[-1] == backend

    opened(scenario)


def test_a_page_of_many_bytes_comes_whole(tenant: Tenant, opened) -> None:
    """An answer larger than any buffer on the way."""
    large = numbered("SELECT repeat('€', 3000000) || count(*) FROM products WHERE name <> %(text)s")

    async def scenario(store: Store) -> int:
        text = (await store.read("s", tenant.organization, viewer(tenant), (large, {"text": "x" * 3_000_000}))).shown()
        assert text is not None
        return len(text)

    assert opened(scenario) == 3_000_001
