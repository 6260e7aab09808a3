"""Part of SEC-013 and ISO-07: a message to one tenant's people holds nothing of another tenant."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from capliquify_ops.configuration import Route
from capliquify_ops.evidence.redaction import MASK, Redactor
from capliquify_ops.isolation.made_objects import make
from capliquify_ops.isolation.mail_folder import MailFolder
from capliquify_ops.isolation.mail_messages import Message
from capliquify_ops.isolation.probe import Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.sensor import Sighting
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

SENDING = ("invitations", "export", "job")
"""Surfaces whose POST may send mail."""
ROUNDS = 2
SENT_WITHIN_S = 3.0
POLL_S = 0.05
SUBJECT_LENGTH = 60
_OPAQUE = re.compile(r"[A-Za-z0-9_+/=-]{16,}")


@dataclass(frozen=True, slots=True)
class Received:
    """One message in its file, and the tenants whose people it is to."""

    file: str
    message: Message
    owners: frozenset[str]


def messages_apart(world: World) -> Probes:
    """Both tenants have mail sent at once; then all messages since the audit began are looked through.

    Nothing where the target names no mail_folder. Raises CannotTell where it cannot be read.
    """
    if world.mail is None:
        return
    before = _counts(world, world.mail)
    sent = _have_sent(world)
    end = world.clock.monotonic() + SENT_WITHIN_S
    while _are_missing(_counts(world, world.mail), before, is_new=sent) and world.clock.monotonic() < end:
        world.caller.pause(POLL_S)
    messages = list(received(world, world.mail))
    for key in OTHER:
        count = sum(key in one.owners for one in messages)
        if count:
            yield noted(_control(key), "", is_control=True)
        else:
            why = (
                f"none came to {world.mail.folder.name}: correct mail_folder of the target, or leave it out where no mail is sent"
            )
            yield untried(_control(key), why)
    for one in messages:
        yield _probe(world, one)


def received(world: World, mail: MailFolder) -> Iterator[Received]:
    """Yield the messages to people of this audit."""
    for path, message in mail.messages():
        owners = frozenset(filter(None, (_owner(world, address) for address in message.recipients)))
        if owners:
            yield Received(str(path.relative_to(mail.folder)), message, owners)


def _owner(world: World, address: str) -> str:
    """Return the tenant of an address that this audit made up, "" for any other and for one that another tenant has sent."""
    if world.caller.is_spent(address):
        return ""
    named = re.match(rf"user_{re.escape(world.run)}_([a-z0-9]+)_", address)
    if named:
        return named[1]
    people = (one.tenant for one in world.people.values() if one.email.lower() == address)
    return next(people, next((one.tenant for one in world.caller.canaries if not one.is_address and one.token in address), ""))


def _counts(world: World, mail: MailFolder) -> dict[str, int]:
    messages = list(received(world, mail))
    return {key: sum(key in one.owners for one in messages) for key in OTHER}


def _are_missing(now: dict[str, int], before: dict[str, int], *, is_new: bool) -> bool:
    """Whether some tenant still waits for a message: a new one, where something was done that may send one."""
    return any(now[key] <= (before[key] if is_new else 0) for key in OTHER)


def _have_sent(world: World) -> bool:
    """Make what may be told by mail for both tenants at once; return whether anything could be made."""
    routes = [one for name in SENDING for one in world.profile.surface(name) if "POST" in one.methods]
    with ThreadPoolExecutor(len(OTHER)) as pool:
        made = [list(pool.map(lambda key, to=route: _made(world, key, to), OTHER)) for _ in range(ROUNDS) for route in routes]
    return any(all(pair) for pair in made)


def _made(world: World, key: str, route: Route) -> bool:
    with suppress(OpsError):
        plant = make(world, key, route).plant
        if plant.path:
            world.uproot([plant])
        return True
    return False


def _control(key: str) -> str:
    return f"messages to people of {key}"


def _probe(world: World, one: Received) -> Probe:
    mine = min(one.owners)
    needs = _control(mine) if mine in OTHER else ""
    seen = [sighting for sighting in _seen(world, one.message, mine) if sighting.tenant not in {mine, ""}]
    name = f"the message {_subject(world, one.message)!r} in {one.file} to people of {' and '.join(sorted(one.owners))}"
    if len(one.owners) == 1:
        return Probe(name, foreign=tuple(seen), needs=needs)
    about = sorted({sighting.tenant for sighting in _seen(world, one.message, mine)})
    problem = f"it is to people of several tenants and holds content of {' and '.join(about)}" if about else ""
    return noted(name, problem, needs=needs)


def _seen(world: World, message: Message, mine: str) -> Iterator[Sighting]:
    """Yield each secret in a message, once."""
    labels: set[str] = set()
    for place, content in (("headers", b""), *((f"part {number}", part) for number, part in enumerate(message.parts, 1))):
        for sighting in world.caller.seen_in(content, message.headers if place == "headers" else {}, mine):
            if sighting.label not in labels:
                labels.add(sighting.label)
                yield replace(sighting, place=place)


def _subject(world: World, message: Message) -> str:
    """Return a subject as a report may show it: no secret, no token, no long number."""
    text = Redactor(one.token for one in world.caller.canaries).text(message.subject)
    return _OPAQUE.sub(MASK, text)[:SUBJECT_LENGTH]
