"""SEC-014: sensitive operations and failed attempts stand in the log of the tenant they concern, and in no other's."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.isolation.audited_events import Event, events
from capliquify_ops.isolation.disclosures import disclosed, wanted
from capliquify_ops.isolation.exchange import leaves, objects
from capliquify_ops.isolation.probe import CannotTell, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import PAGE, reads_own, shown
from capliquify_ops.isolation.world_model import World

WRITTEN_WITHIN_S = 3.0
"""A log may be written beside the request, but not much later."""
POLL_S = 0.05
MOST_PAGES = 20
_ACTION = re.compile(r"action|event|activity|operation|verb|type|kind|name|message", re.IGNORECASE)
"""Members that say what was done."""
Entry = Mapping[str, object]
Log = dict[str, Entry]


@dataclass(frozen=True, slots=True)
class _Logs:
    """What was written while the events happened: in the own tenant's log and in the other one's."""

    own: Log
    other: Log


def sensitive_operations(world: World) -> Probes:
    """SEC-014: each kind of sensitive operation, refused access and failed login, with actor and action; nothing else's."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    if not world.profile.surface("audit_log"):
        raise CannotTell(
            f"The profile {world.profile.name!r} names no route of the audit log, so what is written there cannot be seen.",
            hint='Add [routes.audit_logs] with surface = "audit_log".',
        )
    before = {key: _log(world, f"{key}.owner") for key in ("a", "b")}
    made = list(events(world))
    done = [one for one in made if isinstance(one, Event)]
    yield from _not_made([one for one in made if isinstance(one, Probe)])
    logs = _awaited(world, before, done)
    yield from _written(done, logs)
    yield from _apart(world, done, logs)
    yield reads_own(world, "a.owner")


def _not_made(rows: Sequence[Probe]) -> Probes:
    """One row names all kinds of events that this service does not have, another one those that could not be made."""
    for is_optional in (True, False):
        named = [f"{row.name} ({row.untried.rstrip('.')})" for row in rows if row.is_optional is is_optional]
        if named:
            name = "events that there are none of" if is_optional else "events that could not be made"
            yield untried(name, ", ".join(named), is_optional=is_optional)


def _log(world: World, who: str) -> Log:
    """Return the whole log by content: ids may be equal in two tenants."""
    path, found = world.profile.surface("audit_log")[0].path, dict[str, Entry]()
    size = int(PAGE.rpartition("=")[2])
    for page in range(MOST_PAGES):
        entries = {
            json.dumps(one, sort_keys=True): one for one in _entries(shown(world, who, f"{path}{PAGE}&offset={page * size}").data)
        }
        if entries.keys() <= found.keys():
            break
        found |= entries
        if len(entries) < size:
            break
    return found


def _entries(data: object) -> Iterator[Entry]:
    """The outermost objects with an id: what is inside one belongs to it."""
    seen: set[int] = set()
    for one in objects(data):
        if id(one) not in seen:
            seen |= {id(inner) for value in one.values() for inner in objects(value)}
            yield one


def _awaited(world: World, before: Mapping[str, Log], done: Sequence[Event]) -> _Logs:
    """Read both logs until each event is found or the time is over."""
    end = world.clock.monotonic() + WRITTEN_WITHIN_S
    while True:
        new = {
            key: {text: entry for text, entry in _log(world, f"{key}.owner").items() if text not in before[key]} for key in before
        }
        logs = _Logs(new["a"], new["b"])
        if len(_matched(done, logs.own)) == len(done) or world.clock.monotonic() > end:
            return logs
        world.caller.pause(POLL_S)


def _matched(done: Sequence[Event], log: Log) -> dict[str, str]:
    """Return the entry of each event, one for each: those that say most are given theirs first."""
    free, found = dict(log), dict[str, str]()
    for event in sorted(done, key=lambda one: -len(one.named)):
        entry = next((text for text, one in free.items() if _is_about(event, one)), "")
        if entry:
            found[event.name] = entry
            del free[entry]
    return found


def _is_about(event: Event, entry: Entry) -> bool:
    """Whether an entry says what was done, and names whom and what the event must name."""
    texts = [(path, value) for path, value in leaves(entry) if isinstance(value, str) and value]
    if any(one in value for one in event.strange for _, value in texts):
        return False
    has_action = any(_ACTION.search(path) for path, _ in texts)
    return has_action and all(any(one in value for one in names for _, value in texts) for names in event.named)


def _written(done: Sequence[Event], logs: _Logs) -> Probes:
    matched = _matched(done, logs.own)
    for event in done:
        problem = "" if event.name in matched else f"no entry of the tenant's log {event.says}"
        yield noted(event.name, problem, request=event.request, needs="a.owner reads own rows")


def _apart(world: World, done: Sequence[Event], logs: _Logs) -> Probes:
    """The other tenant's log holds none of these entries, and no entry holds a secret."""
    people = {name for person in world.people.values() if person.tenant == "a" for name in (person.user_id, person.email)}
    strays = [
        text for text, entry in logs.other.items()
        if text in logs.own or any(name in value for _, value in leaves(entry) if isinstance(value, str) for name in people)
    ]  # fmt: skip
    problem = f"{len(strays)} of its entries tell of the other tenant" if strays else ""
    yield noted("the other tenant's log", problem, request="the audit log as b.owner", needs="b.owner reads own rows")
    secrets = wanted({f"token of {event.name}": token for event in done for token in event.tokens})
    told = disclosed(json.dumps(list(logs.own.values())).encode(), {}, secrets, is_error=False)
    problem = f"an entry tells {', '.join(told)}" if told else ""
    yield noted("secrets in the entries", problem, request="the audit log as a.owner", needs="a.owner reads own rows")
