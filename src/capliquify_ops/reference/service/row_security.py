"""ONE_ROLE_NO_RLS: statements on shared tables with the tenant in the statement, where the tables have no row security.

The service itself leaves the rows to row security, which is forced on these tables.
"""

from typing import LiteralString

from capliquify_ops.reference.service.switches import Switches

_USERS: LiteralString = """
FROM (SELECT * FROM public.users WHERE tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid) AS users
"""
_AUDIT_LOGS: LiteralString = """
FROM (SELECT * FROM public.audit_logs WHERE tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid) AS audit_logs
"""


def of_tenant(switches: Switches, query: LiteralString) -> LiteralString:
    """The statement, reading only the tenant's rows of users and audit log even where row security is off."""
    if not switches.on("ONE_ROLE_NO_RLS"):
        return query
    return query.replace("FROM public.users", _USERS).replace("FROM public.audit_logs", _AUDIT_LOGS)
