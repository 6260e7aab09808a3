"""Ports on loopback: a free one for PostgreSQL, and one held for a server that would start on a used port without a word."""

import errno
import socket
from contextlib import closing

from capliquify_ops.model.errors import UsageError

HOST = "127.0.0.1"
_LAST = 65_535


def free_port() -> int:
    """Return a port that nobody uses at this moment. Its next user may be faster: be ready to try another."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def hold(port: int) -> socket.socket:
    """Bind a port (0: any) without listening, so that only a server of this user that asks for SO_REUSEPORT can join.

    Raises UsageError when the port is in use. The option is set after binding: set before, it would let us join another's.
    """
    if not 0 <= port <= _LAST:
        raise UsageError(f"{port} is not a port.", hint=f"Choose one from 1 to {_LAST}, or 0 for any.")
    held = _bound(port, reuse=False)
    if held is None and port:
        # Closed connections of an earlier run keep a port from being bound for a minute; a listener refuses this, too.
        held = _bound(port, reuse=True)
    if held is None:
        raise UsageError(f"Port {port} on {HOST} is in use.", hint="Choose another with --port, or leave it out.")
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return held


def _bound(port: int, *, reuse: bool) -> socket.socket | None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        message = f"Port {port} on {HOST} cannot be used: {error.strerror}."
        raise UsageError(message, hint="Ports below 1024 need rights.") from error
    return bound
