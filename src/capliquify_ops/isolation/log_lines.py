"""Part of SEC-013: a line of the service's log that is about one tenant's row names no other tenant."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from capliquify_ops.isolation.database import blocked_table
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import Plant, World
from capliquify_ops.model.errors import OpsError

STALLED_S = 3.0
BESIDE_S = 1.0
"""A pool of one connection serves the other tenant after the lock only."""
WRITTEN_WITHIN_S = 1.0
"""A log may be written a little after the answer."""
POLL_S = 0.05
MOST_BYTES = 16 * 1024 * 1024
Marks = Mapping[str, tuple[str, ...]]
"""By tenant: texts that a line about it may hold."""


def sizes(files: Iterable[Path]) -> dict[Path, int]:
    """Return how long each log is now. Raises CannotTell for one that cannot be read."""
    try:
        return {path: path.stat().st_size for path in files}
    except OSError as error:
        message = f"A log of the target cannot be read ({type(error).__name__}: {error.filename})."
        raise CannotTell(message, hint="Correct log_files of the target.") from None


def written(logs: Mapping[Path, int]) -> Iterator[tuple[Path, bytes]]:
    """Yield what each log grew by; one that was begun anew is read from its start."""
    for path, start in logs.items():
        with path.open("rb") as file:
            file.seek(start if start <= path.stat().st_size else 0)
            yield path, file.read(MOST_BYTES)


def mixed(content: bytes, rows: Marks, names: Marks) -> int:
    """Return how many lines are about a row of one tenant and name another one. Pure."""
    found = 0
    for line in content.decode("utf-8", "replace").lower().splitlines():
        about = {key for key, texts in rows.items() if any(text.lower() in line for text in texts)}
        named = {key for key, texts in names.items() if any(text.lower() in line for text in texts)}
        found += bool(about) and len(about | named) > 1
    return found


def lines_apart(world: World) -> Probes:
    """Each tenant reads a row of its own, held up by a lock where that can be had, while the other one reads its own."""
    if not world.target.log_files:
        return
    logs, plants = sizes(world.target.log_files), {key: _plant(world, key) for key in OTHER}
    for key in OTHER:
        _read_while_held(world, plants, key)
    rows = {key: (plant.id,) for key, plant in plants.items()}
    names = {key: _names(world, key) for key in OTHER}
    end = world.clock.monotonic() + WRITTEN_WITHIN_S
    while not (is_named := _all_named(logs, rows)) and world.clock.monotonic() < end:
        world.caller.pause(POLL_S)
    if not is_named:
        yield untried("lines of the log about rows", "none names the rows that were read", is_optional=True)
    for path, content in written(logs):
        lines = mixed(content, rows, names)
        problem = f"{lines} lines are about a row of one tenant and name the other" if lines else ""
        yield noted(f"the lines of the log {path.name}", problem, needs="b.owner reads own rows")


def _plant(world: World, key: str) -> Plant:
    found = world.planted(key, world.planting_route().name)
    return found[0] if found else world.plant(key, world.planting_route())


def _names(world: World, key: str) -> tuple[str, ...]:
    tenant, owner = world.tenant(key), world.person(f"{key}.owner")
    return (tenant.organization_id, tenant.slug, tenant.schema_name, tenant.id, owner.user_id, owner.email)


def _all_named(logs: Mapping[Path, int], rows: Marks) -> bool:
    content = b"\n".join(part for _, part in written(logs)).decode("utf-8", "replace").lower()
    return all(text.lower() in content for texts in rows.values() for text in texts)


def _read_while_held(world: World, plants: Mapping[str, Plant], key: str) -> None:
    calls = {each: Call("GET", plants[each].path, world.person(f"{each}.owner"), may_be_busy=True) for each in OTHER}
    with ThreadPoolExecutor(2) as pool, ExitStack() as held:
        try:
            lock = held.enter_context(blocked_table(world.target, world.tenant(key).schema_name, world.planting_route().table))
        except OpsError:
            lock = None
        sent = pool.submit(world.send, calls[key])
        if lock is not None:
            lock.await_waiter(STALLED_S, world.clock)
        beside = pool.submit(world.send, calls[OTHER[key]])
        wait([beside], timeout=BESIDE_S)
        held.close()
        for each in (sent, beside):
            each.result()
