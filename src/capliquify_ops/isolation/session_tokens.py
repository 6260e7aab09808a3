"""SEC-004 to 006: tokens that expired, were altered, or come from another environment."""

from collections.abc import Iterator

from capliquify_ops.isolation.clock_skew import require_same_clock
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.forged import forgeries, shuffled, spliced
from capliquify_ops.isolation.own_key import resigned
from capliquify_ops.isolation.people import Person, parts_of, seconds_left
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, answers, untried
from capliquify_ops.isolation.refused_writes import Wrong, refused_writes
from capliquify_ops.isolation.routes import planted_list, reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import TokenVariant

ENDS_IN_S = 3
PATIENCE_S = 75
"""Where the end cannot be chosen: some providers' session tokens live for one minute, and those are waited for."""
LEEWAY_S = 6.0
"""Services grant clocks up to 5 s."""
POLL_S = 0.2
ADDRESSES = ("iss", "azp", "aud")
ELSEWHERE = "https://another-environment.invalid"


def expired(world: World) -> Probes:
    """SEC-004: an expired token is refused on every list, also one that was accepted before it expired."""
    require_same_clock(planted_list(world, "a.owner"), world.clock)
    yield from _variant(world, TokenVariant.EXPIRED, "an expired token")
    yield from _kept_past_its_end(world, "a.owner")


def _kept_past_its_end(world: World, who: str) -> Probes:
    """Services remember verified tokens: one that was just accepted on every list, asked again after its end."""
    person, what = world.person(who), "a token that was accepted until its end"
    try:
        token = world.caller.wallet.ending(person, ENDS_IN_S, PATIENCE_S)
    except OpsError as error:
        yield untried(what, str(error), is_optional=True)
        return
    expected, used = answers(world.profile, "session_invalid"), f"{who} uses a token that ends soon"
    for route in world.lists():
        world.send(Call("GET", route.path, person, token=token))
    again = Call("GET", world.planting_route().path, person, token=token, shown=f" with {what}")
    yield world.send(again).probe(used, SUCCESS, is_control=True)
    over = world.clock.monotonic() + seconds_left(token, world.clock) + LEEWAY_S
    while world.send(again).status not in expected.statuses and world.clock.monotonic() < over:
        world.caller.pause(POLL_S)
    for route in world.lists():
        answer = world.send(Call("GET", route.path, person, token=token, shown=f" with {what}"))
        yield answer.probe(f"{what} on {route.path}", expected, needs=used)
    like = Call("POST", "", person, token=token, shown=f" with {what}")
    yield from refused_writes(world, "a", Wrong(like, what, expected, used))


def foreign_environment(world: World) -> Probes:
    """SEC-006: a token of another environment is refused: under another key, or made for others with the same one."""
    yield from _variant(world, TokenVariant.FOREIGN_ENVIRONMENT, "a token of another environment")
    yield from _made_for_others(world, "a.owner")


def _made_for_others(world: World, who: str) -> Probes:
    """One key may serve several environments: the signature is good, and issuer, party or audience are not ours."""
    person, expected = world.person(who), answers(world.profile, "session_invalid")
    claims = parts_of(world.caller.wallet.token(person))[1]
    for claim in [name for name in ADDRESSES if name in claims]:
        what = f"a well-signed token of another environment ({claim})"
        try:
            token = world.caller.wallet.signed(person, {claim: ELSEWHERE})
        except OpsError as error:
            yield untried(what, str(error), is_optional=True)
            continue
        for route in world.lists():
            answer = world.send(Call("GET", route.path, person, token=token, shown=f" with {what}"))
            yield answer.probe(f"{what} on {route.path}", expected, needs=f"{who} reads own rows")


def _variant(world: World, variant: TokenVariant, what: str) -> Probes:
    expected = answers(world.profile, "session_invalid")
    for who in ("a.owner", "b.owner"):
        yield (control := reads_own(world, who))
        token = world.caller.wallet.token(world.person(who), variant)
        for route in world.lists():
            answer = world.send(Call("GET", route.path, world.person(who), token=token, shown=f" with {what}"))
            yield answer.probe(f"{what} on {route.path}", expected, needs=control.name)
        like = Call("POST", "", world.person(who), token=token, shown=f" with {what}")
        yield from refused_writes(world, world.person(who).tenant, Wrong(like, what, expected, control.name))
        yield reads_own(world, who)


def tampered(world: World) -> Probes:
    """SEC-005: a token whose claims, algorithm or signature were changed is refused, for the own tenant and for another.

    Every forgery is tried on one list, one of each kind on all of them: routes may verify on their own.
    """
    expected = answers(world.profile, "session_invalid")
    yield (control := reads_own(world, "a.member"))
    yield reads_own(world, "b.owner")
    for name, aim, token in _altered(world):
        asked = Call(
            "GET",
            world.planting_route().path,
            world.person("a.member"),
            token=token,
            organization=aim.organization_id,
            shown=f" with {name}",
        )
        yield world.send(asked).probe(name, expected, needs=control.name)
    yield from _of_our_own_key(world, control.name)
    own = world.person("a.member")
    valid = world.caller.wallet.token(own)
    yield from _everywhere(world, own, shuffled(valid), "a token with two letters swapped", control.name)
    unsigned = next((token for _, token in forgeries(valid, {})), None)
    if unsigned is not None:
        yield from _everywhere(world, own, unsigned, "an unsigned token", control.name)
        like = Call("POST", "", own, token=unsigned, shown=" with an unsigned token")
        yield from refused_writes(world, "a", Wrong(like, "an unsigned token", expected, control.name))
    try:
        token = world.caller.wallet.token(own, TokenVariant.TAMPERED)
    except CannotTell as error:
        yield untried("a token altered by the identity provider's tool", str(error), is_optional=True)
        return
    yield from _everywhere(world, own, token, "a tampered token", control.name)


def _of_our_own_key(world: World, needs: str) -> Probes:
    """Properly signed, by a key that nobody gave us: who takes the key from the token believes whatever it says."""
    own, other = world.person("a.member"), world.person("b.owner")
    try:
        forged = list(resigned(world.caller.wallet.token(own), {"sub": other.user_id, "org_id": other.organization_id}))
    except CannotTell as error:
        yield untried("tokens under a key of our own", str(error), is_optional=True)
        return
    path, expected = world.planting_route().path, answers(world.profile, "session_invalid")
    for name, token in forged:
        call = Call("GET", path, own, token=token, organization=other.organization_id, shown=f" with a token under {name}")
        yield world.send(call).probe(f"a token under {name}", expected, needs=needs)


def _everywhere(world: World, who: Person, token: str, what: str, needs: str) -> Probes:
    for route in world.lists():
        answer = world.send(Call("GET", route.path, who, token=token, shown=f" with {what}"))
        yield answer.probe(f"{what} on {route.path}", answers(world.profile, "session_invalid"), needs=needs)


def _altered(world: World) -> Iterator[tuple[str, Person, str]]:
    own, other = world.person("a.member"), world.person("b.owner")
    valid, foreign = world.caller.wallet.token(own), world.caller.wallet.token(other)
    yield "a token with two letters swapped", own, shuffled(valid)
    yield "a token with another one's signature", own, spliced(valid, foreign)
    aims = {"organisation": {"org_id": other.organization_id}, "user": {"sub": other.user_id, "org_id": other.organization_id}}
    for what, claims in aims.items():
        for name, token in forgeries(valid, claims):
            yield f"{name} ({what} changed)", other, token
