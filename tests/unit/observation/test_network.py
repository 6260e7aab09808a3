"""The way to an address: each step of it broken for real, and named."""

import contextlib
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest

from capliquify_ops.observation.network import Step, look_at_way

NOW = datetime.now(UTC)


@pytest.fixture
def listening():
    """Listens on loopback and answers nothing; gives the port. With a context it speaks TLS."""
    with contextlib.ExitStack() as stack:

        def listen(context=None):
            server = stack.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", 0))))

            def accept():
                with contextlib.suppress(OSError):
                    while True:
                        wire, _ = server.accept()
                        with contextlib.suppress(OSError), wire:
                            if context:
                                context.wrap_socket(wire, server_side=True).close()

            threading.Thread(target=accept, daemon=True).start()
            return server.getsockname()[1]

        yield listen


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that ends in ten days, and nobody signed."""
    key, found = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", found, "-days", "10"]
    subprocess.run([*command, "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(found, key)
    return found, context


def test_a_free_way(listening):
    """Somebody listens: the address is named, nothing failed."""
    port = listening()
    way = look_at_way(f"http://127.0.0.1:{port}", NOW, timeout_s=2)
    assert (way.failed, way.where, way.certificate_days) == (None, f"127.0.0.1:{port}", None)
    assert "127.0.0.1" in way.says


@pytest.mark.parametrize(
    ("url", "failed", "says"),
    [
        ("http://nobody.invalid", Step.NAME, "cannot be resolved"),
        ("http://" + "a" * 70 + ".example", Step.NAME, "cannot be resolved"),
        ("http://127.0.0.1:1", Step.CONNECTION, "Connection refused"),
    ],
)
def test_a_way_that_ends(url, failed, says):
    """A name that nobody knows and a port at which nobody listens are told apart."""
    way = look_at_way(url, NOW, timeout_s=2)
    assert (way.failed, says in way.says) == (failed, True), way


def test_certificates(listening, certificate, monkeypatch):
    """One that nobody signed does not hold; trusted it does, for so many days; a server without TLS is no such server."""
    found, context = certificate
    port = listening(context)
    way = look_at_way(f"https://127.0.0.1:{port}", NOW, timeout_s=2)
    assert way.failed is Step.CERTIFICATE
    assert "does not hold" in way.says
    monkeypatch.setenv("SSL_CERT_FILE", str(found))
    way = look_at_way(f"https://127.0.0.1:{port}", NOW + timedelta(days=3), timeout_s=2)
    assert (way.failed, round(way.certificate_days)) == (None, 7)
    way = look_at_way(f"https://localhost:{port}", NOW, timeout_s=2)
    assert way.failed is Step.CERTIFICATE
    assert look_at_way(f"https://127.0.0.1:{listening()}", NOW, timeout_s=2).failed is not None
