"""The way in: token, organisation, rate limit, tenant, membership, status, role, feature.

Whoever gets through is handed to the route's own work, inside the transaction that stands in the tenant's schema.

Switches: TRUST_ORG_HEADER (here and in `gate_switches`), GLOBAL_TENANT, FORBIDDEN_IF_EXISTS, UNIFORM_403 (there), those of a
suspension (`tenant_status`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from time import perf_counter
from urllib.parse import quote

import psycopg
from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import access, api_key_lookup, audit, gate_switches
from capliquify_ops.reference.service.access import Need, Resolved
from capliquify_ops.reference.service.bodies import parse_object, read_body
from capliquify_ops.reference.service.first_login import welcome
from capliquify_ops.reference.service.refusals import Refusal, malformed
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Query, Transaction
from capliquify_ops.reference.service.tokens import Session, TokenInvalid

_PATH_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """An admitted request: the transaction in its tenant's schema, who asks, and what was sent."""

    service: Service
    request: Request
    session: Session
    transaction: Transaction
    body: bytes

    @property
    def row(self) -> Resolved:
        """Tenant and membership as of this request."""
        return self.transaction.row

    def document(self) -> dict[str, object]:
        """The body as a JSON object; Refusal 400 when it is none."""
        return parse_object(self.body)

    async def finish(self, query: Query, parameters: dict[str, object]) -> str | None:
        """Runs the last statement and commits; JSON text, or None when there was no row."""
        return await self.transaction.finish(query, parameters)

    async def finish_audited(self, action: str, resource: tuple[str, str], **metadata: str) -> None:
        """Adds an audit row and commits: the operation and its record stand or fall together."""
        await self.transaction.finish(audit.AUDIT, audit.entry(self.request, self.row, action, resource, **metadata))


Sent = tuple[Session, str, bytes]
"""Who asks, in which organisation, and the body."""
Work = Callable[[Visit], Awaitable[Response]]
Visiting = Callable[[Service, Request, Need, Work, Sent], Awaitable[Response | None]]
"""What brings a request's work and its tenant together; None for a user whom the database does not know yet."""
Endpoint = Callable[[Request], Awaitable[Response]]


def tenant_route(need: Need, visit: Visiting | None = None) -> Callable[[Work], Endpoint]:
    """Makes a route of a function that works inside a tenant; only who meets the need gets there. `visit`: another way in."""
    enter = visit or visit_tenant

    def decorate(work: Work) -> Endpoint:
        @wraps(work)
        async def endpoint(request: Request) -> Response:
            service: Service = request.app.state.service
            try:
                return await _admit(service, request, need, work, enter)
            except Refusal as refusal:
                if refusal.code in audit.AUDITED_REFUSALS:
                    await record_denial(service, request, refusal)
                if refusal.code == "not_found":
                    await gate_switches.not_yours(service, request)
                raise

        return endpoint

    return decorate


def verified_session(service: Service, request: Request) -> Session:
    """The session of the bearer token; Refusal 401 without a usable one."""
    values = request.headers.getlist("authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal(
            401, "missing_authorization", "The Authorization header is missing or malformed; send 'Bearer <session token>'."
        )
    try:
        session = service.tokens.verify(token.strip())
    except TokenInvalid as reason:
        service.series.count("clerk_session_verifications_total", 'result="failure"')
        request.state.failure = str(reason)
        raise Refusal(401, "session_verification_failed", "The session could not be verified; sign in again.") from None
    request.state.user = session.user
    service.series.count("clerk_session_verifications_total", 'result="success"')
    return session


def chosen_organization(request: Request, session: Session) -> str:
    """The organisation of the header, which must be the token's; Refusal 400 or 403 otherwise.

    TRUST_ORG_HEADER: the header's, whatever the token says.
    """
    values = request.headers.getlist("x-organization-id")
    if not values or not values[0].strip():
        raise Refusal(400, "missing_organization_id", "The X-Organization-ID header is missing; name the organisation.")
    if len(values) > 1:
        raise malformed("X-Organization-ID was sent more than once; send it once.")
    if session.organization is None or values[0] != session.organization:
        service: Service = request.app.state.service
        if session.organization is not None and service.switches.on("TRUST_ORG_HEADER"):
            return values[0]
        raise access.not_a_member()
    return session.organization


