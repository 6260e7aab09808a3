"""Work that outlives its request: a row first, which a worker takes later and does in the transaction of the row's tenant."""

import json
from dataclasses import dataclass
from typing import LiteralString

from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import resources
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import Rule, check_fields, resource_id
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.idempotency import idempotent
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.resources import SCENARIOS
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Transaction

CHANNEL: LiteralString = "reference_service_jobs"
QUEUE: LiteralString = """
WITH made AS (
  INSERT INTO reference_service.jobs (kind, label, made_by) VALUES (%(kind)s, %(label)s, %(made_by)s) RETURNING id, state
)
SELECT json_build_object('id', id, 'state', state)::text, pg_notify('reference_service_jobs', '') FROM made
"""
"""Every worker is woken when, and only when, the row is committed."""
_RULES = {"label": Rule("text", is_required=True, most=255)}
_STATE: LiteralString = """
SELECT json_build_object('id', id, 'state', state, 'result', result)::text
FROM reference_service.jobs WHERE id = %(id)s::uuid AND kind = 'scenario'
"""
_NAMES: LiteralString = "SELECT coalesce(json_agg(name ORDER BY created_at DESC, id), '[]')::text FROM scenarios"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was taken: whose it is, who asked for it, and the lease without which it cannot be finished."""

    id: str
    lease: str
    kind: str
    label: str
    organization: str
    made_by: str


def wake(request: Request) -> None:
    """Tells this worker's own task at once; the others hear of it from the database."""
    request.app.state.surfaces.worker.wake()


@tenant_route(Need("member", writes=True, feature="what_if_analysis"))
@idempotent(202)
async def create_job(visit: Visit) -> Response:
    """Queues a job that makes a scenario of the label's name."""
    fields = check_fields(visit.document(), _RULES)
    answer = found(await visit.finish(QUEUE, fields | {"kind": "scenario", "made_by": visit.session.user}), 202)
    wake(visit.request)
    return answer


@tenant_route(Need("viewer"))
async def job_state(visit: Visit) -> Response:
    """How far a job is, and its result."""
    return found(await visit.finish(_STATE, {"id": resource_id(visit.request)}))


async def make_scenario(_service: Service, transaction: Transaction, job: Job) -> str:
    """Does the job in the transaction's schema; the result lists the scenarios that stand there then."""
    query = resources.insert_query(SCENARIOS, {"name": job.label})
    await transaction.first(query, {"name": job.label, resources.COMPANY_PARAMETER: transaction.row.name})
    names = await transaction.first(_NAMES, {})
    return json.dumps({"scenarios": json.loads(names[0]) if names else []})
