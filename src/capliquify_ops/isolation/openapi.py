"""Whether the profile names all that the service has: its own document of routes against the profile's."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import SUCCESS, Probes, noted, untried
from capliquify_ops.isolation.world_model import World

METHODS = ("get", "post", "put", "patch", "delete")
_PARAMETER = re.compile(r"\{[^}]*\}|<[^>]*>|(?<=/):[^/]+")


def route_completeness(world: World) -> Probes:
    """Every path and method of the service's OpenAPI document is covered by a route of the profile: others were not audited."""
    path = world.profile.openapi
    if not path:
        yield untried("the routes of the service", "the profile names no OpenAPI document (http.openapi)", is_optional=True)
        return
    answer = world.send(Call("GET", path))
    if not answer.is_success:
        answer = world.get("a.owner", path)
    listed = list(_operations(answer.document))
    problem = "" if listed or answer.status not in SUCCESS.statuses else "it lists no path"
    if answer.status not in SUCCESS.statuses or problem:
        said = problem or f"it was answered {answer.status}"
        yield untried(f"the routes of {path}", f"{said}, so whether the profile names all routes cannot be told")
        return
    known = {(method, _shape(route.path)) for route in world.profile.routes.values() for method in route.methods}
    left = sorted(f"{method} {one}" for method, one in listed if (method, _shape(one)) not in known and one != path)
    if left:
        yield untried(
            "routes that the profile does not name", f"not audited, since no route of the profile covers them: {', '.join(left)}"
        )
    else:
        yield noted(f"all {len(listed)} operations of {path} are routes of the profile", "", request=answer.call.line())


def _operations(document: object) -> Iterator[tuple[str, str]]:
    """Yield method and path of each operation, the base path of the document's first server before it. Pure."""
    paths = document.get("paths") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(paths, Mapping):
        return
    base = _base(document)
    for path, item in paths.items():
        for method in METHODS if isinstance(item, Mapping) else ():
            if method in item:
                yield method.upper(), base + str(path)


def _base(document: Mapping[str, object]) -> str:
    servers, base = document.get("servers"), document.get("basePath")
    if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
        base = urlsplit(str(servers[0].get("url", ""))).path
    return base.rstrip("/") if isinstance(base, str) else ""


def _shape(path: str) -> str:
    """Return a path with its parameters' names left out."""
    return _PARAMETER.sub("{}", path.rstrip("/") or "/")
