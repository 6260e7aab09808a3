"""The settings of pools that follow from the connections that there are: each number with its reason; nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import load, operator
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.remedies.acting import Acted, Context, Options, Prepared, Remedy, Verified
from capliquify_ops.remedies.platform import rendering

DAILY, WARNING = 0.7, 0.8
"""Of the pool's connections: the daily target is below 70 %, a warning comes above 80 %."""
_SPARE = 3
"""Connections for people and for us at a bad moment: a diagnosis, a remedy, a psql."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Connections as the server has them. Limits of the database and the role are None where there is none.

    `others` are client sessions of other roles or databases just now, `own` those of the application's role here.
    """

    max_connections: int
    reserved: int
    database_limit: int | None
    role_limit: int | None
    others: int
    own: int
    is_whole: bool

    @property
    def usable(self) -> int:
        """What clients without special rights can have together."""
        return self.max_connections - self.reserved

    @property
    def application(self) -> int:
        """What the application may have at most: what the others leave, within its own limits; at least one."""
        bounds = [self.usable - self.others - _SPARE, self.database_limit, self.role_limit]
        return max(1, min(each for each in bounds if each is not None))


def advice(budget: Budget, processes: int | None) -> Iterator[Step]:
    """Yield the settings of PgBouncer, then those of the service's own pool, each with the reason for its number; pure."""
    have = budget.application
    pool = max(1, int(have * DAILY))
    reserve = max(0, int(have * WARNING) - pool)
    source = (
        f"max_connections {budget.max_connections} less {budget.reserved} reserved less {budget.others} in use by others"
        f" less {_SPARE} to spare" + _limits(budget)
    )
    yield _set("pgbouncer", "pool_mode = transaction", "a session for each client would need as many connections as clients")
    yield _set("pgbouncer", f"default_pool_size = {pool}", f"{DAILY:.0%} of the {have} that the application may have: {source}")
    yield _set("pgbouncer", f"reserve_pool_size = {reserve}", f"up to {WARNING:.0%}, where a warning would come")
    yield _set("pgbouncer", "reserve_pool_timeout = 3", "a short peak waits less than a request may take")
    yield _set(
        "pgbouncer", f"max_db_connections = {pool + reserve}", "all pools of the database together, were there a second role"
    )
    yield _set(
        "pgbouncer",
        "max_prepared_statements = 0",
        "the path changes with each tenant, and with it every plan: prepared statements cost memory and gain nothing."
        " In the service: prepare_threshold = None, or what your driver calls it",
    )
    yield _set("service", "SET LOCAL search_path in each transaction", "set outside of one, it stays for the next tenant")
    if processes is None:
        why = "without a pooler; divide it by the processes: --processes N"
        yield _set("service", f"pool size of all processes together = {pool}", why)
    else:
        each = max(1, pool // processes)
        yield _set("service", f"pool size of each process = {each}", f"without a pooler: {pool} over {processes} processes")
        if each * processes > have:
            why = f"{processes} of them need more than {have} connections"
            yield _set("service", f"run at most {have} processes without a pooler", why)


def _limits(budget: Budget) -> str:
    found = (("database", budget.database_limit), ("role", budget.role_limit))
    return "".join(f", at most {limit} by the {name}'s own limit" for name, limit in found if limit is not None)


def _set(where: str, setting: str, why: str) -> Step:
    return Step(f"{where}: {why}", setting)


def _told(context: Context, options: Options) -> Prepared:
    target = context.target
    with operator(target.changing_url(), "remedy", pooled=target.pooled) as session, session.transaction():
        budget = session.rows(load("capliquify_ops.remedies", "connection_budget"), Budget, {"app": target.roles.app})[0]
    processes, source = options.processes, "--processes"
    if processes is None:
        processes, source = _instances(context)
    concerns: dict[str, Scalar] = {
        "max_connections": budget.max_connections,
        "usable": budget.usable,
        "in_use_by_others": budget.others,
        "in_use_by_the_application": budget.own,
        "for_the_application": budget.application,
        "processes": f"{processes} ({source})" if processes else f"not known ({source})",
    }
    warnings = [] if budget.is_whole else ["sessions of other roles are counted, what they do is not visible"]
    if budget.own > budget.application:
        warnings.append(f"the application has {budget.own} sessions now, more than the {budget.application} that it may have")
    warnings.append("in use is what is in use at this moment: look again at the busiest hour")
    plan = Plan(
        "remedy pool-settings", target.name, tuple(advice(budget, processes)), MappingProxyType(concerns), tuple(warnings)
    )
    return Prepared(plan, Acted, lambda _: Verified(None, "nothing was changed"))


def _instances(context: Context) -> tuple[int | None, str]:
    """Return how many instances Render runs, each taken for one process, and where that comes from."""
    try:
        with rendering(context) as (render, service_id):
            return max(1, len(render.instances(service_id))), "Render's instances, one process each; else: --processes"
    except OpsError as fault:
        return None, f"{fault.what} Give it: --processes"


POOL_SETTINGS = Remedy(
    "pool-settings",
    "print the settings of PgBouncer and of the service's pool that follow from the connections there are",
    ("connection-exhaustion",),
    "operator URL",
    _told,
    frozenset({"processes"}),
    is_told_only=True,
)
