"""The pool and its transactions on a running PostgreSQL: no connection ever goes back with a tenant on it."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest

from capliquify_ops.reference.service.metrics import Series
from capliquify_ops.reference.service.store import Store

from .conftest import Running, Tenant

CONTEXT = "SELECT current_setting('search_path'), coalesce(current_setting('app.tenant_id', true), '')"


async def leave(store: Store, tenant: Tenant, how: str) -> None:
    async with store.transaction("s", tenant.organization, "nobody") as transaction:
        assert transaction.row.tenant_id == tenant.id
        row = await transaction.first("SELECT current_setting('search_path'), count(*) FROM products", {})
        assert row == (f"{tenant.schema}, pg_temp", 0)
        if how == "committed":
            await transaction.finish("SELECT 'true'", {})
        elif how == "refused":
            raise RuntimeError
        elif how == "failed":
            await transaction.finish("SELECT 1/0", {})
        elif how == "failed at COMMIT":
            await transaction.queue("CREATE TEMP TABLE t (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)", {})
            await transaction.finish("INSERT INTO t VALUES (1), (1) RETURNING i", {})


@pytest.mark.parametrize("how", ["committed", "left", "refused", "failed", "failed at COMMIT"])
def test_a_connection_goes_back_without_tenant(running: Running, tenant: Tenant, tmp_path: Path, how: str) -> None:
    """However a request ends, the connection is idle afterwards and neither search_path nor app.tenant_id name a tenant."""

    async def scenario() -> tuple:
        store = Store(running.stack.app_url, 1, Series(tmp_path, os.getpid()))
        await store.open()
        try:
            await leave(store, tenant, how)
        except (RuntimeError, psycopg.DataError, psycopg.errors.UniqueViolation):
            assert how not in {"committed", "left"}
        else:
            assert how in {"committed", "left"}
        async with store._pool.connection() as connection:
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            row = await (await connection.execute(CONTEXT)).fetchone()
            with pytest.raises(psycopg.errors.UndefinedTable):
                await connection.execute("SELECT FROM products")
        await store.close()
        return row

    assert asyncio.run(scenario()) == ("pg_temp", "")


def test_a_request_sees_no_rows_of_other_tenants_in_shared_tables(running: Running, tmp_path: Path) -> None:
    """Inside a transaction users and audit log hold the tenant's rows only, and the table of tenants is closed."""
    one, other = running.tenant(), running.tenant()

    async def scenario() -> None:
        store = Store(running.stack.app_url, 1, Series(tmp_path, os.getpid()))
        await store.open()
        for each in (one, other):
            async with store.transaction("s", each.organization, "nobody") as transaction:
                assert await transaction.first(
                    "SELECT count(*), min(tenant_id::text), max(tenant_id::text) FROM public.users", {}
                ) == (4, each.id, each.id)
        async with store.transaction("s", "org_of_nobody", "nobody") as transaction:
            assert await transaction.first("SELECT count(*) FROM public.users", {}) == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await transaction.finish("SELECT 'x' FROM public.tenants", {})
        await store.close()

    asyncio.run(scenario())
