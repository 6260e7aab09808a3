"""What the parent has received of a run so far: a run that is cut short keeps what had been handed over."""

import json
from array import array
from collections.abc import Mapping

from capliquify_ops.load.plan import Plan
from capliquify_ops.load.result import Cut, Health, LoadRun, Side, Stretch
from capliquify_ops.load.samples import Samples, Verdict, unpack, unpack_samples


class Receipt:
    """Collects the worker's lines."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.samples = Samples()
        self.failed = 0
        self.ready = False
        self.complete = False
        self._lags = array("i")
        self._machine: list[Stretch] = []
        self._latest: Mapping[str, int | float] = {}
        self._result: Mapping[str, object] = {}

    def take(self, line: str) -> None:
        """Take one line. Raises ValueError or KeyError when the worker did not write it."""
        message = json.loads(line)
        match message.pop("kind"):
            case "ready":
                self.ready = True
            case "samples":
                block = unpack_samples(message.pop("samples"))
                self.samples.extend(block)
                self.failed += len(block) - block.verdict.count(Verdict.OK)
                self._lags.extend(unpack(message.pop("lags_us"), "i"))
                self._machine.extend(Stretch(*each) for each in message.pop("machine"))
                self._latest = message
            case "result":
                self._result, self.complete = message, True

    def load_run(self, started_at: str, elapsed_s: float, cut: Cut | None) -> LoadRun:
        """Return the run, `cut` being why it has no result if it has none."""
        plan, result = self.plan, self._result
        told = result.get("cut")
        offered, witnesses = result.get("offered"), result.get("witnesses")
        return LoadRun(
            base_url=plan.base_url,
            rate=plan.rate,
            seconds=plan.seconds,
            warmup_s=plan.warmup_s,
            connections=plan.connections,
            tenants=len({caller.marker for caller in plan.callers}),
            paths=plan.paths,
            started_at=started_at,
            elapsed_s=round(elapsed_s, 3),
            offered=offered if isinstance(offered, int) else max(self.samples.index, default=-1) + 1,
            samples=self.samples,
            health=self._health(result.get("in_flight")),
            cut=Cut(Side(told["by"]), told["why"]) if isinstance(told, dict) else cut,
            witnesses=tuple(witnesses) if isinstance(witnesses, list) else (),
            machine=tuple(self._machine),
        )

    def _health(self, in_flight: object) -> Health:
        return Health(
            cpu_s=float(self._latest.get("cpu_s", 0.0)),
            wall_s=float(self._latest.get("wall_s", 0.0)),
            memory_bytes=int(self._latest.get("memory_bytes", 0)),
            in_flight=in_flight if isinstance(in_flight, int) else 0,
            lags_us=self._lags,
        )
