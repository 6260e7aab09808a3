"""SEC-002 and 003: what chooses the tenant, given more than once, elsewhere, misspelt, or as SQL."""

from collections.abc import Mapping
from urllib.parse import quote

from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.probe import (
    OWN_OR_REFUSED,
    REFUSED,
    SUCCESS,
    CannotTell,
    Expectation,
    Probe,
    Probes,
    answers,
    untried,
)
from capliquify_ops.isolation.routes import NO_HEADER, OTHER, has_header, lacks_own, reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

CARRIERS = (
    "X-Tenant-ID", "X-Tenant", "X-Tenant-Slug", "X-Org-ID", "X-Organization", "X-Clerk-Organization-ID", "X-Schema",
    "X-Forwarded-Host", "X-Forwarded-Organization-ID", "X-Original-Organization-ID",
)  # fmt: skip
PARAMETERS = ("organization_id", "organizationId", "org_id", "org", "tenant", "tenant_id", "tenantId", "schema")
SLOW_S = 2.0
"""The injected pg_sleep asks for three seconds; an answer that takes this long executed it."""


def organization_header(world: World) -> Probes:
    """SEC-002: whatever is done to the organisation header or put beside it, the session's own tenant answers, or nobody."""
    for key in ("a", "b"):
        who = f"{key}.owner"
        yield reads_own(world, who)
        yield from _in_the_header(world, key)
        yield from _elsewhere(world, key)
        yield reads_own(world, who)
    yield from _member_of_both(world)


def _in_the_header(world: World, key: str) -> Probes:
    if has_header(world):
        yield from _other_values(world, key)
        yield from _twice(world, key)
    else:
        yield untried(f"the organisation header of {key}.owner", NO_HEADER, is_optional=True)


def _other_values(world: World, key: str) -> Probes:
    own, other = world.tenant(key).organization_id, world.tenant(OTHER[key]).organization_id
    not_member = answers(world.profile, "not_member")
    unknown = answers(world.profile, "not_member", "no_tenant")
    values: tuple[tuple[str, str, Expectation], ...] = (
        ("the other organisation", other, not_member),
        ("an unknown organisation", f"org_{world.run}_unknown", unknown),
        ("an empty value", "", REFUSED),
        ("the other one in upper case", other.upper(), REFUSED),
        ("the own one in upper case", own.upper(), OWN_OR_REFUSED),
        ("own and other, comma", f"{own},{other}", REFUSED),
        ("other and own, comma", f"{other}, {own}", REFUSED),
        ("own and other, space", f"{own} {other}", REFUSED),
        ("other in quotes", f'"{other}"', REFUSED),
        ("the own one with a slash and the other", f"{own}/../{other}", REFUSED),
        ("the other slug", world.tenant(OTHER[key]).slug, REFUSED),
        ("the other schema", world.tenant(OTHER[key]).schema_name or "public", REFUSED),
        ("the other tenant id", world.tenant(OTHER[key]).id or "0", REFUSED),
        ("a wildcard", "*", REFUSED),
        ("null", "null", REFUSED),
    )
    for name, value, expected in values:
        yield _ask(world, key, organization=value).probe(f"{name} as organisation", expected, needs=f"{key}.owner reads own rows")


def _member_of_both(world: World) -> Probes:
    """Where the token names the organisation, even a member of both needs a new token to change to the other one."""
    if world.profile.organization_claim == "none" or not world.is_throwaway or not has_header(world):
        return
    try:
        both = world.in_both("both", a="member", b="member")
    except CannotTell as error:
        yield untried("a member of both", str(error), is_optional=True)
        return
    path = world.planting_route().path
    for person in both.values():
        control = f"{person.name} with the organisation of the token"
        yield world.send(Call("GET", path, person)).probe(control, SUCCESS, is_control=True)
    for key, person in both.items():
        answer = world.send(Call("GET", path, person, organization=both[OTHER[key]].organization_id))
        needs = f"{person.name} with the organisation of the token"
        yield answer.probe(f"{person.name} with the other organisation", answers(world.profile, "not_member"), needs=needs)


def _twice(world: World, key: str) -> Probes:
    own, other = world.tenant(key).organization_id, world.tenant(OTHER[key]).organization_id
    header = world.profile.organization_header
    if not header:
        return
    for name, first, second in (("own, then other", own, other), ("other, then own", other, own), ("other twice", other, other)):
        # Two spellings of one header name travel as two headers.
        answer = _ask(world, key, organization=None, headers={header.lower(): first, header.upper(): second})
        expected = REFUSED if first == second else OWN_OR_REFUSED
        yield answer.probe(f"the header twice: {name}", expected, needs=f"{key}.owner reads own rows")


