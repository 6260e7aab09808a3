"""What a worker does beside its requests: it listens to the database, and works on what was queued."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import AsyncConnection, sql

from capliquify_ops.reference.service import access, events, exports, jobs
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.edge import LOG
from capliquify_ops.reference.service.events import Hub
from capliquify_ops.reference.service.jobs import Job
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Transaction
from capliquify_ops.reference.service.summary_cache import Summaries

WORK_S = 10.0
LEASE_S = 15
"""Longer than any work may last: who still has the lease is still there."""
POLL_S = 5.0
"""For what nobody is told of: the job of a worker that stopped."""
_AGAIN_S = 0.5
_CHANNELS = (events.CHANNEL, jobs.CHANNEL)
_TAKE: LiteralString = """
SELECT id::text, lease::text, kind, label, organization, made_by FROM reference_service.take_job(%(lease_s)s)
"""
_DONE: LiteralString = """
UPDATE reference_service.jobs SET state = 'done', result = %(result)s::jsonb, lease = NULL, finished_at = now()
WHERE id = %(id)s::uuid AND lease = %(lease)s::uuid RETURNING true
"""
_FAILED: LiteralString = """
UPDATE reference_service.jobs SET state = 'failed', lease = NULL, finished_at = now()
WHERE id = %(id)s::uuid AND lease = %(lease)s::uuid RETURNING 'true'
"""
_COMMITTED: LiteralString = "SELECT 'true'"
_WORK: Mapping[str, Callable[[Service, Transaction, Job], Awaitable[str]]] = {
    "scenario": jobs.make_scenario,
    "export": exports.write_export,
}


class NotDone(Exception):
    """A job must not be done: its tenant or its maker may no longer, or another worker has it."""


class Worker:
    """Takes one job after the other, each in the transaction of its own tenant."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._woken = asyncio.Event()
        self._previous: Job | None = None

    def wake(self) -> None:
        """Something was queued."""
        self._woken.set()

    async def run(self) -> None:
        """Works for ever; while the database is away, looks again from time to time."""
        while True:
            self._woken.clear()
            try:
                while job := await self._take():
                    await self._do(job)
                exports.remove_old(self._service)
            except (psycopg.Error, OSError) as problem:
                LOG.warning("jobs wait: %s", type(problem).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_S)

    async def _take(self) -> Job | None:
        """The next job of any tenant: the one statement here that knows no tenant, and it returns no tenant's data."""
        async with self._service.store.transaction("", "", "") as transaction:
            row = await transaction.first(_TAKE, {"lease_s": LEASE_S})
            await transaction.finish(_COMMITTED, {})
        return None if row is None else Job(*row)

    async def _do(self, job: Job) -> None:
        try:
            async with asyncio.timeout(WORK_S):
                await self._work(job)
        except Exception as problem:  # noqa: BLE001 -- whatever it is, this job has failed and the next one is another's
            LOG.warning("job failed: %s", type(problem).__name__)
            async with self._tenant(job) as transaction:
                await transaction.finish(_FAILED, {"id": job.id, "lease": job.lease})

    async def _work(self, job: Job) -> None:
        previous, self._previous = self._previous, job
        work = _WORK[job.kind]
        if previous and previous.kind == job.kind and self._service.switches.on("JOB_NO_TENANT"):
            # The comparison should have been of tenants.
            async with self._tenant(previous) as transaction:
                result = await work(self._service, transaction, job)
                await transaction.finish(_COMMITTED, {})
            self._previous = previous
            work = _finished(result)
        async with self._tenant(job) as transaction:
            row = transaction.row
            if access.check_tenant(row) or access.check_membership(row) or access.check_status(row, Need(writes=True)):
                raise NotDone
            result = await work(self._service, transaction, job)
            if await transaction.first(_DONE, {"id": job.id, "lease": job.lease, "result": result}) is None:
                raise NotDone
            await transaction.finish(_COMMITTED, {})

    @asynccontextmanager
    async def _tenant(self, job: Job) -> AsyncIterator[Transaction]:
        async with self._service.store.transaction("", job.organization, job.made_by) as transaction:
            yield transaction


def _finished(result: str) -> Callable[[Service, Transaction, Job], Awaitable[str]]:
    async def work(_service: Service, _transaction: Transaction, _job: Job) -> str:
        return result

    return work


@dataclass(frozen=True, slots=True)
class Surfaces:
    """What the requests of one worker share with its tasks."""

    summaries: Summaries
    hub: Hub
    worker: Worker


@asynccontextmanager
async def surfaces_of(service: Service) -> AsyncIterator[Surfaces]:
    """Runs the tasks while the worker serves. Jobs that were cut off are done by another worker when their lease is over."""
    surfaces = Surfaces(Summaries(), Hub(), Worker(service))
    tasks = [asyncio.create_task(surfaces.worker.run()), asyncio.create_task(_listen(service, surfaces))]
    try:
        yield surfaces
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(service: Service, surfaces: Surfaces) -> None:
    """One connection per worker, beside the pool, for all streams and for the queue."""
    url = service.settings.listen_database_url or service.settings.database_url
    while True:
        try:
            async with await AsyncConnection.connect(
                url, autocommit=True, connect_timeout=2, application_name="reference_service events"
            ) as connection:
                for channel in _CHANNELS:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                surfaces.worker.wake()
                async for notice in connection.notifies():
                    if notice.channel == jobs.CHANNEL:
                        surfaces.worker.wake()
                    else:
                        surfaces.hub.heard(notice.payload)
        except psycopg.Error as problem:
            LOG.warning("not listening: %s", type(problem).__name__)
        await asyncio.sleep(_AGAIN_S)
