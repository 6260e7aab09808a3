"""Creates tenants on a schedule, through the service where it can, else with `tenant create`, and reads them back."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from string import Formatter

from capliquify_ops.configuration.profile import Profile
from capliquify_ops.configuration.system import SystemClock, new_uuid, stamp
from capliquify_ops.configuration.target import Target
from capliquify_ops.database import operator
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.bodies import tenant_body
from capliquify_ops.load.plan import Caller, arrivals
from capliquify_ops.load.read_back import ReadBack, read_back
from capliquify_ops.load.storm_rows import Creation, Storm
from capliquify_ops.load.traffic import ACTOR, caller_of, readable, remove
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError, UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.protocols import Clock, Enrolling, TokenRequest, TokenSource, TokenVariant
from capliquify_ops.tenants.create import FirstUser, NewTenant, create, provision_of
from capliquify_ops.tenants.discard import made_by_run

USERS = 10
"""The scenario: ten users create tenants."""
TIER = "professional"
NAMES = frozenset({"slug", "organization"})
"""What a tenant can be named by before it is there."""
_SUCCESS = frozenset({200, 201})
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """A tenant to be made: its slug, and its first owner."""

    slug: str
    request: TokenRequest
    caller: Caller


_Make = Callable[[_Newcomer], str]
"""Makes a tenant and returns why it could not, "" when it is made."""


def run_storm(
    target: Target,
    tokens: TokenSource,
    run: str,
    *,
    rate_per_min: float,
    seconds: float,
    users: int = USERS,
    clock: Clock = _CLOCK,
) -> Storm:
    """Create tenants for so many seconds, read each back as its owner, and remove them all, also after a failure.

    Tokens are had in one batch before the clock starts, and before the removal the registry is asked how many tenants there
    are. Raises TargetForbids on production, UsageError, ConfigurationInvalid where the profile names tenants by what a new one
    lacks, and what tokens or the operator's session raise; what goes wrong with one creation stands in its row.
    """
    target.require_harmless("A tenant creation storm")
    if not (0 < rate_per_min < math.inf and 0 < seconds < math.inf and users > 0):
        message = f"A storm of {rate_per_min:g} tenants a minute for {seconds:g} s by {users} users cannot blow."
        raise UsageError(message, hint="Give amounts above 0.")
    _require_names(target.profile)
    planned = arrivals(rate_per_min / 60, seconds)
    try:
        newcomers, admin = _newcomers(target, tokens, run, planned)
        with Client(target.base_url, connections=2 * users) as client:
            how, make = _through_service(target, client, admin) or _through_library(target, run)
            started_at, began = stamp(clock.now()), clock.monotonic()
            rows = _Gale(client, make, readable(target.profile).path, clock).blow(newcomers, rate_per_min / 60, users)
        elapsed_s = round(clock.monotonic() - began, 3)
        registered = _registered(target, run)
    finally:
        _remove(target, tokens, run)
    return Storm(target.base_url, how, rate_per_min, seconds, planned, users, started_at, elapsed_s, registered, rows)


def _require_names(profile: Profile) -> None:
    templates = profile.tenant_host + profile.tenant_path
    if others := sorted({name for _, name, _, _ in Formatter().parse(templates) if name} - NAMES):
        message = f"The profile addresses tenants by their {' and '.join(others)}, which a tenant that is yet to be made lacks."
        raise ConfigurationInvalid(
            message, hint="For a storm http.tenant_host and http.tenant_path may hold {slug} or {organization}."
        )


def _registered(target: Target, run: str) -> int:
    with operator(target.changing_url(), "storm tenants", pooled=target.pooled) as session, session.transaction():
        return len(made_by_run(session, run))


def _remove(target: Target, tokens: TokenSource, run: str) -> None:
    """Remove tenants and users; users also where the database refuses."""
    try:
        with operator(target.changing_url(), "storm tenants", pooled=target.pooled) as session:
            remove(session, target, run)
    finally:
        tokens.forget(run)


def _newcomers(target: Target, tokens: TokenSource, run: str, many: int) -> tuple[list[_Newcomer], str | None]:
    """Return the tenants to make, and a platform administrator's token where there is one."""
    names = [f"{run}-{number}" for number in range(many)]
    wanted = [TokenRequest(f"user_{name}", f"{name}@example.com", f"org_{name}", "owner") for name in names]
    known = tokens.enrol(run, wanted) if isinstance(tokens, Enrolling) else wanted
    admin = [replace(known[0], variant=TokenVariant.PLATFORM_ADMIN)] if known else []
    found = tokens.tokens([*(replace(each, ensure=True) for each in known), *admin])
    made = [_newcomer(target.profile, f"audit-{name}", who, token) for name, who, token in zip(names, known, found, strict=False)]
    return made, found[-1] if found else None