def _elsewhere(world: World, key: str) -> Probes:
    other = world.tenant(OTHER[key])
    names = {"organisation": other.organization_id, "id": other.id, "slug": other.slug, "schema": other.schema_name}
    for what, value in names.items():
        for carrier in CARRIERS if value else ():
            yield _own_data(world, key, f"the other {what} in {carrier}", _ask(world, key, headers={carrier: value}))
        for name in PARAMETERS if value else ():
            answer = _ask(world, key, query=f"?{name}={quote(value)}")
            yield _own_data(world, key, f"the other {what} as parameter {name}", answer)


def _own_data(world: World, key: str, name: str, answer: Exchange) -> Probe:
    """The other tenant in a place that chooses nothing: a refusal is fine, an answer must be the own rows."""
    problem = lacks_own(world, f"{key}.owner", answer)
    return answer.probe(name, OWN_OR_REFUSED, problem=problem, needs=f"{key}.owner reads own rows")


def _ask(world: World, key: str, *, query: str = "", headers: Mapping[str, str] | None = None, **call: str | None) -> Exchange:
    path = world.planting_route().path + query
    shown = f" with headers {dict(headers)}" if headers else ""
    person = world.person(f"{key}.owner")
    organization = call.get("organization", person.organization_id)
    return world.send(Call("GET", path, person, organization=organization, headers=dict(headers or {}), shown=shown))


def payloads(schema: str, other: str) -> tuple[str, ...]:
    """Return texts that change what an interpolated `SET search_path` or lookup means; all harmless where they do work."""
    return (
        "'", '"', "''", '""', "\\", "`", ";", "--", "/*", "$$", "%00", "%27", "%22", "%EF%BC%87", "%E2%80%99", "%C0%A7",
        f"{schema}, {other}", f'{schema}","{other}', f'"{other}"', f"{other}--", f"{other};",
        f"'; SET search_path TO {other}; --",
        '"$user"', '"$user", public', "pg_temp", "pg_catalog", "public", "information_schema",
        "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "x' UNION SELECT * FROM products --", "'||(SELECT current_user)||'",
        "'; SELECT pg_sleep(3); --", "'||pg_sleep(3)||'", "1) OR (1=1", "${jndi:x}", "{{7*7}}", "../../etc/passwd", "a" * 180,
    )  # fmt: skip


def injection(world: World) -> Probes:
    """SEC-003: SQL in whatever selects the tenant is never run: no success, no server error, no delay, no foreign row."""
    for key in ("a", "b"):
        who, own, other = f"{key}.owner", world.tenant(key), world.tenant(OTHER[key])
        yield reads_own(world, who)
        texts = payloads(own.schema_name or own.slug, other.schema_name or other.slug)
        yield from _in_header(world, key, texts)
        for text in texts:
            answer = _ask(world, key, query=f"?tenant={quote(text)}&schema={quote(text)}&organization_id={quote(text)}")
            yield answer.probe(
                f"{text[:40]!r} as parameter", OWN_OR_REFUSED, problem=_slow(answer), needs=f"{who} reads own rows"
            )
        yield reads_own(world, who)
    yield from _in_claim(world)


def _in_header(world: World, key: str, texts: tuple[str, ...]) -> Probes:
    organization = world.tenant(key).organization_id
    if not has_header(world):
        yield untried(f"SQL in the organisation header of {key}.owner", NO_HEADER, is_optional=True)
        return
    for text in texts:
        for value in (text, f"{organization}{text}"):
            answer = _ask(world, key, organization=value)
            yield answer.probe(
                f"{value[:60]!r} as organisation", REFUSED, problem=_slow(answer), needs=f"{key}.owner reads own rows"
            )


def _in_claim(world: World) -> Probes:
    """The same texts in a properly signed token, where the identity provider signs them: only then do they reach the lookup."""
    own, other = world.tenant("a"), world.tenant("b")
    owner = world.person("a.owner")
    texts = payloads(own.schema_name or own.slug, other.schema_name or other.slug)
    people = [Person("a.owner", "a", owner.user_id, owner.email, text, "owner", is_member=False) for text in texts]
    try:
        world.caller.wallet.fill(people, ensure=False)
    except OpsError as error:
        yield untried("signed tokens that name no real organisation", str(error), is_optional=True)
        return
    for person in people:
        try:
            token = world.caller.wallet.token(person)
        except CannotTell as error:
            yield untried("signed tokens that name no real organisation", str(error), is_optional=True)
            return
        answer = world.send(Call("GET", world.planting_route().path, person, token=token, shown=" (signed)"))
        yield answer.probe(
            f"{person.organization_id[:40]!r} as signed organisation",
            REFUSED,
            problem=_slow(answer),
            needs="a.owner reads own rows",
        )


def _slow(answer: Exchange) -> str:
    seconds = answer.response.elapsed_ms / 1000
    is_suspect = "pg_sleep" in (answer.call.sent_organization() or "") + answer.call.path
    return f"took {seconds:.1f} s: the injected pg_sleep seems to have run" if is_suspect and seconds > SLOW_S else ""
