"""The statement that says who is asking for what, and puts the transaction into the schema of that tenant."""

import json
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Error
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from capliquify_ops.reference.service.access import Resolved

SETTINGS: LiteralString = """
SELECT set_config('TimeZone', 'UTC', true), set_config('statement_timeout', '10s', true),
       set_config('idle_in_transaction_session_timeout', '30s', true)
"""
"""The same for one transaction: a pooler between takes no start-up options, and gives each transaction any connection."""
RESOLVE: LiteralString = """
SELECT EXISTS (SELECT FROM reference_service.signed_out_sessions AS s WHERE s.sid = %(session)s),
       t.tenant_id::text, t.slug, t.name, t.subscription_status, t.subscription_tier,
       coalesce(t.subscription_status = 'trial' AND t.trial_ends_at <= t.server_time, false),
       t.deleted_at IS NOT NULL, t.max_users, t.features, t.user_id::text, t.role,
       set_config('search_path', coalesce(quote_ident(t.schema_name) || ', ', '') || %(behind)s, true)
FROM (VALUES (true)) AS request
LEFT JOIN LATERAL public.resolve_tenant(%(organization)s, %(user)s) AS t ON true
"""
RESOLVE_AND_READ: LiteralString = RESOLVE.replace(
    "coalesce(quote_ident(t.schema_name) || ', ', '')",
    "CASE WHEN t.user_id IS NOT NULL AND t.deleted_at IS NULL AND t.subscription_status IN ('active', 'trial', 'past_due')"
    " THEN quote_ident(t.schema_name) || ', ' ELSE '' END",
)
"""The same where a read travels with it: whoever may not read finds no table there, and waits for no lock of theirs."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came back of a read: who asks, and the first column of the read's only row, or why there is none.

    Whoever is not let in learns nothing of `text` and `problem`: look at `row` first.
    """

    row: Resolved
    text: str | None = None
    problem: Error | None = None

    def shown(self) -> str | None:
        """Return the text. Raises the database's error."""
        if self.problem is not None:
            raise self.problem
        return self.text


def reading(results: list[PGresult]) -> Reading:
    """Return the reading of the results of `RESOLVE` and, where one was asked, of the read. Raises the error of the first."""
    first = results[0]
    if first.status != ExecStatus.TUPLES_OK:
        raise error_from_result(first)
    row = _resolved([first.get_value(0, column) for column in range(first.nfields - 1)])
    if len(results) == 1:
        return Reading(row)
    if results[1].status != ExecStatus.TUPLES_OK:
        return Reading(row, problem=error_from_result(results[1]))
    value = results[1].get_value(0, 0) if results[1].ntuples else None
    return Reading(row, None if value is None else value.decode())


def _resolved(values: list[bytes | None]) -> Resolved:
    """Return the row that the server sent as texts."""
    text = [None if value is None else value.decode() for value in values]
    signed_out, tenant_id, slug, name, status, tier, is_expired, is_deleted, max_users, features, user_id, role = text
    return Resolved(
        signed_out == "t", tenant_id, slug or "", name or "", status or "", tier or "", is_expired == "t", is_deleted == "t",
        None if max_users is None else int(max_users), None if features is None else json.loads(features), user_id, role,
    )  # fmt: skip
