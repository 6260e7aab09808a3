"""ISO-04: what two tenants read and wrote at once is explained by each one's own writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from capliquify_ops.configuration.system import seeded
from capliquify_ops.isolation.concurrent_plan import Hold, Round, Size, draw
from capliquify_ops.isolation.concurrent_recording import Recording, reads
from capliquify_ops.isolation.concurrent_rounds import run_round
from capliquify_ops.isolation.database import owner_session, tokens_in
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.history import check
from capliquify_ops.isolation.history_model import SHARED, Anomaly, Operation, Result
from capliquify_ops.isolation.history_witness import lines
from capliquify_ops.isolation.parts import part
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probe, Probes, noted, untried
from capliquify_ops.isolation.removal import remove_holding
from capliquify_ops.isolation.routes import OTHER, planted_list, reads_own
from capliquify_ops.isolation.serialised_operation import serialised
from capliquify_ops.isolation.service_sessions import connections
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, TargetUnreachable
from capliquify_ops.model.outcome import Grade

RUNS = 3
"""A plan that fails is run so often in all, to tell how regularly it does."""
PLANS = {"quick": 1, "full": 4}
OPERATIONS = {"quick": 8, "full": 12}
LATEST_S, LOOKS, LATE_FACTOR = 5.0, 50, 1.5
"""How late a list may be seen to be, how often is looked, and what is granted for one seen late: it may be a little later."""
MOST_SHOWN = 5
"""Anomalies of one plan that are told one by one; the others are alike."""
_PEOPLE = {"a": ("owner", "admin", "viewer"), "b": ("owner", "member")}


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a plan: its recording, what is wrong about it, and what could not be done."""

    recording: Recording
    anomalies: Sequence[Anomaly]
    undone: Sequence[str]

    @property
    def is_wrong(self) -> bool:
        """Whether anything contradicts a correct service."""
        return bool(self.anomalies or self.recording.foreign or self.recording.refused)


