"""Who keeps requests waiting for a lock: the tree of sessions behind each root, and the queue behind a change of a table."""

from collections.abc import Iterator, Sequence

from capliquify_ops.diagnostics.slow_responses_now import Slowness
from capliquify_ops.diagnostics.wording import age, end_blocker, sessions, statement, whose
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.activity import Activity, Backend, Blocking, blocking_roots

_LINES = 8
_EXCLUSIVE = "AccessExclusiveLock"
_PREPARED = 0
"""Process id of what blocks and is no session: a transaction that was prepared and not ended."""


def lock_causes(found: Slowness, tenants: frozenset[str] = frozenset()) -> tuple[Cause, ...]:
    """Return a cause for each session at the root of those that have waited for long, most of them first.

    Of the schemas that they lock those of `tenants` are told, all of them where no tenant is known.
    """
    long_ = {each.pid for each in found.waiting}
    roots = [each for each in blocking_roots(found.activity.backends) if any(victim.pid in long_ for victim in each.victims)]
    return (*(_cause(found.activity, each, tenants) for each in roots), *_behind_prepared(found, tenants))


def _cause(activity: Activity, found: Blocking, tenants: frozenset[str]) -> Cause:
    root, victims = found.root, found.victims
    change = _change_of_table(activity, victims)
    waited = max(activity.waits_s(each) for each in victims)
    why = f"{sessions(len(victims))} must wait for a lock behind pid {root.pid} of {whose(root)}, {_state(root)}"
    if change:
        behind = len(_behind(change, victims))
        why += f"; {behind} of them wait behind a change of a table (pid {change.pid}) that waits itself"
    return Cause(
        "change of a table in the queue" if change else "blocked by a lock",
        f"{why}.",
        tuple(_tree(activity, root, victims))[:_LINES],
        f"capliquify-ops remedy plan cancel-statement --pid {change.pid}; then the root: {end_blocker(root)}"
        if change
        else end_blocker(root),
        tenants=_tenants(activity, [root, *victims], tenants),
        since_s=waited,
        level=Level.L2,
    )


def _state(backend: Backend) -> str:
    return f"{backend.state or 'not visible'} for {age(backend.state_s)}"


def _change_of_table(activity: Activity, victims: Sequence[Backend]) -> Backend | None:
    """Return who waits to have a table alone while others wait behind: those would not need to wait for the root."""
    wanting = {each.pid for each in activity.locked if not each.granted and each.mode == _EXCLUSIVE}
    queues = [each for each in victims if each.pid in wanting and _behind(each, victims)]
    return max(queues, key=lambda each: (len(_behind(each, victims)), -each.pid), default=None)


def _behind(backend: Backend, victims: Sequence[Backend]) -> list[Backend]:
    return [each for each in victims if backend.pid in each.blocked_by]


def _tree(activity: Activity, root: Backend, victims: Sequence[Backend]) -> Iterator[str]:
    """Yield the root with what it holds, then who waits for whom, each once, below one of those that it waits for."""
    yield f"pid {root.pid}, {_state(root)}: {statement(activity, root)}"
    wanted = {(each.schema, each.relation) for each in activity.locked if not each.granted}
    for held in activity.locked:
        if held.pid == root.pid and held.granted and (held.schema, held.relation) in wanted:
            yield f"  holds {held.mode} on {held.schema}.{held.relation}"
    depths = {root.pid: 0}
    open_ = [root]
    while open_:
        above = open_.pop()
        if above is not root:
            yield _waiter(activity, above, depths[above.pid])
        for each in reversed(_behind(above, victims)):
            if each.pid not in depths:
                depths[each.pid] = depths[above.pid] + 1
                open_.append(each)


def _waiter(activity: Activity, backend: Backend, depth: int) -> str:
    wants = next(
        (f" for {e.mode} on {e.schema}.{e.relation}" for e in activity.locked if e.pid == backend.pid and not e.granted), ""
    )
    waited = age(activity.waits_s(backend))
    return f"{'  ' * depth}pid {backend.pid} waits {waited}{wants}: {statement(activity, backend)}"


def _behind_prepared(found: Slowness, tenants: frozenset[str]) -> Iterator[Cause]:
    waiting = [each for each in found.waiting if _PREPARED in each.blocked_by]
    if waiting:
        yield Cause(
            "blocked by a prepared transaction",
            f"{sessions(len(waiting))} must wait for a transaction that was prepared and neither committed nor rolled back.",
            tuple(_waiter(found.activity, each, 0) for each in waiting[:_LINES]),
            "SELECT gid, prepared, owner, database FROM pg_catalog.pg_prepared_xacts ORDER BY prepared",
            tenants=_tenants(found.activity, waiting, tenants),
            since_s=max(found.activity.waits_s(each) for each in waiting),
            level=Level.L2,
        )


def _tenants(activity: Activity, backends: Sequence[Backend], tenants: frozenset[str]) -> tuple[str, ...]:
    locked = {schema for each in backends for schema in activity.schemas(each.pid)}
    return tuple(sorted(locked & tenants or locked))
