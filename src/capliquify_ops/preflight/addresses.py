"""Class loopback is a promise about addresses, so it is checked on addresses."""

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from capliquify_ops.configuration import Target, TargetClass
from capliquify_ops.database.dsn import parts, reached
from capliquify_ops.model.errors import TargetForbids


def require_loopback(target: Target) -> None:
    """Refuse a target of class loopback with an address elsewhere. Raises TargetForbids."""
    if target.kind is not TargetClass.LOOPBACK:
        return
    for setting, host in _hosts(target):
        if not is_loopback(host):
            raise TargetForbids(
                f"Target {target.name!r} is of class loopback, but its {setting} leads to {host}.",
                hint='Use class = "staging" for a system elsewhere that may be attacked and loaded.',
            )


def _hosts(target: Target) -> Iterator[tuple[str, str]]:
    pooler = target.integrations.get("pgbouncer")
    console = pooler.secrets.get("url") if pooler else None
    for setting, secret in (
        ("database_url", target.database_url),
        ("operator_url", target.operator_url),
        ("integrations.pgbouncer", console),
    ):
        if secret is not None:
            if "service" in parts(secret):
                yield setting, "a service of libpq's, whose address is not in it"
            found = reached(secret)
            for key in ("host", "hostaddr"):
                yield from ((setting, host) for host in found.get(key, "").split(",") if host)
    for setting, url in (("base_url", target.base_url), ("prometheus_url", target.prometheus_url)):
        if url:
            yield setting, urlsplit(url).hostname or ""
    for name, integration in target.integrations.items():
        if "base_url" in integration.options:
            url = integration.options["base_url"]
            yield f"integrations.{name}", urlsplit(url).hostname or "" if url else "the service itself"


def is_loopback(host: str) -> bool:
    """Whether every address of a host is loopback; a path is a local socket, a name without address is not."""
    if host.startswith(("/", "@")):
        return True
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(address).split("%")[0]).is_loopback for address in found)