def concurrent(world: World) -> Probes:
    """ISO-04: plans of concurrent operations, some behind a held lock, leave a history that two separate services could have."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    yield from part(world, "plans", _plans(world))
    yield from part(world, "serialised", serialised(world))
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")


def _plans(world: World) -> Probes:
    people = {key: [who for name in names if (who := f"{key}.{name}") in world.people] for key, names in _PEOPLE.items()}
    usual = frozenset(_usual(world, [who for names in people.values() for who in names]))
    late_s = _late(world)
    size = Size(free=2, held=1, operations=OPERATIONS[world.depth], pool=connections(world))
    for seed in range(world.seed, world.seed + PLANS[world.depth]):
        plan = draw(seeded(seed), people, size)
        ran = run_plan(world, plan, usual, late_s)
        yield from _judged(world, seed, plan, ran, usual)
        if ran.is_wrong:
            break


def _usual(world: World, people: Sequence[str]) -> list[tuple[str, str]]:
    """Return who reads which paths with success while nobody else asks."""
    paths = list(dict.fromkeys(path for kind in ("list", "search", "report") for path in reads(world, kind)))
    sent = [(who, world.send(Call("GET", path, world.person(who)))) for who in people for path in paths]
    return [(who, answer.call.path) for who, answer in sent if answer.is_success]


def _late(world: World) -> float:
    """Return how old the main list may be, 0 where it shows a new row at once: one kept for a moment has lost nothing."""
    planted_list(world, "a.owner")
    plant, since = world.plant("a", world.planting_route()), world.clock.monotonic()
    try:
        for looks in range(LOOKS):
            if plant.labels & planted_list(world, "a.owner").own:
                return LATE_FACTOR * (world.clock.monotonic() - since) if looks else 0.0
            world.caller.pause(LATEST_S / LOOKS)
    finally:
        world.uproot([plant])
        remove_holding(world, [one.token for one in world.caller.canaries if one.label in plant.labels and not one.is_address])
    return 0.0


def run_plan(world: World, plan: Sequence[Round], usual: frozenset[tuple[str, str]], late_s: float = 0.0) -> Ran:
    """Run a plan, look where its rows stand at the end, and remove them."""
    recording, undone = Recording(world, usual=usual, late_s=late_s), []
    recording.history.extend(_planted(world))
    try:
        for number, planned in enumerate(plan, 1):
            try:
                run_round(recording, planned, f"round {number}, {planned.says()}")
            except TargetUnreachable:
                raise
            except OpsError as error:
                undone.append(str(error))
        scan = _scan(recording, undone)
    finally:
        remove_holding(world, [canary.token for canary in recording.minted])
    return Ran(recording, check(recording.history, planted=_known(recording), scan=scan), list(dict.fromkeys(undone)))


def _planted(world: World) -> list[Operation]:
    """Return the rows that stood before as writes of long ago: every list must show them."""
    now, main = world.clock.monotonic(), world.planting_route().name
    labels = {label: plant for key in ("a", "b") for plant in world.planted(key, main) for label in plant.labels}
    return [
        Operation(now, now, one.tenant, "audit", "audit", Result.OK, one.token, collection=main, label="planted")
        for one in world.caller.canaries
        if one.label in labels and not one.is_address
    ]


def _known(recording: Recording) -> dict[str, str]:
    written = {one.written for one in recording.history} | {one.token for one in recording.minted}
    return {one.token: one.tenant for one in recording.world.caller.canaries if not one.is_address and one.token not in written}


def _scan(recording: Recording, undone: list[str]) -> dict[str, frozenset[str]] | None:
    """Return which secrets stand in each tenant's schema and in the shared one; None where they cannot be read."""
    world, table = recording.world, recording.world.planting_route().table
    wanted = [one.written for one in recording.history if one.written]
    try:
        with owner_session(world.target, "audit final scan") as owner:
            schemas = {key: world.tenant(key).schema_name for key in ("a", "b")} | {SHARED: "public"}
            found = {key: tokens_in(owner, schema, table, wanted) for key, schema in schemas.items()}
    except OpsError as error:
        undone.append(str(error))
        return None
    if not any(found.values()):
        undone.append(f"No schema has a table {table} that holds what was written, so none was looked through.")
        return None
    # Rows of other collections were not looked for.
    known = _known(recording)
    return {key: rows | {token for token, tenant in known.items() if tenant == key} for key, rows in found.items()}


def _judged(world: World, seed: int, plan: Sequence[Round], ran: Ran, usual: frozenset[tuple[str, str]]) -> Probes:
    """Yield what a plan showed; one that failed is run again, to tell how often it does."""
    recording = ran.recording
    for why in ran.undone:
        yield untried(f"seed {seed}", why, is_optional=True)
    if not ran.is_wrong:
        if unserved := sorted(set(OTHER) - recording.served):
            raise CannotTell(f"None of the operations of tenant {unserved[0]} in the plan of seed {seed} was served.")
        held = sum(planned.hold is not Hold.NOTHING for planned in plan)
        yield noted(f"seed {seed}: {len(recording.history)} operations in {len(plan)} rounds, {held} with a held lock", "")
        return
    wrong = 1 + sum(run_plan(world, plan, usual, recording.late_s).is_wrong for _ in range(RUNS - 1))
    rate = f"seen in {wrong} of {RUNS} runs of seed {seed}"
    for where, answer in recording.foreign[:MOST_SHOWN]:
        yield answer.probe(f"{rate}, {where}", SUCCESS)
    for where, answer in recording.refused[:MOST_SHOWN]:
        yield answer.probe(f"{rate}, {where}", SUCCESS)
    labels = {one.token: one.label.removesuffix(f" of {one.tenant}") for one in world.caller.canaries}
    for anomaly in ran.anomalies[:MOST_SHOWN]:
        told, *story = lines(anomaly, labels)
        yield Probe(rate, problem=told, is_change=anomaly.grade is Grade.PROOF, story=tuple(line.strip() for line in story))
