"""What the parent has received of a run so far: a run that is cut short keeps what had been handed over."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from capliquify_ops.load.plan import Plan, share_of
from capliquify_ops.load.result import Cut, Health, LoadRun, Sender, Side, Stretch
from capliquify_ops.load.samples import Samples, Verdict, unpack, unpack_samples

MOST_WITNESSES = 10


@dataclass(slots=True)
class Told:
    """What one generator has told of itself: its latest figures, and its result once it has one."""

    latest: Mapping[str, int | float] = field(default_factory=dict)
    result: Mapping[str, object] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """Return a figure, 0 of a generator that told none."""
        return float(self.latest.get(name, 0))

    @property
    def cpu_ratio(self) -> float:
        """Return the share of a core that it used."""
        return self.figure("cpu_s") / wall if (wall := self.figure("wall_s")) else 0.0

    @property
    def in_flight(self) -> int:
        """Return how many requests were unanswered when it closed."""
        return max(0, self._count("in_flight"))

    @property
    def offered(self) -> int:
        """Return how many arrivals of the whole plan were due before it ended, -1 without a result."""
        return self._count("offered")

    def _count(self, name: str) -> int:
        found = self.result.get(name)
        return found if isinstance(found, int) else -1


class Receipt:
    """Collects the lines of a generator, or of a crew of them. `failure` says why a crew could not begin.

    Raises UsageError when so few cannot hold the plan's connections.
    """

    def __init__(self, plan: Plan, generators: int = 1) -> None:
        share_of(plan, 0, generators)  # the largest one: refused here, before anything is started
        self.plan = plan
        self.samples = Samples()
        self.failed = 0
        self.ready = False
        self.port = 0
        self.failure = ""
        self.lost = ""
        self._told = [Told() for _ in range(generators)]
        self._lags = array("i")
        self._machine: list[Stretch] = []

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come."""
        return bool(self.lost or self.failure) or all(each.result for each in self._told)

    def take(self, line: str) -> None:
        """Take one line. Raises ValueError or KeyError when the worker did not write it."""
        message = json.loads(line)
        number = message.pop("generator", 0)
        match message.pop("kind"):
            case "gathering":
                self.port = message["port"]
            case "failed":
                self.failure = message["why"]
            case "ready":
                self.ready = True
            case "samples":
                self._take_samples(number, message)
            case "result":
                self._told[number].result = message
            case "lost":
                self.lost = f"generator {number + 1} of {len(self._told)} was lost"

    def _take_samples(self, number: int, message: dict[str, object]) -> None:
        block = unpack_samples(message.pop("samples"))  # type: ignore[arg-type]  # raises ValueError itself
        self.samples.extend(block)
        self.failed += len(block) - block.verdict.count(Verdict.OK)
        self._lags.extend(unpack(message.pop("lags_us"), "i"))  # type: ignore[arg-type]
        machine = message.pop("machine")
        if number == 0 and isinstance(machine, list):
            self._machine.extend(Stretch(*each) for each in machine)
        self._told[number].latest = message  # type: ignore[assignment]  # what is left are numbers

    def load_run(self, started_at: str, elapsed_s: float, cut: Cut | None) -> LoadRun:
        """Return the run, `cut` being why it has no result if it has none."""
        plan = self.plan
        offered = [each.offered for each in self._told]
        until = max(offered) if min(offered) >= 0 else max(self.samples.index, default=-1) + 1
        told = next((each.result["cut"] for each in self._told if each.result.get("cut")), None)
        witnesses = [line for each in self._told for line in each.result.get("witnesses", ())]  # type: ignore[attr-defined]
        return LoadRun(
            base_url=plan.base_url,
            rate=plan.rate,
            seconds=plan.seconds,
            warmup_s=plan.warmup_s,
            connections=plan.connections,
            senders=tuple(Sender(caller.marker, caller.group) for caller in plan.callers),
            operations=plan.operations,
            order=plan.order,
            started_at=started_at,
            elapsed_s=round(elapsed_s, 3),
            offered=until,
            samples=self.samples,
            health=self._health(until),
            cut=Cut(Side(told["by"]), told["why"]) if isinstance(told, dict) else cut,
            witnesses=tuple(witnesses[:MOST_WITNESSES]),
            machine=tuple(self._machine),
            generators=len(self._told),
        )

    def _crowded_out(self, until: int) -> int:
        """Return how many arrivals before `until` had no connection, because the generator's own were all waiting."""
        many, found = len(self._told), 0
        for number, each in enumerate(self._told):
            if each.in_flight >= share_of(self.plan, number, many).connections:
                sent = sum(index % many == number for index in self.samples.index)
                found += max(0, len(range(number, until, many)) - sent - each.in_flight)
        return found

    def _health(self, until: int) -> Health:
        worst = max(self._told, key=lambda each: each.cpu_ratio)
        return Health(
            cpu_s=worst.figure("cpu_s"),
            wall_s=worst.figure("wall_s"),
            memory_bytes=int(max(each.figure("memory_bytes") for each in self._told)),
            in_flight=sum(each.in_flight for each in self._told),
            opened=int(sum(each.figure("opened") for each in self._told)),
            lags_us=self._lags,
            crowded_out=self._crowded_out(until),
        )
