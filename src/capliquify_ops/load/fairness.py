"""Was every tenant served alike: one that waits for each of its answers changes no percentile of a hundred."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.samples import Verdict
from capliquify_ops.model.finding import Scalar

FEWEST_ARRIVALS = 100
"""Of fewer a share of 99 % cannot be told from all of them."""
_IN_TIME_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Served:
    """A tenant, its arrivals, and how many of them were rightly answered within one second."""

    tenant: str
    offered: int
    in_time: int

    @property
    def ratio(self) -> float:
        """Return the share that was answered in time."""
        return self.in_time / self.offered


def worst_served(run: LoadRun, counts: Callable[[int], bool] | None = None) -> Served | None:
    """Return the tenant with the smallest share in time, None where none has enough arrivals; `counts`: of which alone."""
    offered = _offered(run) if counts is None else _offered_where(run, counts)
    in_time: Counter[str] = Counter()
    for index, latency, verdict in zip(run.samples.index, run.samples.latency_us, run.samples.verdict, strict=True):
        if verdict == Verdict.OK and latency <= _IN_TIME_US and (counts is None or counts(index)):
            in_time[run.sender(index).tenant] += 1
    told = (Served(tenant, many, in_time[tenant]) for tenant, many in sorted(offered.items()) if many >= FEWEST_ARRIVALS)
    return min(told, key=lambda each: each.ratio, default=None)


def _offered(run: LoadRun) -> Mapping[str, int]:
    rounds, rest = divmod(run.offered, len(run.senders))
    found: Counter[str] = Counter()
    for number, sender in enumerate(run.senders):
        found[sender.tenant] += rounds + (number < rest)
    return found


def _offered_where(run: LoadRun, counts: Callable[[int], bool]) -> Mapping[str, int]:
    return Counter(run.sender(index).tenant for index in range(run.offered) if counts(index))


def worst_tenant(run: LoadRun) -> dict[str, Scalar]:
    """Return the figure of the tenant that was served worst; nothing where none has enough arrivals."""
    worst = worst_served(run)
    return {} if worst is None else {"worst_tenant_in_time_ratio": worst.ratio}
