"""How far the way to an address leads: name, connection, certificate; each told apart, since each is mended elsewhere."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

_HTTPS = 443
_HTTP = 80


class Step(StrEnum):
    """What failed on the way."""

    NAME = "name"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Way:
    """The way to `where`: `failed` is the step that ended it, None for a free way; `certificate_days` left, None without TLS."""

    where: str
    failed: Step | None
    says: str
    elapsed_ms: float
    certificate_days: float | None = None


def look_at_way(url: str, now: datetime, *, timeout_s: float, monotonic: Callable[[], float] = time.monotonic) -> Way:
    """Resolve the URL's host, connect, and check its certificate where it has one. Never raises for what it finds."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (_HTTPS if is_tls else _HTTP)
    where, started = f"{host}:{port}", monotonic()

    def way(failed: Step | None, says: str, days: float | None = None) -> Way:
        return Way(where, failed, says, round((monotonic() - started) * 1000, 1), days)

    try:
        addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return way(Step.NAME, f"the name {host} cannot be resolved from here")
    try:
        with socket.create_connection((host, port), timeout_s) as wire:
            days = _days_left(wire, host, now) if is_tls else None
    except ssl.SSLCertVerificationError as error:
        return way(Step.CERTIFICATE, f"{where} shows a certificate that does not hold: {error.verify_message}")
    except (ssl.SSLError, ValueError):
        return way(Step.CERTIFICATE, f"{where} does not speak TLS")
    except TimeoutError:
        return way(Step.CONNECTION, f"{where} did not answer within {timeout_s:g} s")
    except OSError as error:
        return way(Step.CONNECTION, f"{where} cannot be reached: {error.strerror or type(error).__name__}")
    return way(None, f"{where} ({', '.join(addresses[:3])}) accepts connections", days)


def _days_left(wire: socket.socket, host: str, now: datetime) -> float:
    with ssl.create_default_context().wrap_socket(wire, server_hostname=host) as secured:
        ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
    return (datetime.fromtimestamp(ends, UTC) - now).total_seconds() / 86_400
