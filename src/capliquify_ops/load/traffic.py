"""Throwaway tenants with users, rows and tokens, made before a load's clock starts and removed after it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

from capliquify_ops.configuration.profile import Profile
from capliquify_ops.configuration.profile_routes import Route
from capliquify_ops.configuration.system import new_uuid
from capliquify_ops.configuration.target import Target
from capliquify_ops.database import Session, operator
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.bodies import can_be_written, template
from capliquify_ops.load.operations import Kind, Operation, mixed_order, reads
from capliquify_ops.load.plan import Caller, Plan
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.protocols import Enrolling, TokenRequest, TokenSource
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.create import NewTenant, create, provision_of
from capliquify_ops.tenants.discard import discard, made_by_run
from capliquify_ops.tenants.registry import Tenant

ACTOR = "load"
FEW, MANY, USERS = 10, 100, 10
"""The load scenarios: 100 users over 10 tenants, and over 100."""
ROWS = 3
"""Rows of each tenant at the start: enough to tell an own answer from an empty or a foreign one."""
READS, WRITES, ANALYTICS = 0.7, 0.2, 0.1
"""The mixed workload's shares."""
CREATED = 201
_TIERS = ("starter", "professional", "enterprise")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who may send what: `crowd` are the users of few tenants, one of each in turn, `spread` one user of each of many."""

    base_url: str
    crowd: tuple[Caller, ...]
    spread: tuple[Caller, ...]
    reading: tuple[Operation, ...]
    writing: tuple[Operation, ...]
    analysing: tuple[Operation, ...]

    def api_plan(self, rate: float, seconds: float) -> Plan:
        """Return the API load: lists, read by 100 users over 10 tenants."""
        return Plan(self.base_url, rate, seconds, self.crowd, self.reading)

    def mixed_plan(self, rate: float, seconds: float) -> Plan:
        """Return the mixed workload. Raises ConfigurationInvalid where the profile has no route to write to, or no report."""
        if not self.writing or not self.analysing:
            lacking = "collection whose rows can be made from nothing" if not self.writing else "report that every tier may read"
            raise ConfigurationInvalid(f"The profile names no {lacking}, so there is no mixed workload.")
        parts = ((self.reading, READS), (self.writing, WRITES), (self.analysing, ANALYTICS))
        operations = tuple(each for part, _ in parts for each in part)
        shares = [share / len(part) for part, share in parts for _ in part]
        return Plan(self.base_url, rate, seconds, self.spread, operations, mixed_order(dict(enumerate(shares))))


@contextmanager
def make_traffic(target: Target, tokens: TokenSource, run: str, *, tenants: int = MANY) -> Iterator[Traffic]:
    """Make tenants, their users, first rows and tokens for the run of this id; remove them at the end, also after a failure.

    The first ten tenants have ten users each. Raises IntegrationFailed, ConfigurationInvalid and what creating a tenant raises.
    """
    rows = readable(target.profile)
    with operator(target.changing_url(), "load tenants", pooled=target.pooled) as session:
        try:
            callers = _callers(session, target, tokens, run, tenants)
            _fill(target, callers, rows)
            yield _traffic(target, callers, rows)
        finally:
            remove(session, target, run)
            tokens.forget(run)


def _callers(session: Session, target: Target, tokens: TokenSource, run: str, tenants: int) -> list[list[Caller]]:
    """Return the callers of each tenant."""
    wanted = [_requests(run, number) for number in range(tenants)]
    flat = [each for requests in wanted for each in requests]
    known = tokens.enrol(run, flat) if isinstance(tokens, Enrolling) else flat
    organizations = {was.organization_id: now.organization_id for was, now in zip(flat, known, strict=True)}
    made = []
    for number, requests in enumerate(wanted):
        made.append(_create(session, target, run, number, organizations[requests[0].organization_id]))
    found = iter(zip(known, tokens.tokens([replace(each, ensure=True) for each in known]), strict=True))
    return [
        [caller_of(target.profile, _names(tenant), tenant.subscription_tier, *next(found)) for _ in requests]
        for tenant, requests in zip(made, wanted, strict=True)
    ]


def _requests(run: str, number: int) -> list[TokenRequest]:
    users = USERS if number < FEW else 1
    return [
        _request(f"user_{run}_{number}_{user}", f"org_{run}_{number}", "member" if user else "owner") for user in range(users)
    ]


def _request(user: str, organization: str, role: str) -> TokenRequest:
    return TokenRequest(user, f"{user}@example.com", organization, role)


def _create(session: Session, target: Target, run: str, number: int, organization: str) -> Tenant:
    new = NewTenant(
        id=TenantId(new_uuid()),
        slug=f"load-{run}-{number}",
        name=f"Load {run} {number}",
        organization=organization,
        tier=_TIERS[number % len(_TIERS)] if number >= FEW else "professional",
        status="active",
        provision=provision_of(target.profile.provision),
    )
    return create(session, target.roles, new, actor=ACTOR, run=run)


def caller_of(profile: Profile, named: Mapping[str, object], tier: str, request: TokenRequest, token: str | None) -> Caller:
    """Return who sends as a user; `named` is what the profile's templates call the tenant by. Raises IntegrationFailed."""
    if token is None:
        raise IntegrationFailed("The identity provider made no token for a load user.", hint="Check [identity].")
    headers = {profile.organization_header: request.organization_id} if profile.organization_header else {}
    if profile.tenant_host:
        headers["Host"] = profile.tenant_host.format(**named)
    prefix = profile.tenant_path.format(**{name: quote(str(text), safe="") for name, text in named.items()})
    return Caller(Secret(token), headers, f"{named['slug']}q", tier, prefix, request.organization_id)


