"""SEC-020: whoever comes over plain HTTP is redirected to HTTPS or refused."""

from urllib.parse import urlsplit

from capliquify_ops.configuration import Route
from capliquify_ops.http_client import Client, Response
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.probe import SUCCESS, Expectation, Probe, Probes, noted
from capliquify_ops.isolation.routes import NOT_WRITES, PAGE, has_row_with, reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import TargetUnreachable

PLAIN_PORT = 80
SPOKEN = "http"
"""What a proxy says of a caller over plain HTTP. Lists and other spellings mean different things to different frameworks."""
_REFUSALS = frozenset({400, 403, 404, 410, 421, 426})
TURNED_AWAY = Expectation("a redirect to https or a refusal", frozenset(range(300, 400)) | _REFUSALS)
HSTS = "strict-transport-security"


def plain_http(world: World) -> Probes:
    """SEC-020: behind a proxy by what it says of the caller; where the target speaks HTTPS, by asking without it as well."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    yield from _behind_a_proxy(world)
    if urlsplit(world.target.base_url).scheme == "https":
        yield from _strict_transport(world)
        yield from _plain_port(world)


def _behind_a_proxy(world: World) -> Probes:
    for route in world.lists():
        who, needs = "a.owner", f"over HTTPS: GET {route.path}"
        control = _sent(world, route, who, "https")
        if not control.is_success:
            continue  # not served to this tenant either way
        yield control.probe(needs, SUCCESS, is_control=True)
        answer = _sent(world, route, who, SPOKEN)
        problem = "it holds the tenant's own data" if answer.own else _wrong_redirect(answer.response)
        yield answer.probe(f"over {SPOKEN}: GET {route.path}", TURNED_AWAY, problem=problem, needs=needs)
    yield from _written(world)


def _sent(world: World, route: Route, who: str, said: str) -> Exchange:
    headers = {"X-Forwarded-Proto": said}
    return world.send(
        Call("GET", route.path + PAGE, world.person(who), headers=headers, shown=f" with X-Forwarded-Proto: {said}")
    )


def _wrong_redirect(answer: Response) -> str:
    """Return what is wrong about where a redirect leads, "" for an answer that is none."""
    location = answer.headers.get("location", "")
    return "" if answer.status // 100 != 3 or location.startswith("https://") else "the redirect does not lead to https"  # noqa: PLR2004


def _written(world: World) -> Probes:
    """A write over plain HTTP, too: it is refused, and no row is made."""
    route = world.planting_route()
    content, canary = world.draft("a", route, "over plain HTTP")
    call = Call("POST", route.path, world.person("a.owner"), json=content, headers={"X-Forwarded-Proto": SPOKEN},
                shown=f" with X-Forwarded-Proto: {SPOKEN}")  # fmt: skip
    answer = world.send(call)
    needs = f"over HTTPS: GET {route.path}"
    yield answer.probe(f"over http: POST {route.path}", TURNED_AWAY, problem=_wrong_redirect(answer.response), needs=needs)
    made = has_row_with(world, "a.owner", canary.token)
    if made and isinstance(answer.data, dict) and "id" in answer.data:
        world.uproot([world.remember("a", route, str(answer.data["id"]), canary)])
    yield noted("the row sent over plain HTTP", "it was made" if made else "", request=call.line(), needs=needs)


def _strict_transport(world: World) -> Probes:
    """Over HTTPS browsers are told to stay there."""
    answer = world.get("a.owner", world.planting_route().path)
    problem = "" if _max_age(answer.response.headers.get(HSTS, "")) else f"the answer has no {HSTS} header with a max-age"
    yield answer.probe("HTTPS answers name HSTS", SUCCESS, problem=problem, needs="a.owner reads own rows")


def _max_age(value: str) -> int:
    ages = [part.partition("=")[2].strip(' "') for part in value.lower().split(";") if part.strip().startswith("max-age")]
    return int(ages[0]) if ages and ages[0].isascii() and ages[0].isdigit() else 0


def _plain_port(world: World) -> Probes:
    """Ask the target's host without encryption, as nobody: no token is ever sent that way."""
    host = urlsplit(world.target.base_url).hostname or ""
    address = f"http://[{host}]:{PLAIN_PORT}" if ":" in host else f"http://{host}:{PLAIN_PORT}"
    for route in [one for one in world.profile.routes.values() if one.surface not in NOT_WRITES and "GET" in one.methods][:5]:
        path = route.path.replace("{id}", "0")
        with Client(address) as client:
            yield _plain_answer(client, path, address)


def _plain_answer(client: Client, path: str, address: str) -> Probe:
    name, needs = f"plain HTTP: GET {path}", "a.owner reads own rows"
    request = f"GET {address}{path} as nobody"
    try:
        answer = client.request("GET", path)
    except TargetUnreachable:
        return noted(f"{name} is not answered", "", request=request, needs=needs)
    return Probe(name, request, TURNED_AWAY, answer.status, problem=_wrong_redirect(answer), needs=needs)
