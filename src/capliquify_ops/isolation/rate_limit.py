"""SEC-018: each tenant has a rate limit of its own: beyond it 429, others do not notice, and it is served again afterwards."""

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from capliquify_ops.http_client import Response
from capliquify_ops.isolation.exchange import TOO_MANY, Call, Exchange
from capliquify_ops.isolation.overload import is_error
from capliquify_ops.isolation.probe import (
    SUCCESS,
    SUCCESS_STATUSES,
    CannotTell,
    Expectation,
    Probe,
    Probes,
    answers,
    noted,
    untried,
)
from capliquify_ops.isolation.routes import PAGE, lacks_own, reads_own
from capliquify_ops.isolation.world_model import World

LIMITED = "s"
"""The tenant that is sent beyond its limit: it holds nothing that other checks need."""
OTHER = "b.owner"
OTHERS = 5
"""Requests of the other tenant while the first one is limited."""
SENDERS = 8
MOST_SECONDS_OF_THE_LIMIT = 6
"""Requests of a burst at most, in seconds of the limit."""
SAVED_SECONDS = 2
"""What services commonly save up for a burst, in seconds of the limit: so much more may be served before anything is wrong."""
LONGEST_BURST_S = 10.0
TELLING_S = 1.0
"""After so long it is known whether the limit can be exceeded from here."""
SLOWEST_MS = 2000
"""For one request of the other tenant; it shares the processors with the burst."""
RECOVERED_WITHIN_S = 10.0
POLL_S = 0.05
ILL = "the service could not answer then, which so many requests at once may well cause"


@dataclass
class _Burst:
    """What was sent, what of it was answered how, for how long, and what the other tenant was answered meanwhile."""

    limit: int
    answers: list[Response] = field(default_factory=list)
    meanwhile: list[Exchange] = field(default_factory=list)
    elapsed_s: float = 0.0
    was_limited_throughout: bool = False

    def of(self, *statuses: int) -> list[Response]:
        """Return the answers of some statuses."""
        return [answer for answer in self.answers if answer.status in statuses]

    def is_beyond(self) -> bool:
        """Whether more was served than the limit allows, whatever was saved up before."""
        return len(self.of(*SUCCESS_STATUSES)) > self.limit * (SAVED_SECONDS + self.elapsed_s)


