"""Part of INT-03: a session that was in use and is then signed out is over at once, whatever was remembered about its token."""

from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, answers, untried
from capliquify_ops.isolation.refused_writes import Wrong, refused_writes
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.protocols import TokenVariant

POLL_S = 0.2


def signed_out_tokens(world: World, who: str, needs: str) -> Probes:
    """A session that was signed out before its first use, then one that was in use on every list."""
    person = world.person(who)
    try:
        token = world.caller.wallet.token(person, TokenVariant.SIGNED_OUT)
    except CannotTell as error:
        yield untried("a signed-out session", str(error), is_optional=True)
    else:
        yield from _refused(world, who, token, "a signed-out session", needs)
    yield from _after_use(world, who, needs)


def _after_use(world: World, who: str, needs: str) -> Probes:
    what = "a session signed out after use"
    person = world.person(who)
    try:
        sign_out, token = world.route("sign_out"), world.caller.wallet.another_session(person)
    except CannotTell as error:
        yield untried(what, str(error), is_optional=True)
        return
    for route in world.lists():
        world.send(Call("GET", route.path, person, token=token))
    used = world.send(Call("GET", world.planting_route().path, person, token=token, shown=" with a second session"))
    yield used.probe(f"{who} uses a second session", SUCCESS, is_control=True)
    ended = world.send(Call(sign_out.methods[0], sign_out.path, person, token=token, shown=" with the second session"))
    yield ended.probe(f"{who} signs the second session out", SUCCESS, is_control=True)
    yield from _refused(world, who, token, what, needs)
    yield reads_own(world, who)


def _refused(world: World, who: str, token: str, what: str, needs: str) -> Probes:
    expected, person = answers(world.profile, "session_invalid"), world.person(who)
    _await(world, Call("GET", world.planting_route().path, person, token=token, shown=f" with {what}"))
    for route in world.lists():
        answer = world.send(Call("GET", route.path, person, token=token, shown=f" with {what}"))
        yield answer.probe(f"{what} on {route.path}", expected, needs=needs)
    like = Call("POST", "", person, token=token, shown=f" with {what}")
    yield from refused_writes(world, person.tenant, Wrong(like, what, expected, needs))


def _await(world: World, call: Call) -> None:
    """A documented delay is no fault: ask until the session is refused or the profile's bound is over."""
    end = world.clock.monotonic() + world.profile.sign_out_bound_s
    while world.clock.monotonic() < end and world.send(call).is_success:
        world.caller.pause(POLL_S)
