"""What the headers of an answer say about caches: that it came out of one, and that one for everybody may keep it. Pure."""

import re
from collections.abc import Mapping

_HIT_HEADERS = ("x-cache", "x-cache-status", "cf-cache-status", "x-proxy-cache", "x-varnish-cache", "cdn-cache", "cache-status")
_HIT = re.compile(r"\bhit\b", re.IGNORECASE)
_SECONDS = re.compile(r"\b(s-maxage|max-age)\s*=\s*\"?(\d+)")


def is_hit(headers: Mapping[str, str], own_header: str) -> bool:
    """Whether an answer came out of a cache: the service's own header, or one that caches commonly set, says so."""
    named = [headers.get(name, "") for name in (own_header.lower(), *_HIT_HEADERS) if name]
    return headers.get("age", "0").strip() not in {"0", ""} or any(_HIT.search(value) for value in named)


def shared_storage(headers: Mapping[str, str]) -> str:
    """Return why a shared cache may give this answer, made for one caller, to another one; "" where it may not.

    Without `public` or `s-maxage` a shared cache keeps no answer to a request with credentials (RFC 9111, 3.5). Kept apart by
    credentials (Vary), or asked about each time, it is given to nobody else.
    """
    said = headers.get("cache-control", "").lower()
    names = {part.split("=")[0].strip() for part in said.split(",")}
    varies = {part.strip().lower() for part in headers.get("vary", "").split(",")}
    seconds = {name: int(value) for name, value in _SECONDS.findall(said)}
    if names & {"private", "no-store", "no-cache"} or varies & {"*", "authorization"} or not names & {"public", "s-maxage"}:
        return ""
    if seconds.get("s-maxage", seconds.get("max-age", 1)) == 0:
        return ""
    return f"shared caches may keep it for everybody: Cache-Control: {said[:80]}, and Vary does not name Authorization"
