"""Held ports: nobody else gets them, the server they are held for does."""

import socket
from contextlib import closing

import pytest

from capliquify_ops.model.errors import UsageError
from capliquify_ops.reference import ports


def test_held_port_is_not_given_twice():
    """A second holder of the same port is refused."""
    with closing(ports.hold(0)) as held, pytest.raises(UsageError, match="is in use"):
        ports.hold(held.getsockname()[1])


def test_held_port_takes_no_connections():
    """A held port refuses connections: no client waits for a server that has not started."""
    with closing(ports.hold(0)) as held, closing(socket.socket()) as client:
        assert client.connect_ex(held.getsockname()) != 0


def test_server_joins_the_port_held_for_it():
    """A server that asks for SO_REUSEPORT, as Granian does, listens on the held port and gets every connection."""
    with closing(ports.hold(0)) as held, closing(socket.socket()) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(held.getsockname())
        server.listen()
        for _ in range(10):
            with closing(socket.create_connection(held.getsockname(), timeout=5)):
                server.accept()[0].close()


def test_server_that_shares_with_nobody_is_kept_off():
    """A program that does not ask for SO_REUSEPORT cannot take a held port by accident."""
    with closing(ports.hold(0)) as held, closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
        other.bind(held.getsockname())


@pytest.mark.parametrize("port", [-1, 65_536])
def test_impossible_port_is_refused(port):
    """A number that is no port is a mistake of the call."""
    with pytest.raises(UsageError, match="is not a port"):
        ports.hold(port)


def test_free_port_can_be_bound():
    """A free port is free."""
    with closing(ports.hold(ports.free_port())) as held:
        assert held.getsockname()[0] == "127.0.0.1"
