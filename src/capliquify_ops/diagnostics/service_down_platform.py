"""What the platform tells of a service that is down: suspended, in a deploy, out of memory, restarted, with too few instances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.diagnostics.wording import age
from capliquify_ops.integrations.render_records import Event, Failure, ServiceStatus
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Level

OUT_OF_MEMORY, SUSPENDED, DEPLOYING = "out of memory", "suspended", "deploy in progress"
EXPLAINS_ALL = frozenset({SUSPENDED, DEPLOYING})
"""What makes a service answer nothing without anything being wrong with the service itself."""
_LINES = 5


@dataclass(frozen=True, slots=True)
class Platform:
    """What the platform said, when, and for how many seconds a deploy may take."""

    status: ServiceStatus
    now: datetime
    patience_s: float

    def since_s(self, moment: datetime) -> float:
        """Return how many seconds ago something was."""
        return max(0.0, (self.now - moment).total_seconds())


def platform_causes(platform: Platform, *, is_away: bool, again: str) -> tuple[Cause, ...]:
    """Return the causes that the platform knows; of a service that is up, only what failed in the last hour, or is missing."""
    found = [
        _suspended(platform, again),
        _deploying(platform, again) if is_away else None,
        _out_of_memory(platform, is_away=is_away),
        _restarts(platform, is_away=is_away, again=again),
        _few_instances(platform, is_away=is_away, again=again),
    ]
    return tuple(cause for cause in found if cause)


def out_of_memory_events(status: ServiceStatus) -> tuple[Event, ...]:
    """Return the failures of instances that used more than the memory limit, the newest first."""
    return tuple(each for each in status.failures.items if each.failure and each.failure.is_out_of_memory)


def out_of_memory_lines(platform: Platform, events: Sequence[Event]) -> tuple[str, ...]:
    """Say of each which instance it was, when, and by which limit."""
    return tuple(_line(platform, each) for each in events[:_LINES])


def _suspended(platform: Platform, again: str) -> Cause | None:
    service = platform.status.service
    if not service.is_suspended:
        return None
    whom = " and ".join(service.suspenders) or "somebody whom the platform does not name"
    why = f"The platform has suspended {service.name}, by order of {whom}: nothing of it runs."
    command = f"Find out why at {whom}; then resume it in the platform's dashboard. {again}"
    return Cause(SUSPENDED, why, (f"suspended by {whom}",), command, level=Level.L2)


def _deploying(platform: Platform, again: str) -> Cause | None:
    deploy = platform.status.latest_deploy
    if deploy is None or deploy.has_ended:
        return None
    since_s = platform.since_s(deploy.started_at or deploy.created_at)
    lines = (f"{deploy.id} is {deploy.status} since {age(since_s)}",)
    if since_s < platform.patience_s:
        left = platform.patience_s - since_s
        why = f"A deploy is in progress since {age(since_s)}: while it takes the place of what ran, the service may not answer."
        return Cause(DEPLOYING, why, lines, f"Wait {left:.0f} s more. {again}", since_s=since_s, level=Level.L1)
    why = f"A deploy is in progress since {age(since_s)}, longer than the {age(platform.patience_s)} that one takes: it hangs."
    command = f"capliquify-ops diagnose failed-deployment; then: capliquify-ops remedy plan roll-back-deploy. {again}"
    return Cause("deploy hangs", why, lines, command, since_s=since_s, level=Level.L2)


def _out_of_memory(platform: Platform, *, is_away: bool) -> Cause | None:
    events = out_of_memory_events(platform.status)
    if not events:
        return None
    limit = next((each.failure.memory_limit for each in events if each.failure), None)
    often = "once" if len(events) == 1 else f"{len(events)} times"
    why = f"The platform ended the service {often} in the last hour because it used more than its {limit} of memory."
    command = "capliquify-ops diagnose memory --watch 60; more memory until it is mended: the service's plan in the dashboard"
    since_s = platform.since_s(events[-1].at)
    lines = out_of_memory_lines(platform, events)
    return Cause(OUT_OF_MEMORY, why, lines, command, since_s=since_s, level=Level.L2 if is_away else Level.L1)


def _restarts(platform: Platform, *, is_away: bool, again: str) -> Cause | None:
    gone = [each for each in platform.status.failures.items if not (each.failure and each.failure.is_out_of_memory)]
    if not gone:
        return None
    often = "once" if len(gone) == 1 else f"{len(gone)} times"
    why = f"Instances of the service failed {often} in the last hour, the last time {age(platform.since_s(gone[0].at))} ago."
    lines = tuple(_line(platform, each) for each in gone[:_LINES])
    command = f"Read its last log lines before that. {again}"
    since_s = platform.since_s(gone[-1].at)
    return Cause("restarts", why, lines, command, since_s=since_s, level=Level.L2 if is_away else Level.L1)


def _few_instances(platform: Platform, *, is_away: bool, again: str) -> Cause | None:
    """Compare who runs with who should; in the middle of a deploy, and in a suspended service, fewer are normal."""
    status = platform.status
    wanted, many = status.service.wanted_instances, len(status.instances)
    in_deploy = status.latest_deploy is not None and not status.latest_deploy.has_ended
    if wanted is None or many >= wanted or in_deploy or status.service.is_suspended:
        return None
    why = f"Only {many} of the {wanted} instances that the service should have are running."
    lines = tuple(f"{each.id} since {age(platform.since_s(each.created_at))}" for each in status.instances[:_LINES])
    command = f"capliquify-ops remedy plan restart-service. {again}"
    return Cause(
        "too few instances", why, lines or ("no instance",), command, level=Level.L2 if is_away or not many else Level.L1
    )


def _line(platform: Platform, event: Event) -> str:
    who = event.instance_id or "an instance"
    return f"{event.at:%H:%M:%S} UTC, {age(platform.since_s(event.at))} ago: {who} {how(event.failure)}"


def how(failure: Failure | None) -> str:
    """Say in which way a server or a deploy failed."""
    if failure is None:
        return "failed, the platform does not say why"
    ways = {
        f"used more than its limit of {failure.memory_limit} of memory": failure.is_out_of_memory,
        "ended by itself, too early": failure.is_early_exit,
        f"ended with exit code {failure.exit_code}": failure.exit_code is not None,
        "failed its health check": failure.unhealthy is not None,
        f"was not ready within {failure.timed_out_s} s": failure.timed_out_s is not None,
        "was moved away by the platform": failure.is_evicted,
    }
    return ", ".join(way for way, is_so in ways.items() if is_so) or "failed, the platform does not say why"
