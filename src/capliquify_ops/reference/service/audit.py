"""The audit log: one row per sensitive operation and per refused or failed attempt, written as the tenant it concerns."""

from typing import LiteralString

from psycopg.types.json import Json
from starlette.requests import Request

from capliquify_ops.reference.service.access import Resolved

AUDIT: LiteralString = """
INSERT INTO public.audit_logs (tenant_id, user_id, action, resource_type, resource_id, ip_address, user_agent, metadata)
VALUES (
  %(tenant_id)s::uuid, %(user_id)s::uuid, %(action)s, %(resource_type)s, %(resource_id)s,
  %(address)s::inet, %(agent)s, %(metadata)s)
RETURNING 'true'
"""
"""Parameters: those that `entry` makes. Row-level security refuses a row of any tenant but the transaction's."""

LIST: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT id, user_id, action, resource_type, resource_id, host(ip_address) AS ip_address, user_agent, metadata, created_at
  FROM public.audit_logs ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page
"""

AUDITED_REFUSALS = frozenset(
    {"session_verification_failed", "not_organization_member", "insufficient_permissions", "feature_not_available"}
)
"""The refusals that may be somebody trying; a suspended subscription or a full bucket is nobody's attempt."""

_AGENT_CHARACTERS = 512


def entry(
    request: Request,
    row: Resolved,
    action: str,
    resource: tuple[str, str] | None = None,
    **metadata: str,
) -> dict[str, object]:
    """The parameters of one audit row. Never holds a token, a header or a body."""
    kind, identifier = resource or (None, None)
    return {
        "tenant_id": row.tenant_id,
        "user_id": row.user_id,
        "action": action,
        "resource_type": kind,
        "resource_id": identifier,
        "address": (request.client.host or None) if request.client else None,
        "agent": request.headers.get("user-agent", "")[:_AGENT_CHARACTERS],
        "metadata": Json(metadata),
    }
