"""Throwaway tenants with users, rows and tokens, made before a load's clock starts and removed after it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

from capliquify_ops.configuration.profile import Profile
from capliquify_ops.configuration.profile_routes import Route
from capliquify_ops.configuration.system import SystemClock, new_uuid
from capliquify_ops.configuration.target import Target
from capliquify_ops.database import Session, operator
from capliquify_ops.load.bodies import can_be_written, template
from capliquify_ops.load.first_rows import fill
from capliquify_ops.load.lifetimes import Renewal
from capliquify_ops.load.operations import Kind, Operation, mixed_order, reads
from capliquify_ops.load.plan import MOST_CONNECTIONS, Caller, Plan
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.protocols import Enrolling, TokenRequest, TokenSource
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.create import NewTenant, create, provision_of
from capliquify_ops.tenants.discard import discard, made_by_run
from capliquify_ops.tenants.registry import Tenant

ACTOR = "load"
FEW, MANY, USERS = 10, 100, 10
"""The load scenarios: 100 users over 10 tenants, and over 100."""
READS, WRITES, ANALYTICS = 0.7, 0.2, 0.1
"""The mixed workload's shares."""
FEWEST_CONNECTIONS, IN_USE_S = 100, 0.2
"""As many connections as requests arrive within the limit of request_latency: with fewer a slow service would wait unseen."""
_TIERS = ("starter", "professional", "enterprise")
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who may send what: `crowd` are the users of few tenants, one of each in turn, `spread` one user of each of many.

    `rate_limit` is the service's own, in requests/s and tenant, 0 when unknown. Both plans raise ConfigurationInvalid when
    tokens cannot outlast them, and UsageError when the load comes near that limit; `generators` share the connections.
    """

    base_url: str
    crowd: tuple[Caller, ...]
    spread: tuple[Caller, ...]
    reading: tuple[Operation, ...]
    writing: tuple[Operation, ...]
    analysing: tuple[Operation, ...]
    rate_limit: int = 0
    renewal: Renewal | None = None

    def api_plan(self, rate: float, seconds: float, generators: int = 1) -> Plan:
        """Return the API load: lists, read by 100 users over 10 tenants."""
        return self._ready(Plan(self.base_url, rate, seconds, self.crowd, self.reading), generators)

    def mixed_plan(self, rate: float, seconds: float, generators: int = 1) -> Plan:
        """Return the mixed workload. Raises ConfigurationInvalid where the profile has no route to write to, or no report."""
        if not self.writing or not self.analysing:
            lacking = "collection whose rows can be made from nothing" if not self.writing else "report that every tier may read"
            raise ConfigurationInvalid(f"The profile names no {lacking}, so there is no mixed workload.")
        parts = ((self.reading, READS), (self.writing, WRITES), (self.analysing, ANALYTICS))
        operations = tuple(each for part, _ in parts for each in part)
        shares = [share / len(part) for part, share in parts for _ in part]
        order = mixed_order(dict(enumerate(shares)))
        return self._ready(Plan(self.base_url, rate, seconds, self.spread, operations, order), generators)

    def _ready(self, plan: Plan, generators: int) -> Plan:
        tenants = len({caller.marker for caller in plan.callers})
        if self.rate_limit and plan.rate / tenants * 2 > self.rate_limit:
            raise UsageError(
                f"{plan.rate:g} requests/s over {tenants} tenants are {plan.rate / tenants:g} for each, "
                f"more than half of the service's rate limit of {self.rate_limit}.",
                hint=f"Load with {self.rate_limit * tenants / 2:g} requests/s or fewer, or raise the limit of this environment.",
            )
        connections = min(MOST_CONNECTIONS * generators, max(FEWEST_CONNECTIONS, math.ceil(plan.rate * IN_USE_S)))
        plan = replace(plan, connections=connections)
        return self.renewal.lasting(plan) if self.renewal else plan


@contextmanager
def make_traffic(target: Target, tokens: TokenSource, run: str, *, tenants: int = MANY) -> Iterator[Traffic]:
    """Make tenants, their users, first rows and tokens for the run of this id; remove them at the end, also after a failure.

    The first ten tenants have ten users each. Raises IntegrationFailed, ConfigurationInvalid and what creating a tenant raises.
    """
    rows = readable(target.profile)
    with operator(target.changing_url(), "load tenants", pooled=target.pooled) as session:
        try:
            callers, known = _callers(session, target, tokens, run, tenants)
            fill(target.base_url, callers, rows)
            renewal = Renewal(tokens, known, [each for of_tenant in callers for each in of_tenant], _CLOCK)
            yield replace(_traffic(target, callers, rows), renewal=renewal)
        finally:
            remove(session, target, run)
            tokens.forget(run)


def _callers(
    session: Session, target: Target, tokens: TokenSource, run: str, tenants: int
) -> tuple[list[list[Caller]], list[TokenRequest]]:
    """Return the callers of each tenant, and of all of them in order the requests that their tokens were made for."""
    wanted = [_requests(run, number) for number in range(tenants)]
    flat = [each for requests in wanted for each in requests]
    known = tokens.enrol(run, flat) if isinstance(tokens, Enrolling) else flat
    organizations = {was.organization_id: now.organization_id for was, now in zip(flat, known, strict=True)}
    made = []
    for number, requests in enumerate(wanted):
        made.append(_create(session, target, run, number, organizations[requests[0].organization_id]))
    found = iter(zip(known, tokens.tokens([replace(each, ensure=True) for each in known]), strict=True))
    callers = [
        [caller_of(target.profile, _names(tenant), tenant.subscription_tier, *next(found)) for _ in requests]
        for tenant, requests in zip(made, wanted, strict=True)
    ]
    return callers, known


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


def _traffic(target: Target, callers: Sequence[Sequence[Caller]], rows: Route) -> Traffic:
    reports = [route for route in target.profile.routes.values() if route.surface == "report" and not route.feature]
    return Traffic(
        target.base_url,
        tuple(each for of_tenants in zip(*callers[:FEW], strict=True) for each in of_tenants),
        tuple(of_tenant[0] for of_tenant in callers),
        reads(rows.path),
        (Operation("POST", rows.path, Kind.WRITE, template(rows)),),
        tuple(Operation("GET", route.path, Kind.ANALYTICS, holds_rows=False) for route in reports if "GET" in route.methods),
        target.profile.rate_limit,
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
