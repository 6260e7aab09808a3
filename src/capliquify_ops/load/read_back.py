"""A new tenant read back as its owner: until it is served, and whether what it is served is a new tenant's, which has no rows."""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.http_client.client import Client, Response
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock

PATIENCE_S = 5.0
"""A tenant that its owner cannot read by then is not read back at all."""
AGAIN_S = 0.02
_OK = 200


@dataclass(frozen=True, slots=True)
class ReadBack:
    """After how many milliseconds the owner was served, None where that never came rightly; `failure` and `wrong` say why.

    `wrong`: rows of others, or rows that nobody wrote.
    """

    ms: float | None
    failure: str = ""
    wrong: str = ""


def read_back(client: Client, path: str, headers: Mapping[str, str], slug: str, clock: Clock) -> ReadBack:
    """Ask for the list at `path` until it is served; `slug` is the tenant's own, a run's prefix with a number."""
    since = clock.monotonic()
    while clock.monotonic() < since + PATIENCE_S:
        if (answer := _asked(client, path, headers)) is not None and answer.status == _OK:
            found = examine(answer.body, slug)
            return found or ReadBack(round((clock.monotonic() - since) * 1000, 3))
        threading.Event().wait(AGAIN_S)
    return ReadBack(None, f"its owner was not served within {PATIENCE_S:g} s")


def examine(body: bytes, slug: str) -> ReadBack | None:
    """Return what is wrong with a new tenant's list, None where it is JSON and holds no row and no other newcomer."""
    run, own = slug.removeprefix("audit-").rsplit("-", 1)
    others = sorted(set(re.findall(rf"{re.escape(run)}-(\d+)", body.decode("utf-8", "replace"))) - {own}, key=int)
    if others:
        return _wrong(f"its owner was served what belongs to tenant {', '.join(others[:10])}")
    try:
        rows = _rows(json.loads(body))
    except (ValueError, RecursionError):
        return ReadBack(None, "its owner was answered 200 and no JSON")
    return _wrong(f"its owner was served {rows} rows of a tenant that has none") if rows else None


def _wrong(why: str) -> ReadBack:
    return ReadBack(None, why, why)


def _asked(client: Client, path: str, headers: Mapping[str, str]) -> Response | None:
    try:
        return client.request("GET", path, headers=headers)
    except OpsError:
        return None


def _rows(data: object) -> int:
    """Return how many objects the outermost list holds that has any."""
    level = [data]
    while level:
        if found := next((len(one) for one in level if isinstance(one, list) and any(isinstance(row, dict) for row in one)), 0):
            return found
        level = [inner for one in level if isinstance(one, dict) for inner in one.values()]
    return 0