def spend(service: Service, organization: str) -> None:
    """Takes one request out of the organisation's bucket; Refusal 429 when it is empty."""
    wait_s = service.requests.take(organization)
    if wait_s:
        message = "Too many requests of this organisation; wait and try again."
        raise Refusal(429, "rate_limit_exceeded", message, headers={"Retry-After": str(wait_s)})


async def record_denial(service: Service, request: Request, refusal: Refusal) -> None:
    """Writes the refused attempt into the audit log of the tenant that was aimed at, if there is one."""
    organization = request.headers.get("x-organization-id", "")
    if not organization or service.denials.take(f"denials of {organization}"):
        return
    action = "auth.login_failed" if refusal.status == 401 else "auth.access_denied"  # noqa: PLR2004 -- the status itself
    about = {"code": refusal.code, "method": request.method, "reason": getattr(request.state, "failure", refusal.code)}
    try:
        async with service.store.transaction("", organization, getattr(request.state, "user", "")) as transaction:
            if transaction.row.tenant_id is not None:
                await transaction.finish(
                    audit.AUDIT,
                    audit.entry(
                        request,
                        transaction.row,
                        action,
                        ("route", quote(request.url.path, errors="replace")[:_PATH_CHARACTERS]),
                        **about,
                    ),
                )
    except psycopg.Error:
        # The refusal stands whether or not it could be written down.
        service.series.count("audit_failures_total")


async def _admit(service: Service, request: Request, need: Need, work: Work, visit: Visiting) -> Response:
    started = perf_counter()
    if service.switches.has("SUPPORT_AND_BROADCAST") and "x-support-tenant" in request.headers:
        seen: Response = await request.app.state.visit_as_support(service, request, need, work)
        return seen
    if api_key_lookup.HEADER in request.headers:
        session = await api_key_lookup.session_of_key(service, request)
        organization = session.organization or ""
    else:
        session = verified_session(service, request)
        organization = chosen_organization(request, session)
    authenticated = perf_counter()
    spend(service, organization)
    limited = perf_counter()
    gate_switches.remember(service, organization)
    observe = service.series.observe
    observe("middleware_latency_seconds", 'middleware_name="authentication"', authenticated - started)
    observe("middleware_latency_seconds", 'middleware_name="rate_limit"', limited - authenticated)
    # Read before a connection is taken: a slow sender must not hold one.
    body = await read_body(request) if need.writes else b""
    sent = (session, organization, body)
    answer = await visit(service, request, need, work, sent)
    if answer is None:
        await welcome(service, request, need, session, organization)
        answer = await visit(service, request, need, work, sent)
    if answer is None:
        raise access.not_a_member()
    return answer


async def visit_tenant(service: Service, request: Request, need: Need, work: Work, sent: Sent) -> Response | None:
    """The work's answer, from inside a transaction of the tenant."""
    session, organization, body = sent
    started = perf_counter()
    home = await gate_switches.role_at_home(service, session, organization)
    store = service.store
    async with store.transaction(session.session, organization, session.user, trusts_path=need.trusts_path) as transaction:
        row = admitted(service, gate_switches.as_at_home(transaction.row, home), need, started)
        if row is None:
            return None
        transaction.row = row
        await gate_switches.enter_current(service, transaction)
        service.series.observe("middleware_latency_seconds", 'middleware_name="chain"', perf_counter() - started)
        return await work(Visit(service, request, session, transaction, body))


def admitted(service: Service, resolved: Resolved, need: Need, started: float) -> Resolved | None:
    """The row as this worker takes it to be, once the caller may go on; None for an unknown user. Refusal otherwise."""
    row = service.statuses.of(resolved)
    service.series.observe("middleware_latency_seconds", 'middleware_name="tenant_resolution"', perf_counter() - started)
    if refusal := access.check_session(row) or access.check_tenant(row):
        raise refusal
    if row.user_id is None:
        return None
    _check_rights(service, row, need)
    return row


def _check_rights(service: Service, row: Resolved, need: Need) -> None:
    started = perf_counter()
    refusal = access.check_membership(row) or access.check_status(row, need) or access.check_role(row, need)
    checked = perf_counter()
    refusal = refusal or access.check_feature(row, need)
    service.series.observe("middleware_latency_seconds", 'middleware_name="role_check"', checked - started)
    service.series.observe("middleware_latency_seconds", 'middleware_name="feature_check"', perf_counter() - checked)
    if refusal is not None:
        raise refusal
