"""Records requests and answers as the operations of a history, in tokens instead of labels."""

from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.concurrent_plan import Step
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.history_model import Operation, Result
from capliquify_ops.isolation.paging import SHORTEST_PAGE
from capliquify_ops.isolation.probe_sweep import WANTED
from capliquify_ops.isolation.routes import PAGE
from capliquify_ops.isolation.world_model import World

_TOO_MANY, _SERVER_ERROR = 429, 500


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the plan: its address, and the secret in it."""

    path: str
    canary: Canary


@dataclass(frozen=True, slots=True)
class Sent:
    """A request under way. `writes`: the secret in its body; `row`: the row it is about; `is_list`: it asks for all rows."""

    step: Step
    call: Call
    start: float
    writes: Canary | None = None
    row: Row | None = None
    is_list: bool = False


@dataclass
class Recording:
    """The history of one plan, the rows known to stand, and the answers that hold another tenant's secrets.

    `usual`: who reads which paths with success when nothing else is asked; `refused`: such answers that were refused here.
    `served`: the tenants of whom a request was answered with success. `late_s`: a list may be so old, and then counts as one
    that was asked for so much earlier.
    """

    world: World
    history: list[Operation] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    minted: list[Canary] = field(default_factory=list)
    foreign: list[tuple[str, Exchange]] = field(default_factory=list)
    refused: list[tuple[str, Exchange]] = field(default_factory=list)
    usual: frozenset[tuple[str, str]] = frozenset()
    served: set[str] = field(default_factory=set)
    late_s: float = 0.0

    def prepare(self, step: Step) -> Sent:
        """Turn a step into a request. One about a row that nobody has made yet becomes a list."""
        world, person = self.world, self.world.person(step.principal)
        main = world.planting_route()
        rows = self.rows.get(step.tenant, [])
        row = rows[step.slot % len(rows)] if rows else None
        extra = reads(world, step.kind)
        if step.kind == "create":
            body, canary = self._draft(step, main)
            return Sent(step, Call("POST", main.path, person, json=body, may_be_busy=True), 0, canary)
        if step.kind in {"item", "update", "delete"} and row is not None:
            return self._about(step, row, main)
        if extra and step.kind in {"search", "report"}:
            return Sent(step, Call("GET", extra[step.slot % len(extra)], person, may_be_busy=True), 0)
        return Sent(step, Call("GET", main.path + PAGE, person, may_be_busy=True), 0, is_list=True)

    def _about(self, step: Step, row: Row, main: Route) -> Sent:
        person = self.world.person(step.principal)
        if step.kind == "update":
            # One change of a row at a time: of two at once nobody can say which secret must be left.
            self.rows[step.tenant].remove(row)
            body, canary = self._draft(step, main)
            item = self.world.item_of(main)
            method = "PUT" if item and "PUT" in item.methods else "PATCH"
            return Sent(step, Call(method, row.path, person, json=body, may_be_busy=True), 0, canary, row)
        if step.kind == "delete":
            self.rows[step.tenant].remove(row)
        method = "DELETE" if step.kind == "delete" else "GET"
        return Sent(step, Call(method, row.path, person, may_be_busy=True), 0, None, row)

    def _draft(self, step: Step, route: Route) -> tuple[dict[str, object], Canary]:
        body, canary = self.world.draft(step.tenant, route, f"seed {self.world.seed}")
        self.world.caller.canaries.append(canary)
        self.minted.append(canary)
        return body, canary

    def answered(self, sent: Sent, answer: Exchange | None, end: float, where: str) -> None:
        """Add an operation; without an answer nobody knows whether it happened."""
        outcome = _result(answer)
        written = sent.writes.token if sent.writes else None
        is_gone = sent.step.kind in {"update", "delete"} and sent.row is not None
        deleted = sent.row.canary.token if is_gone and sent.row else None
        start = sent.start - self.late_s if sent.is_list else sent.start
        self.history.append(
            Operation(
                start, end, sent.step.tenant, sent.step.principal, "service", outcome, written, deleted,
                None if answer is None else self._seen(answer), sent.is_list and outcome is Result.OK and self._is_whole(answer),
                sent.row.canary.token if sent.row and sent.step.kind == "item" else None,
                self.world.planting_route().name, f"{sent.call.method} {sent.call.path.partition('?')[0]} ({where})",
            )
        )  # fmt: skip
        if answer is not None:
            self._note(sent, answer, outcome, where)

    def _note(self, sent: Sent, answer: Exchange, outcome: Result, where: str) -> None:
        self.served |= {sent.step.tenant} if outcome is Result.OK else set()
        if answer.foreign:
            self.foreign.append((where, answer))
        elif outcome is Result.FAIL and sent.row is None and (sent.writes or (sent.step.principal, sent.call.path) in self.usual):
            self.refused.append((where, answer))
        row = sent.row
        if outcome is Result.OK and sent.writes:
            if sent.step.kind == "update" and row:
                self.rows[sent.step.tenant].append(Row(row.path, sent.writes))
            made = next(objects(answer.data), None)
            item = self.world.item_of(self.world.planting_route())
            if sent.step.kind == "create" and made and item:
                self.rows.setdefault(sent.step.tenant, []).append(Row(item.path.format(id=made["id"]), sent.writes))

    def _seen(self, answer: Exchange) -> frozenset[str]:
        labels = answer.own | {one.label for one in answer.foreign}
        return frozenset(one.token for one in self.world.caller.canaries if one.label in labels and not one.is_address)

    def _is_whole(self, answer: Exchange | None) -> bool:
        return answer is not None and sum(1 for _ in objects(answer.data)) < SHORTEST_PAGE


def reads(world: World, kind: str) -> list[str]:
    """Return the paths that an operation of this kind reads: the searches, the reports, or else the main list."""
    if kind not in {"search", "report"}:
        return [world.planting_route().path + PAGE]
    found = [route for route in world.profile.surface(kind) if "{id}" not in route.path and "GET" in route.methods]
    return [f"{route.path}?{route.query}={WANTED}" if route.query else route.path for route in found]


def _result(answer: Exchange | None) -> Result:
    if answer is None or answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY:
        return Result.INFO
    return Result.OK if answer.is_success else Result.FAIL
