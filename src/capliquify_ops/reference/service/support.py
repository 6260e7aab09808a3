"""SUPPORT_AND_BROADCAST: what looks like a leak and is none. Without the switch nothing of this is reachable.

A platform administrator may read in the tenant that X-Support-Tenant names, which that tenant's audit log tells; an announcement
goes to the streams of all tenants; a link to an export's file is good for a minute without a session.
"""

import json
from dataclasses import replace
from typing import LiteralString
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import access, audit
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import Rule, check_fields, parse_object, read_body
from capliquify_ops.reference.service.events import EVERYBODY
from capliquify_ops.reference.service.exports import file_response
from capliquify_ops.reference.service.gate import Visit, Work, verified_session
from capliquify_ops.reference.service.links import linked_name
from capliquify_ops.reference.service.onboarding import require_administrator
from capliquify_ops.reference.service.refusals import success
from capliquify_ops.reference.service.runtime import Service

HEADER = "x-support-tenant"
_PATH_CHARACTERS = 200
_RULES = {"text": Rule("text", is_required=True, most=1000)}
_NOTIFY: LiteralString = "SELECT pg_notify('reference_service_events', %(payload)s)::text"


async def linked_file(request: Request) -> Response:
    """The file of a link; 404 for one that is over, or was changed."""
    service: Service = request.app.state.service
    name = linked_name(service, request.path_params["link"])
    service.switches.on("SUPPORT_AND_BROADCAST")
    return file_response(service, name)


async def announce(request: Request) -> Response:
    """Tells all tenants' streams; for platform administrators."""
    service: Service = request.app.state.service
    session = await require_administrator(service, request)
    text = check_fields(parse_object(await read_body(request)), _RULES)["text"]
    async with service.store.transaction(session.session, "", session.user) as transaction:
        await transaction.finish(_NOTIFY, {"payload": f"{EVERYBODY} announcement {json.dumps({'text': text})}"})
    service.switches.on("SUPPORT_AND_BROADCAST")
    return success("null", 201)


async def visit_as_support(service: Service, request: Request, need: Need, work: Work) -> Response:
    """Reads as an administrator of the named tenant, and writes that into its audit log first. Refusal 403 for anybody else."""
    session = verified_session(service, request)
    if not session.is_platform_admin or need.writes:
        raise access.not_a_member()
    organization = request.headers[HEADER]
    async with service.store.transaction(session.session, organization, session.user) as transaction:
        if refusal := access.check_session(transaction.row) or access.check_tenant(transaction.row):
            raise refusal
        service.switches.on("SUPPORT_AND_BROADCAST")
        route = ("route", quote(request.url.path, errors="replace")[:_PATH_CHARACTERS])
        await transaction.finish(audit.AUDIT, audit.entry(request, transaction.row, "support.access", route, by=session.user))
    async with service.store.transaction(session.session, organization, session.user) as transaction:
        transaction.row = replace(transaction.row, role="admin")
        return await work(Visit(service, request, session, transaction, b""))
