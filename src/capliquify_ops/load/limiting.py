"""Which limit a load met first: the generator, the machine, the pool, locks, one statement, or none."""

from collections import Counter
from collections.abc import Callable, Sequence

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.fairness import worst_tenant
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.shortage import short_stretches
from capliquify_ops.load.watched import Look, ServiceLook, Watched
from capliquify_ops.model.finding import Scalar

OFTEN = 0.1
"""A state of this share of the looks is no accident of one second."""
_OF_A_CORE = 0.9
_OF_THE_TIME = 0.5
NOTHING = "none: every limit held"
_UNKNOWN = "nothing that was watched"


def limited_by(run: LoadRun, limits: Limits, trouble: str) -> str:
    """Return what a run that missed a limit met first, in the order in which one explains the next.

    `trouble` is the generator's own.
    """
    if trouble:
        return f"the generator: {trouble}"
    watched = run.watched or Watched()
    questions: Sequence[Callable[[], str]] = (
        lambda: _machine(run, limits),
        lambda: _locks(watched.looks),
        lambda: _pool(watched.service),
        lambda: _statement(watched),
        lambda: _waits(watched.looks),
        lambda: _service_cpu(watched.service),
    )
    return next((found for ask in questions if (found := ask())), _UNKNOWN)


def seen(run: LoadRun) -> dict[str, Scalar]:
    """Return the figures of the tenant served worst and of what was watched, the unit in the key."""
    watched = run.watched or Watched()
    found = worst_tenant(run)
    if watched.looks:
        found["database_active_max"] = max(each.active for each in watched.looks)
        found["database_blocked_max"] = max(each.blocked for each in watched.looks)
    for name in ("pool_active", "pool_waiting", "memory_bytes"):
        values = [value for each in watched.service if (value := getattr(each, name)) is not None]
        if values:
            found[f"service_{name}_max" if name == "memory_bytes" else f"{name}_max"] = max(values)
    if (cores := _cores(watched.service)) is not None:
        found["service_cpu_cores"] = round(cores, 3)
    return found


def _machine(run: LoadRun, limits: Limits) -> str:
    short = short_stretches(run, limits)
    seconds = sum(each.end_s - each.begin_s for each in short)
    return f"the machine's processors, without time to spare for {seconds:.0f} s" if seconds > OFTEN * run.seconds else ""


def _locks(looks: Sequence[Look]) -> str:
    often = sum(each.blocked > 0 for each in looks)
    return f"locks: sessions waited for others' in {often} of {len(looks)} looks" if looks and often > OFTEN * len(looks) else ""


def _pool(looks: Sequence[ServiceLook]) -> str:
    waited = [each for each in looks if each.pool_waiting]
    if not looks or len(waited) <= OFTEN * len(looks):
        return ""
    most = max(each.pool_waiting or 0 for each in waited)
    return (
        f"the service's connection pool: up to {most:g} requests waited for a connection, in {len(waited)} of {len(looks)} looks"
    )


def _statement(watched: Watched) -> str:
    """Return the statement that a session was busy with for more than half of the time, on average."""
    if not watched.statements or not watched.seconds:
        return ""
    worst = max(watched.statements, key=lambda each: each.total_ms)
    share = worst.total_ms / 1000 / watched.seconds
    return f"a statement, at work in {share:.1f} sessions at once: {worst.text[:200]}" if share > _OF_THE_TIME else ""


def _waits(looks: Sequence[Look]) -> str:
    counted: Counter[str] = Counter()
    for each in looks:
        counted.update({name: many for name, many in each.waits if not name.startswith(("Client", "Lock"))})
    if not counted:
        return ""
    name, many = counted.most_common(1)[0]
    return f"the database's {name}: {many / len(looks):.1f} sessions waited for it at once" if many > len(looks) else ""


def _service_cpu(looks: Sequence[ServiceLook]) -> str:
    cores = _cores(looks)
    return f"the service's processor time: {cores:.2f} cores" if cores is not None and cores > _OF_A_CORE else ""


def _cores(looks: Sequence[ServiceLook]) -> float | None:
    told = [(each.at_s, each.cpu_s) for each in looks if each.cpu_s is not None]
    if len(told) < 2 or told[-1][0] <= told[0][0]:  # noqa: PLR2004  # two looks make a difference
        return None
    return max(0.0, told[-1][1] - told[0][1]) / (told[-1][0] - told[0][0])
