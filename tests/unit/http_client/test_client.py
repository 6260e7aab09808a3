"""The HTTP client against real sockets: bounded, mapped errors, never a surprise."""

import gzip
import http.server
import socket
import threading
import time

import pytest

from capliquify_ops.http_client import Client
from capliquify_ops.http_client import client as module
from capliquify_ops.model.errors import IntegrationFailed, TargetUnreachable


class Quiet(http.server.ThreadingHTTPServer):
    """Clients of these tests hang up half-way on purpose."""

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def serve():
    """Serves one prepared answer; returns the base address and the requests seen."""
    servers = []

    def make(status=200, headers=(), body=b"{}", wait_for=None):
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append((self.path, dict(self.headers)))
                if wait_for is not None:
                    wait_for.wait(10)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", seen

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_answer_arrives_whole(serve):
    """Status, headers in lower case, body and time arrive; the client's headers and the request's own are both sent."""
    url, seen = serve(201, [("X-Thing", "a")], b'{"n": 1}')
    with Client(url, headers={"X-Run": "r1"}) as client:
        answer = client.request("GET", "/x?y=1", headers={"X-More": "m"})
    assert (answer.status, answer.headers["x-thing"], answer.json()) == (201, "a", {"n": 1})
    assert answer.elapsed_ms > 0
    assert seen[0][0] == "/x?y=1"
    assert (seen[0][1]["X-Run"], seen[0][1]["X-More"]) == ("r1", "m")


def test_html_is_not_json(serve):
    """An HTML page where JSON was expected names the content type."""
    url, _ = serve(200, [("Content-Type", "text/html")], b"<html>")
    with Client(url) as client, pytest.raises(IntegrationFailed, match="text/html"):
        client.request("GET", "/").json()


@pytest.mark.parametrize("location", ["http://elsewhere.example.com/x", "//elsewhere.example.com/x"])
def test_a_redirect_elsewhere_is_refused(serve, location):
    """A redirect is never followed, and one to another host is named."""
    url, seen = serve(302, [("Location", location)], b"")
    with Client(url) as client:
        answer = client.request("GET", "/")
        with pytest.raises(IntegrationFailed, match="another host"):
            client.require_same_host(answer)
    assert len(seen) == 1


def test_a_redirect_at_home_is_an_answer(serve):
    """A redirect on the same host is an answer like any other."""
    url, _ = serve(302, [("Location", "/login")], b"")
    with Client(url) as client:
        assert client.require_same_host(client.request("GET", "/")).status == 302


def test_nobody_there():
    """A refused connection is TargetUnreachable with the address."""
    with Client("http://127.0.0.1:1") as client, pytest.raises(TargetUnreachable, match=r"127.0.0.1:1"):
        client.request("GET", "/")


def test_too_slow(serve):
    """An answer later than the time-out is TargetUnreachable."""
    release = threading.Event()
    url, _ = serve(wait_for=release)
    started = time.monotonic()
    with Client(url, timeout_s=0.2) as client, pytest.raises(TargetUnreachable, match="in time"):
        client.request("GET", "/")
    assert time.monotonic() - started < 5
    release.set()


def test_a_connection_cut_half_way():
    """A server that closes in the middle of its answer is TargetUnreachable, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with Client(f"http://127.0.0.1:{server.getsockname()[1]}") as client, pytest.raises(TargetUnreachable):
            client.request("GET", "/")


def test_a_body_that_cannot_be_decoded(serve):
    """A body that is not the gzip it claims to be is IntegrationFailed."""
    url, _ = serve(200, [("Content-Encoding", "gzip")], b"not gzip")
    with Client(url) as client, pytest.raises(IntegrationFailed, match="decoded"):
        client.request("GET", "/")


def test_an_endless_body_is_not_read(serve, monkeypatch):
    """More than the limit of one answer is refused, compressed or not."""
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    url, _ = serve(200, [("Content-Encoding", "gzip")], gzip.compress(b"x" * 100_000))
    with Client(url) as client, pytest.raises(IntegrationFailed, match="more than 1000 bytes"):
        client.request("GET", "/")


def test_proxies_of_the_environment_are_not_used(serve, monkeypatch):
    """A proxy in the environment does not get to see the target's tokens."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    url, _ = serve()
    with Client(url) as client:
        assert client.request("GET", "/").status == 200


@pytest.fixture
def forgetful():
    """A server that closes its first connection without a word and answers on the next ones; gives its address and requests."""
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65_536).split(b" ", 1)[0])
                if len(seen) > 1:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
        listening.shutdown(socket.SHUT_RDWR)


def test_a_reading_request_survives_a_closed_connection(forgetful):
    """A server that closes a connection at the wrong moment is asked again, once."""
    address, seen = forgetful
    with Client(address) as client:
        assert client.request("GET", "/x").status == 200
    assert seen == [b"GET", b"GET"]


def test_a_writing_request_is_never_repeated(forgetful):
    """Nobody knows whether a POST without an answer was done: it is an error, and sent once."""
    address, seen = forgetful
    with Client(address) as client, pytest.raises(TargetUnreachable):
        client.request("POST", "/x", json={})
    assert seen == [b"POST"]


@pytest.fixture
def trickle():
    """Serves an answer of a kind that goes on for ever, piece by piece, until the client hangs up."""
    servers = []

    def make(kind):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                while True:
                    self.wfile.write(b"data: more\n\n")
                    self.wfile.flush()
                    time.sleep(0.005)

            def log_message(self, *_):
                pass

        server = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def test_of_a_stream_the_first_piece_is_read(trickle):
    """An event stream does not end: what came first is the answer."""
    with Client(trickle("text/event-stream; charset=utf-8")) as client:
        assert client.request("GET", "/events").body.startswith(b"data: more")


def test_an_answer_that_trickles_for_ever_is_left(trickle, monkeypatch):
    """Each piece comes in time and the end never does: the whole answer has a limit of its own."""
    monkeypatch.setattr(module, "LONGEST_ANSWER_S", 0.1)
    with Client(trickle("text/plain")) as client, pytest.raises(TargetUnreachable, match="did not end its answer"):
        client.request("GET", "/")