def one_tenant_only(world: World) -> Probes:
    """SEC-018: a burst of one tenant until 429, another tenant's requests during it, and the first one's recovery."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    limit, expected = world.profile.rate_limit, answers(world.profile, "rate_limited")
    if not limit:
        raise CannotTell(
            f"The profile {world.profile.name!r} names no rate limit, so what is beyond it cannot be told.",
            hint="Set http.rate_limit to the requests per second of one tenant.",
        )
    call = Call("GET", world.planting_route().path, world.person(f"{LIMITED}.owner"), may_be_busy=True)
    control = f"{LIMITED}.owner is served before"
    yield world.send(call).probe(control, SUCCESS, is_control=True)
    try:
        burst = _sent(world, call, limit)
    finally:
        recovery = _recovered(world, call, control)
    yield from _limited(world, call, burst, expected)
    yield from _unlimited(world, burst)
    yield recovery
    yield reads_own(world, OTHER)


def _sent(world: World, call: Call, limit: int) -> _Burst:
    """Send as fast as it goes, until the other tenant was asked while this one was refused."""
    burst, clock, turns = _Burst(limit), world.clock, itertools.count()
    over, telling = threading.Event(), threading.Event()
    start = clock.monotonic()

    def send() -> None:
        with world.caller.repeater(call) as repeater:
            while not over.is_set() and next(turns) < limit * MOST_SECONDS_OF_THE_LIMIT:
                answer = repeater.send()
                burst.answers.append(answer)
                elapsed = clock.monotonic() - start
                is_slow = elapsed > TELLING_S and len(burst.answers) < limit * elapsed
                if answer.status == TOO_MANY:
                    telling.set()
                elif is_slow or elapsed > LONGEST_BURST_S:
                    over.set()

    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send) for _ in range(SENDERS)]
        for one in sending:
            one.add_done_callback(lambda _: telling.set() if all(each.done() for each in sending) else None)
        try:
            telling.wait()
            _ask_the_other(world, burst)
        finally:
            over.set()
        for one in sending:
            one.result()
    burst.elapsed_s = clock.monotonic() - start
    return burst


def _ask_the_other(world: World, burst: _Burst) -> None:
    """Let another tenant read its rows, if the first one is refused by now, and note whether that one still was afterwards."""
    before = len(burst.of(TOO_MANY))
    if before:
        call = Call("GET", world.planting_route().path + PAGE, world.person(OTHER), may_be_busy=True)
        burst.meanwhile.extend(world.caller.send_at_once(call) for _ in range(OTHERS))
    burst.was_limited_throughout = len(burst.of(TOO_MANY)) > before


def _limited(world: World, call: Call, burst: _Burst, expected: Expectation) -> Probes:
    control = f"{LIMITED}.owner is served before"
    for status, times in sorted(Counter(one.status for one in burst.answers if is_error(one.status)).items()):
        yield untried("the burst", f"{times} of {len(burst.answers)} requests were answered {status}: {ILL}")
    refused = burst.of(TOO_MANY)
    other = [one for one in burst.answers if one.status not in SUCCESS_STATUSES | {TOO_MANY} and not is_error(one.status)]
    for answer in other[:1]:
        yield world.caller.read(call, answer).probe("the burst", expected, needs=control)
    for answer in refused[:1]:
        yield world.caller.read(call, answer).probe(
            "the first request beyond the limit", expected, problem=_no_delay(answer), needs=control
        )
    if not refused and burst.is_beyond():
        problem = f"none of {len(burst.answers)} requests in {burst.elapsed_s:.1f} s was refused; the limit is {burst.limit}/s"
        yield noted("the burst", problem, request=call.line(), needs=control)
    elif not refused:
        speed = len(burst.answers) / burst.elapsed_s
        yield untried("the burst", f"{speed:.0f} requests a second could be sent from here, too few for {burst.limit}/s")


def _no_delay(answer: Response) -> str:
    """Return what is wrong about Retry-After: whole seconds, or a date."""
    said = answer.headers.get("retry-after", "").strip()
    is_said = said.isdigit() or said.endswith("GMT")
    return "" if is_said else "the answer does not say when to come back (Retry-After)"


def _unlimited(world: World, burst: _Burst) -> Probes:
    """The other tenant was served all the while; whatever is refused with the first one shares its limit."""
    if not burst.meanwhile:
        return
    if not burst.was_limited_throughout:
        yield untried("another tenant meanwhile", "the burst was over before the other tenant was answered")
    for answer in burst.meanwhile:
        slow = f"it took {answer.response.elapsed_ms:.0f} ms" if answer.response.elapsed_ms > SLOWEST_MS else ""
        name = f"{OTHER} while {LIMITED}.owner is refused"
        if is_error(answer.status) and not answer.foreign:
            yield untried(name, f"it was answered {answer.status}: {ILL}")
        else:
            yield answer.probe(name, SUCCESS, problem=slow or lacks_own(world, OTHER, answer), needs=f"{OTHER} reads own rows")


def _recovered(world: World, call: Call, control: str) -> Probe:
    """Wait until the limited tenant is served again: other checks go on from there."""
    end = world.clock.monotonic() + RECOVERED_WITHIN_S
    while _is_turned_away(answer := world.caller.send_at_once(call)) and world.clock.monotonic() < end:
        world.caller.pause(POLL_S)
    name = f"{LIMITED}.owner within {RECOVERED_WITHIN_S:g} s"
    if is_error(answer.status):
        return untried(name, f"it was answered {answer.status}: {ILL}")
    return answer.probe(name, SUCCESS, needs=control)


def _is_turned_away(answer: Exchange) -> bool:
    return answer.status == TOO_MANY or is_error(answer.status)
