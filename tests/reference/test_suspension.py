"""Suspending a tenant of the running reference service: served before, refused after; a service that remembers is caught."""

import dataclasses
import json
import threading
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from capliquify_ops.cli.app import run
from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator
from capliquify_ops.identity_providers import token_source
from capliquify_ops.preflight.tenant_probe import tenant_probe
from capliquify_ops.tenants import suspend
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.members import members


@pytest.fixture(scope="module")
def running(whole_stack):
    return whole_stack


@pytest.fixture(scope="module")
def target(running):
    return load_settings(running.config, environment={}).targets["running"]


@pytest.fixture
def tenant(target):
    slug = f"t-{uuid.uuid4().hex[:10]}"
    owner = FirstUser(f"user_{slug}", f"{slug}@example.com", "Owner")
    new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", status="active", owner=owner, company="A Ltd")
    with operator(target.operator_url, "test") as session:
        return create(session, target.roles, new, actor="test")


def _probe(target, tenant):
    with operator(target.operator_url, "test") as session, session.transaction():
        people = members(session, tenant)
    return tenant_probe(target, token_source(target.identity, SystemClock()), tenant, people)


@pytest.fixture
def command(running, capsys):
    def call(config, *arguments):
        capsys.readouterr()
        code = run([*arguments, "--config", str(config), "--target", "running", "--yes"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_suspended_tenant_is_refused_at_once(running, target, tenant, command):
    """Asked as the tenant's own member the service serves before, refuses after, and serves again when resumed."""
    probe = _probe(target, tenant)
    assert probe.ask().status == 200
    code, out, err = command(running.config, "tenant", "suspend", tenant.slug, "--reason", "unpaid", "--json")
    assert code == 0, err
    told = json.loads(out)["verification"]
    assert told["verified"]
    assert told["refused_after_s"] < 5
    assert (probe.ask().status, probe.ask().code) == (403, "subscription_suspended")
    assert command(running.config, "tenant", "resume", tenant.slug)[0] == 0
    assert probe.ask().status == 200


class _Remembering(BaseHTTPRequestHandler):
    """Stands before the service and keeps the first good answer of each path and token for ever."""

    kept = None
    upstream = ""

    def do_GET(self):
        key = (self.path, self.headers["Authorization"])
        if key not in self.kept:
            headers = {name: self.headers[name] for name in ("Authorization", "X-Organization-ID")}
            request = urllib.request.Request(self.upstream + self.path, headers=headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.kept[key] = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.kept[key])))
        self.end_headers()
        self.wfile.write(self.kept[key])

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def remembering(running, tmp_path):
    """A configuration whose target reaches the service through a cache that is never told of a suspension."""
    handler = type("Handler", (_Remembering,), {"kept": {}, "upstream": running.base_url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    config = tmp_path / "capliquify-ops.toml"
    config.write_text(running.config.read_text().replace(running.base_url, f"http://127.0.0.1:{server.server_port}"))
    config.chmod(0o600)
    yield config, handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_that_remembers_the_status_is_caught(remembering, running, target, tenant, command, monkeypatch):
    """The row is suspended, the service still serves: that is an error with exit code 17, and not a success."""
    config, handler = remembering
    fixed = _probe(target, tenant).headers
    monkeypatch.setattr("capliquify_ops.preflight.tenant_probe._token", lambda *_: fixed["Authorization"].removeprefix("Bearer "))
    seen = load_settings(config, environment={}).targets["running"]
    assert dataclasses.replace(_probe(seen, tenant), headers=fixed).ask().status == 200
    assert handler.kept
    real = suspend.Verification

    def impatient(probe, refusal, bound_s, *more):
        assert bound_s == 5
        return real(probe, refusal, 1.0, *more)

    monkeypatch.setattr(suspend, "Verification", impatient)
    code, out, err = command(config, "tenant", "suspend", tenant.slug, "--reason", "unpaid")
    assert (code, out) == (17, "")
    assert f"The tenant {tenant.slug!r} is suspended in the database, but after 1 s the service still serves it (200)." in err
    with operator(target.operator_url, "test") as session, session.transaction():
        query = "SELECT subscription_status::text FROM public.tenants WHERE id = %(id)s"
        assert session.value(query, {"id": tenant.id}) == "suspended"


def test_a_target_without_identity_says_that_nothing_was_verified(running, tenant, command, tmp_path):
    """Without a way to ask, the suspension happens and the output says plainly that nobody asked the service."""
    text = running.config.read_text()
    config = tmp_path / "capliquify-ops.toml"
    config.write_text(text[: text.index("[targets.running.identity]")] if "[targets.running.identity]" in text else text)
    config.chmod(0o600)
    code, out, _ = command(config, "tenant", "suspend", tenant.slug, "--reason", "unpaid")
    assert (code, "not verified: The target has no [identity]" in out) == (0, True)