def _newcomer(profile: Profile, slug: str, request: TokenRequest, token: str | None) -> _Newcomer:
    return _Newcomer(
        slug, request, caller_of(profile, {"slug": slug, "organization": request.organization_id}, TIER, request, token)
    )


def _through_service(target: Target, client: Client, admin: str | None) -> tuple[str, _Make] | None:
    routes = [route for route in target.profile.routes.values() if route.surface == "tenants" and "POST" in route.methods]
    if not routes or admin is None:
        return None
    route, headers = routes[0], {"Authorization": f"Bearer {admin}"}

    def make(new: _Newcomer) -> str:
        answer = client.request("POST", route.path, json=tenant_body(route, new.slug, new.request), headers=headers)
        return "" if answer.status in _SUCCESS else f"POST {route.path} answered {answer.status}"

    return f"POST {route.path}", make


def _through_library(target: Target, run: str) -> tuple[str, _Make]:
    def make(new: _Newcomer) -> str:
        owner = FirstUser(new.request.user_id, new.request.email)
        wanted = NewTenant(
            TenantId(new_uuid()), new.slug, new.slug, new.request.organization_id, TIER, "active", owner=owner,
            provision=provision_of(target.profile.provision),
        )  # fmt: skip
        with operator(target.changing_url(), "storm tenants", pooled=target.pooled) as session:
            create(session, target.roles, wanted, actor=ACTOR, run=run)
        return ""

    return "capliquify-ops tenant create", make


@dataclass(frozen=True, slots=True)
class _Gale:
    """Creates and reads back, each creation when it is due, whatever became of earlier ones."""

    client: Client
    make: _Make
    path: str
    clock: Clock

    def blow(self, newcomers: list[_Newcomer], rate: float, users: int) -> tuple[Creation, ...]:
        """Return a row for each newcomer, in their order."""
        start = self.clock.monotonic()
        with ThreadPoolExecutor(users) as pool:
            waiting = [pool.submit(self._one, number, new, start + number / rate, start) for number, new in enumerate(newcomers)]
            return tuple(each.result() for each in waiting)

    def _one(self, number: int, new: _Newcomer, due: float, start: float) -> Creation:
        free = self.clock.monotonic()
        threading.Event().wait(max(0.0, due - free))
        slip = self.clock.monotonic() - max(due, free)
        failure = self._made(new)
        ended = self.clock.monotonic()
        seen = ReadBack(None, failure) if failure else self._read_back(new)
        return Creation(
            number,
            due_s=round(due - start, 4),
            slip_ms=round(slip * 1000, 3),
            latency_ms=round((ended - due) * 1000, 3),
            read_back_ms=seen.ms,
            failure=seen.failure,
            made=not failure,
            wrong=seen.wrong,
        )

    def _made(self, new: _Newcomer) -> str:
        try:
            return self.make(new)
        except OpsError as error:
            return str(error)

    def _read_back(self, new: _Newcomer) -> ReadBack:
        headers = {**new.caller.headers, "Authorization": f"Bearer {new.caller.token.reveal()}"}
        return read_back(self.client, new.caller.prefix + self.path, headers, new.slug, self.clock)
