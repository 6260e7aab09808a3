"""The stock service on a database of an embedded server, and worlds of the audit on it."""

import dataclasses
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from capliquify_ops.configuration import load_profile, load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.configuration.target import Identity
from capliquify_ops.database import fill, operator
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation import build_world
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference.preparation import SEPARATE_RIGHTS

HERE = Path(__file__).parent
ISSUER = "https://stock.example.com"
DIRECTORY = """
CREATE FUNCTION public.stock_organization(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS 'SELECT t.clerk_organization_id FROM public.tenants AS t WHERE t.slug = $1';
REVOKE ALL ON FUNCTION public.stock_organization(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stock_organization(text) TO :"app";
"""

AUDITOR = 'GRANT :"app" TO :"operator"; GRANT pg_signal_backend, pg_read_all_stats TO :"operator"'
"""What an audit's operator needs: to act as the service's role, and to see and signal its sessions."""


@pytest.fixture(scope="module")
def database():
    """A server with the product's schema, a directory of workspaces by slug, an operator who may audit, and no service."""
    with embedded.start(service=False) as running:
        names = _target(running, "").roles.names()
        with operator(Secret(running.superuser_url), "test") as session, session.transaction():
            inherited = " WITH INHERIT TRUE" if session.server_major >= SEPARATE_RIGHTS else ""
            session.script(fill(DIRECTORY + AUDITOR + inherited, names))
        yield running


@pytest.fixture(scope="module")
def keys():
    """Two signing keys: the service's environment, and another one."""
    made = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    private = [
        one.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for one in made
    ]
    public = made[0].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private[0].decode(), private[1].decode(), public.decode()


@pytest.fixture(scope="module")
def stock_world(database, keys, tmp_path_factory):
    """Start the service with defects and build a world on it."""

    @contextmanager
    def build(*defects, pool=4, ways=("HEADER",), http=(), **options):
        folder = tmp_path_factory.mktemp("stock")
        with _served(folder, database.app_url, keys, {"defects": defects, "ways": ways, "pool": pool}) as base_url:
            clock = SystemClock()
            target = _target(database, base_url)
            target = dataclasses.replace(target, profile=dataclasses.replace(target.profile, **dict(http)))
            target = dataclasses.replace(target, identity=Identity("command", {"command": _command(folder, keys, base_url)}))
            with build_world(target, token_source(target.identity, clock), new_run(), clock, **options) as world:
                yield world
            assert world.leftovers == []

    return build


@contextmanager
def _served(folder, database_url, keys, options):
    settings = {"database_url": database_url, "public_key": keys[2], "issuer": ISSUER, **options}
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, str(HERE / "service.py"), str(folder / "settings.json")]
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait(10)


def _target(database, base_url):
    target = load_settings(database.config, environment={}).targets["running"]
    return dataclasses.replace(target, base_url=base_url, profile=load_profile(str(HERE / "stock.toml"), HERE))


def _command(folder, keys, base_url):
    document = {
        "key": keys[0],
        "other_key": keys[1],
        "issuer": ISSUER,
        "base_url": base_url,
        "members": str(folder / "members.json"),
    }
    (folder / "keys.json").write_text(json.dumps(document))
    return [sys.executable, str(HERE / "tokens.py"), str(folder / "keys.json")]
