"""Scenarios about sessions: who is let in, as whom, and how everybody else is refused."""

from concurrent.futures import ThreadPoolExecutor

from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.forged import shuffled
from capliquify_ops.isolation.paging import SHORTEST_PAGE, pages, rows_of
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Expectation, Probes, answers, noted, untried
from capliquify_ops.isolation.refused_writes import Wrong, refused_writes
from capliquify_ops.isolation.routes import NO_HEADER, PAGE, has_header, reads_own
from capliquify_ops.isolation.signed_out import signed_out_tokens
from capliquify_ops.isolation.world_model import World

MALFORMED = ("Basic YXVkaXQ6YXVkaXQ=", "Bearer", "Bearer ", "bearer token of nobody", "Token abc")


def _profile_path(world: World) -> str:
    return world.route("own_profile").path


def _resolves(world: World, answer: Exchange, person: Person) -> str:
    """Return what the profile of a person fails to say, "" when it names the role and the tenant."""
    if answer.status not in SUCCESS.statuses:
        return ""
    if not answer.is_success:
        return "the answer is not JSON"
    said = {value for _, value in leaves(answer.data)}
    tenant = world.tenant(person.tenant)
    if person.role not in said:
        return f"the answer does not say the role {person.role!r}"
    if not said & {tenant.id, tenant.slug, tenant.organization_id, tenant.schema_name}:
        return f"the answer does not name the tenant {tenant.slug!r}"
    return ""


def valid_session(world: World) -> Probes:
    """INT-01: each of several people is resolved to the own role and tenant."""
    for name in ("a.member", "a.admin", "b.owner"):
        answer = world.get(name, _profile_path(world))
        yield answer.probe(f"{name} asks for the own profile", SUCCESS, problem=_resolves(world, answer, world.person(name)))


def missing_authorization(world: World) -> Probes:
    """INT-02: without a bearer token nobody gets in, on any tenant route."""
    yield (control := reads_own(world, "a.member"))
    expected = answers(world.profile, "missing_authorization")
    person = world.person("a.member")
    for route in world.lists():
        answer = world.send(Call("GET", route.path, person, token=None, shown=" without Authorization"))
        yield answer.probe(f"no Authorization on {route.path}", expected, needs=control.name)
    either = answers(world.profile, "missing_authorization", "session_invalid")
    for value in MALFORMED:
        headers = {"Authorization": value.strip()}
        asked = Call("GET", _profile_path(world), person, token=None, headers=headers, shown=" with a malformed Authorization")
        yield world.send(asked).probe("malformed Authorization", either, needs=control.name)
    like = Call("POST", "", person, token=None, shown=" without Authorization")
    yield from refused_writes(world, "a", Wrong(like, "no Authorization", expected, control.name))


def invalid_session(world: World) -> Probes:
    """INT-03: garbage, altered and signed-out tokens are refused, on every list."""
    yield (control := reads_own(world, "a.member"))
    person = world.person("a.member")
    valid = world.caller.wallet.token(person)
    garbage = {
        "a word": "not-a-token",
        "three parts of nothing": "a.b.c",
        "an altered token": shuffled(valid),
        "half a token": valid[: len(valid) // 2],
    }
    expected = answers(world.profile, "session_invalid", "missing_authorization")
    for name, token in garbage.items():
        for route in world.lists():
            answer = world.send(Call("GET", route.path, person, token=token, shown=f" with {name}"))
            yield answer.probe(f"{name} on {route.path}", expected, needs=control.name)
    yield from signed_out_tokens(world, "a.member", control.name)


def missing_organization(world: World) -> Probes:
    """INT-04: a tenant route without the organisation header is refused, on every list."""
    if not has_header(world):
        raise CannotTell(
            f"No request lacks an organisation: {NO_HEADER}.",
            hint='Say so in the profile: [not_applicable] int_04_missing_organization = "...".',
        )
    yield (control := reads_own(world, "a.member"))
    expected = answers(world.profile, "missing_organization")
    for route in world.lists():
        answer = world.send(Call("GET", route.path, world.person("a.member"), organization=None))
        yield answer.probe(f"no organisation on {route.path}", expected, needs=control.name)
    like = Call("POST", "", world.person("a.member"), organization=None)
    yield from refused_writes(world, "a", Wrong(like, "no organisation", expected, control.name))


def not_a_member(world: World) -> Probes:
    """INT-05: somebody who is not a member of the organisation is refused, whatever the own session is good for."""
    yield (control := reads_own(world, "b.owner"))
    yield reads_own(world, "a.owner")
    expected = answers(world.profile, "not_member")
    if has_header(world):
        yield from _member_elsewhere(world, expected, control.name)
    try:
        stranger = world.person("n.stranger")
        world.caller.wallet.token(stranger)
    except CannotTell as error:
        yield untried("a user without any membership", str(error), is_optional=has_header(world))
        return
    answer = world.send(Call("GET", _profile_path(world), stranger))
    yield answer.probe("a user without any membership", expected, needs=control.name)


def _member_elsewhere(world: World, expected: Expectation, needs: str) -> Probes:
    organization = world.tenant("a").organization_id
    for route in world.lists():
        answer = world.send(Call("GET", route.path, world.person("b.owner"), organization=organization))
        yield answer.probe(f"a member of another organisation on {route.path}", expected, needs=needs)
    like = Call("POST", "", world.person("b.owner"), organization=organization)
    yield from refused_writes(world, "a", Wrong(like, "a membership of another organisation", expected, needs))


def no_tenant(world: World) -> Probes:
    """INT-06: an organisation for which no tenant exists is answered as that, and gets none by asking."""
    yield (control := reads_own(world, "a.owner"))
    expected = answers(world.profile, "no_tenant")
    for route in world.lists():
        yield world.get("o.owner", route.path).probe(
            f"an organisation without tenant on {route.path}", expected, needs=control.name
        )


def first_login(world: World) -> Probes:
    """INT-08: the first request of a new member makes the user once, also when two requests arrive at the same time."""
    yield (control := reads_own(world, "a.owner"))
    before = world.get("a.owner", world.route("users").path + PAGE)
    unlisted = "" if _count(world, before, world.person("a.owner")) else "the list does not hold a.owner"
    yield before.probe("a.owner reads the list of users", SUCCESS, problem=unlisted, is_control=True)
    person = world.newcomer("a")
    known = _count(world, before, person)
    yield noted("the newcomer is not in the list yet", f"listed {known} times" if known else "", is_control=True)
    with ThreadPoolExecutor(2) as pool:
        logins = list(pool.map(lambda _: world.send(Call("GET", _profile_path(world), person)), range(2)))
    for number, answer in enumerate(logins, 1):
        yield answer.probe(
            f"first login, request {number}", SUCCESS, problem=_resolves(world, answer, person), needs=control.name
        )
    after = world.get("a.owner", world.route("users").path + PAGE)
    times = _count(world, after, person)
    yield after.probe("the list of users holds the newcomer once", SUCCESS, problem="" if times == 1 else f"listed {times} times")


def _count(world: World, first: Exchange, person: Person) -> int:
    """Return in how many rows of the list of users somebody is: on its first page, or on all where there may be more."""
    is_more = first.is_success and len(rows_of(first.data)) >= SHORTEST_PAGE
    listed = pages(world, "a.owner", world.route("users").path) if is_more else [first]
    rows = {str(row["id"]): row for page in listed for row in objects(page.data)}
    return sum(1 for row in rows.values() if person.email in row.values() or person.user_id in row.values())
