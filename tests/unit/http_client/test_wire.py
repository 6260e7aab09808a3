"""A request on a connection of its own: sent in parts, read slowly, cut off."""

import socket
import threading

import pytest

from capliquify_ops.http_client import Wire, await_answers
from capliquify_ops.model.errors import TargetUnreachable


@pytest.fixture
def listener():
    """A server that is played by the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


def _wire(listener, **given):
    return Wire(f"http://127.0.0.1:{listener.getsockname()[1]}/base", "POST", "/x", {"X-A": "1"}, timeout_s=2, **given)


def _read(peer, size):
    found = b""
    while len(found) < size:
        found += peer.recv(size - len(found))
    return found


def test_a_request_goes_out_in_parts(listener):
    """Nothing is sent before it is told to, each part once; the positions are those of the line's and the head's end."""
    with _wire(listener, json_body={"a": 1}) as wire, listener.accept()[0] as peer:
        wire.send(wire.line_end)
        assert _read(peer, wire.line_end) == b"POST /base/x HTTP/1.1\r\n"
        wire.send(wire.head_end)
        head = _read(peer, wire.head_end - wire.line_end)
        assert head.endswith(b"\r\n\r\n")
        assert b"X-A: 1\r\n" in head
        assert b"Content-Length: 8\r\n" in head
        wire.send()
        assert _read(peer, wire.length - wire.head_end) == b'{"a": 1}'


def test_an_answer_is_read_whole_also_when_begun_before(listener):
    """The first byte that a slow reader took is part of the body."""
    with _wire(listener, is_slow=True) as wire, listener.accept()[0] as peer:
        wire.send()
        peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-B: 2\r\n\r\n")
        peer.sendall(b"he")
        assert wire.begin() == 201
        peer.sendall(b"llo")
        answer = wire.answer()
    assert (answer.status, answer.body, answer.headers["x-b"]) == (201, b"hello", "2")


def test_a_cut_is_a_reset(listener):
    """The server is told at once that nobody reads its answer."""
    wire = _wire(listener)
    with listener.accept()[0] as peer:
        peer.settimeout(5)
        wire.send()
        _read(peer, wire.length)
        wire.cut()
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_answers_are_waited_for_until_there_are_enough(listener):
    """As many as wanted are enough; time that is up is said."""
    with _wire(listener) as one, listener.accept()[0] as peer, _wire(listener) as other, listener.accept()[0]:
        assert not await_answers([one, other], 0.01, wanted=1)
        threading.Timer(0.01, peer.sendall, [b"HTTP/1.1 204 No Content\r\n\r\n"]).start()
        assert await_answers([one, other], 5, wanted=1)
        assert not await_answers([one, other], 0.01)


def test_nobody_there_is_unreachable(listener):
    """A refused connection, and one that is closed without an answer, are told as such."""
    with _wire(listener) as wire:
        listener.accept()[0].close()
        with pytest.raises(TargetUnreachable, match="hung up"):
            wire.answer()
    listener.close()
    with pytest.raises(TargetUnreachable, match="hung up"):
        Wire("http://127.0.0.1:1", "GET", "/", {})
