"""Over TLS a request that names another host than the address gets a connection in that host's name, and only that."""

import ipaddress
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from capliquify_ops.configuration import Target, TargetClass, load_profile
from capliquify_ops.http_client import Client, Wire
from capliquify_ops.http_client import client as client_module
from capliquify_ops.http_client import wire as wire_module
from capliquify_ops.http_client.client import other_name
from capliquify_ops.load import Caller, Plan, reads, run_load
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.model.secret import Secret

NAMES = ("a.app.example.com", "b.app.example.com")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for two hosts and for the loopback address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    names = [*map(x509.DNSName, NAMES), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.connection.asked, self.headers["Host"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def server(certificate, monkeypatch):
    """A TLS server that notes, for each request, for which name its connection was opened, and the request's Host."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads, running.seen = True, []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, _: setattr(connection, "asked", name)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    trust = ssl.create_default_context(cafile=certificate)
    for module in (client_module, wire_module):
        monkeypatch.setattr(module, "trusted", lambda: trust)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running.url = f"https://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_each_name_has_its_own_connections(server):
    """The name in TLS is the request's Host, also when connections are kept between requests to several hosts."""
    with Client(server.url) as client:
        for name in (*NAMES, *NAMES):
            assert client.request("GET", "/", headers={"Host": name}).status == 200
        client.request("GET", "/")
    own = server.url.removeprefix("https://")
    assert server.seen == [*((name, name) for name in (*NAMES, *NAMES)), (None, own)]


def test_the_name_of_a_wire(server):
    """A request on a connection of its own says the name too."""
    with Wire(server.url, "GET", "/", {"Host": NAMES[1]}) as wire:
        wire.send()
        assert wire.answer().status == 200
    assert server.seen == [(NAMES[1], NAMES[1])]


def test_a_certificate_that_nobody_signed_is_told_from_a_service_that_is_down(server, monkeypatch):
    """What is wrong with it, in one sentence; nothing was asked over it, and no generator of a load was started."""
    strange = ssl.create_default_context()
    monkeypatch.setattr(client_module, "trusted", lambda: strange)
    with Client(server.url) as client, pytest.raises(TargetUnreachable, match="does not hold: self-signed certificate"):
        client.request("GET", "/")
    caller = Caller(Secret("token"), {}, "sku-a-")
    plan = Plan(server.url, 10, 1, (caller,), reads("/"), connections=4)
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", Path()), base_url=server.url)
    with pytest.raises(TargetUnreachable, match="does not hold: self-signed certificate"):
        run_load(plan, target=target)
    assert server.seen == []
    assert not [each for each in psutil.Process().children() if "capliquify_ops.load.worker" in each.cmdline()]


@pytest.mark.parametrize(
    ("base_url", "host", "name"),
    [
        ("https://app.example.com", "a.app.example.com:8443", "a.app.example.com"),
        ("https://app.example.com", "APP.example.com", ""),
        ("https://app.example.com", "a';--.app.example.com", ""),
        ("https://app.example.com", "a" * 300, ""),
        ("http://app.example.com", "a.app.example.com", ""),
    ],
)
def test_which_name_is_said(base_url, host, name):
    """Only a name that a host can have is said in TLS, and only where it is another one."""
    assert other_name(base_url, {"Host": host}) == name