def _names(tenant: Tenant) -> dict[str, object]:
    return {"slug": tenant.slug, "organization": tenant.clerk_organization_id, "id": tenant.id, "schema": tenant.schema_name}


def _fill(target: Target, callers: Sequence[Sequence[Caller]], route: Route) -> None:
    """Make the first rows of each tenant, as its owner; and let each user in once, so that no first login is measured."""
    row, look = Operation("POST", route.path, Kind.WRITE, template(route)), Operation("GET", route.path)
    with Client(target.base_url) as client:
        for owner, *others in callers:
            for number in range(ROWS):
                _send(client, owner, row, number - ROWS)
            for other in others:
                _send(client, other, look, 0)


def _send(client: Client, caller: Caller, operation: Operation, number: int) -> None:
    headers = {**caller.headers, "Authorization": f"Bearer {caller.token.reveal()}", "Content-Type": "application/json"}
    body = operation.body_of(caller.marker, number).encode() or None
    answer = client.request(operation.method, caller.prefix + operation.path, headers=headers, content=body)
    if answer.status not in {200, CREATED}:
        raise IntegrationFailed(f"{operation.name} answered {answer.status}, so the load has no rows to read.")


def _traffic(target: Target, callers: Sequence[Sequence[Caller]], rows: Route) -> Traffic:
    reports = [route for route in target.profile.routes.values() if route.surface == "report" and not route.feature]
    return Traffic(
        target.base_url,
        tuple(each for of_tenants in zip(*callers[:FEW], strict=True) for each in of_tenants),
        tuple(of_tenant[0] for of_tenant in callers),
        reads(rows.path),
        (Operation("POST", rows.path, Kind.WRITE, template(rows)),),
        tuple(Operation("GET", route.path, Kind.ANALYTICS, holds_rows=False) for route in reports if "GET" in route.methods),
    )


def readable(profile: Profile) -> Route:
    """Return the collection that a load reads and writes. Raises ConfigurationInvalid where rows of none can be made."""
    for route in profile.routes.values():
        is_list = route.kind == "tenant" and route.surface == "collection" and "GET" in route.methods and not route.feature
        if is_list and can_be_written(route):
            return route
    raise ConfigurationInvalid("The profile names no collection whose rows can be made, so a load has nothing to read.")


def remove(session: Session, target: Target, run: str) -> None:
    """Remove the tenants that a run made."""
    with session.transaction():
        made = made_by_run(session, run)
    for tenant in made:
        discard(session, target.roles, str(tenant.id), run=run, actor=ACTOR)
