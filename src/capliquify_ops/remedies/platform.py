"""Restart the service through Render, and watch it recover."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from capliquify_ops.configuration import Target
from capliquify_ops.diagnostics.outside import integration_of, render_of
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.integrations.caller import Caller, Patience
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_records import RenderService
from capliquify_ops.model.errors import IntegrationFailed, OpsError, ServiceBroken, UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.observation.health import read_health
from capliquify_ops.remedies.acting import WITHIN_S, Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified

HEALTHY = 3
"""So many answers in a row must be well: a service has several processes."""
POLL_S = 2.0
TIMEOUT_S = 4.0
NEEDS = "integrations.render"
_CRON = "cron_job"


@contextmanager
def rendering(context: Context) -> Iterator[tuple[Render, str]]:
    """Give Render and the id of the target's service there. Raises ConfigurationInvalid where the target has none."""
    found = integration_of(context.target, "render")
    with Caller(render_of(found), Patience(context.clock, context.dice, sleep=context.sleep)) as caller:
        yield Render(caller), found.options["service"]


def what_may_be(fault: IntegrationFailed, what: str) -> str:
    """Say whether something may have been done although it was answered with a fault."""
    return (
        f"{what} all the same: look at Render's dashboard." if isinstance(fault, ServiceBroken) else "Nothing was changed by it."
    )


class _Before(NamedTuple):
    """Who ran before, and as what service."""

    service: RenderService
    instances: frozenset[str]


def _restart(context: Context, options: Options) -> Prepared:
    with rendering(context) as (render, service_id):
        service = render.service(service_id)
        if service.kind == _CRON:
            raise UsageError(f"Nothing was restarted: {service.name} is a cron job, which runs at its next time anyhow.")
        if service.is_suspended:
            who = ", ".join(service.suspenders) or "somebody"
            raise UsageError(
                f"Nothing was restarted: {service.name} is suspended by {who}.", hint="Resume it in Render's dashboard."
            )
        before = _Before(service, frozenset(each.id for each in render.instances(service_id)))
    within_s = options.within_s or WITHIN_S
    steps = (
        Step(f"replace all instances of {service.name} by new ones of the same deploy", f"POST /services/{service_id}/restart"),
        Step(f"watch it recover for at most {within_s:g} s", _watched(context.target)),
    )
    warnings = ("requests that it answers just now are cut off where it does not end them itself",)
    plan = Plan(
        "remedy restart-service",
        service.name,
        steps,
        MappingProxyType({"instances": len(before.instances), "within_s": within_s}),
        warnings,
    )
    return Prepared(plan, lambda: _restarted(context, before), lambda _: recovered(context, before.instances, within_s))


def _restarted(context: Context, before: _Before) -> Acted:
    """Restart, unless somebody else has done it since the plan was made."""
    with rendering(context) as (render, service_id):
        now = frozenset(each.id for each in render.instances(service_id))
        if before.instances and now and not now & before.instances:
            return Acted(left=("its instances are others already: somebody else has restarted it meanwhile",), is_done=False)
        try:
            render.restart(service_id)
        except IntegrationFailed as fault:
            raise PartlyDone(fault, {}, may=what_may_be(fault, "It may have been restarted")) from None
    return Acted({"restarted": before.service.name, "instances_before": list[Plain](sorted(before.instances))})


def recovered(context: Context, before: frozenset[str], within_s: float) -> Verified:
    """Watch until the instances of before are gone, or the service was seen down, and then answers well several times in a row.

    What cannot be asked at one moment is asked again at the next. Without a base_url the instances alone are watched.
    """
    watch = _Watch(context, before)
    end = context.clock.monotonic() + within_s
    while True:
        watch.look()
        if watch.has_recovered:
            return Verified(True, watch.says())
        if context.clock.monotonic() + POLL_S > end:
            return Verified(None if watch.is_blind else False, f"after {within_s:g} s: {watch.says()}")
        context.sleep(POLL_S)


class _Watch:
    """What was seen since: new instances, a service that was down, and how often in a row it was well since then."""

    def __init__(self, context: Context, before: frozenset[str]) -> None:
        self._context, self._before = context, before
        self._are_new, self._was_down, self._well = False, False, 0
        self._service, self._platform = "not asked", "not asked"

    def look(self) -> None:
        """Look once at the instances and the health address."""
        self._look_at_instances()
        self._look_at_health()

    @property
    def has_recovered(self) -> bool:
        """Whether what runs is new and well."""
        if not self._context.target.base_url:
            return self._are_new
        return (self._are_new or self._was_down) and self._well >= HEALTHY

    @property
    def is_blind(self) -> bool:
        """Whether nothing says that it is not well, only that it was not seen to be replaced."""
        return bool(self._context.target.base_url) and self._well >= HEALTHY

    def says(self) -> str:
        """Return what was seen last, in one line."""
        return f"Render: {self._platform}; health: {self._service}"

    def _look_at_instances(self) -> None:
        try:
            with rendering(self._context) as (render, service_id):
                now = frozenset(each.id for each in render.instances(service_id))
        except OpsError as fault:
            self._platform = fault.what
            return
        if not self._are_new and now and not now & self._before:
            self._are_new, self._well = True, 0
        self._platform = f"{len(now)} instances, {len(now & self._before)} of them from before"

    def _look_at_health(self) -> None:
        target = self._context.target
        if not target.base_url:
            self._service = f"not asked, the target has no base_url: {target.how_to_set('base_url')}"
            return
        route = target.profile.routes.get("health")
        try:
            found = read_health(
                target.base_url, route.path if route else "/", has_document=route is not None, timeout_s=TIMEOUT_S
            )
        except OpsError as fault:
            self._service, is_well = fault.what, False
        else:
            self._service, is_well = f"answered {found.status}", found.is_well
        self._was_down = self._was_down or not is_well
        self._well = self._well + 1 if is_well else 0
        if self._well:
            self._service += f", well {self._well} times in a row"


def _watched(target: Target) -> str:
    route = target.profile.routes.get("health")
    return f"GET {target.base_url}{route.path if route else '/'}" if target.base_url else "GET /services/.../instances"


RESTART_SERVICE = Remedy(
    "restart-service",
    "restart the service, and watch it recover",
    ("service-down", "memory"),
    NEEDS,
    _restart,
    frozenset({"within_s"}),
)
