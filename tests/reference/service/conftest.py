"""One embedded stack for all tests that leave it running, and tenants with a user per role to speak as."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from capliquify_ops.reference import keys, stack, token_settings

ROLES = ("owner", "admin", "member", "viewer")


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> object:
    """Polls until the condition gives something true; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return result


def claims_of(issuer: str, party: str, user: str, organization: str | None, **other: object) -> dict[str, object]:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": user,
        "sid": f"sess_{uuid.uuid4().hex}",
        "azp": party,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    claims |= ({"org_id": organization} if organization else {}) | other
    return {name: value for name, value in claims.items() if value is not None}


class Running:
    """A running stack with its token keys and a client."""

    def __init__(self, started: stack.Stack) -> None:
        self.stack = started
        self.settings = token_settings.load(started.run_folder)
        self.keys = {
            name: load_pem_private_key((started.run_folder / name).read_bytes(), None) for name in (keys.SIGNING, keys.FOREIGN)
        }
        # Over plain HTTP nothing is verified, and to read the certificates of the authorities takes 45 ms.
        self.http = httpx.Client(base_url=started.base_url, timeout=20, verify=False)
        self._superuser: psycopg.Connection | None = None

    def token(self, user: str, organization: str | None, key: str = keys.SIGNING, **other: object) -> str:
        claims = claims_of(self.settings.issuer, self.settings.authorized_party, user, organization, **other)
        return jwt.encode(claims, self.keys[key], algorithm="RS256", headers={"kid": keys.KEY_ID})

    def sql(self, statement: str, parameters: dict | None = None) -> list[tuple]:
        """Runs a statement as superuser, on a connection that is kept: to open one takes longer than most statements."""
        if self._superuser is None:
            self._superuser = psycopg.connect(self.stack.superuser_url, autocommit=True)
        cursor = self._superuser.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self.http.close()
        self.forget_connection()

    def forget_connection(self) -> None:
        """The next statement opens one of its own."""
        if self._superuser is not None:
            self._superuser.close()
        self._superuser = None

    def tenant(
        self, tier: str = "enterprise", status: str = "active", max_users: int | None = None, *, serials: bool = False
    ) -> "Tenant":
        name = f"t{uuid.uuid4().hex[:12]}"
        [(identifier, schema)] = self.sql(
            "INSERT INTO public.tenants (slug, name, clerk_organization_id, subscription_tier, subscription_status, trial_ends_at, max_users)"
            " VALUES (%(n)s::text, %(n)s::text, %(o)s, %(t)s, %(s)s, now() + interval '14 days', %(m)s) RETURNING id::text, schema_name",
            {"n": name, "o": f"org_{name}", "t": tier, "s": status, "m": max_users},
        )
        provision = "reference_service" if serials else "public"
        self.sql(f"SELECT {provision}.create_tenant_schema(%(id)s::uuid)", {"id": identifier})
        self.sql(
            "INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role)"
            " SELECT u, u || '@x.test', u, %(t)s::uuid, r::public.user_role FROM unnest(%(r)s::text[]) AS r, concat(r, '_org_', %(n)s::text) AS u",
            {"n": name, "t": identifier, "r": list(ROLES)},
        )
        return Tenant(self, identifier, f"org_{name}", schema)

    def make_member(self, organization: str, user: str, role: str) -> None:
        answer = httpx.put(
            f"{self.settings.identity_url}/organizations/{organization}/memberships/{user}",
            json={"email": f"{user}@x.test", "full_name": user, "role": role},
            headers={"Authorization": f"Bearer {self.settings.admin_token}"},
            verify=False,
        )
        assert answer.status_code == 200

    def metric(self, name: str) -> float:
        return sum(
            float(line.rpartition(" ")[2]) for line in self.http.get("/metrics").text.splitlines() if line.startswith(name)
        )


@dataclass
class Tenant:
    """A tenant with one user per role."""

    running: Running
    id: str
    organization: str
    schema: str

    def headers(self, role: str = "owner", **claims: object) -> dict[str, str]:
        return self.headers_of(f"{role}_{self.organization}", **claims)

    def headers_of(self, user: str, **claims: object) -> dict[str, str]:
        token = self.running.token(user, self.organization, **claims)
        return {"Authorization": f"Bearer {token}", "X-Organization-ID": self.organization}

    def update(self, change: str) -> None:
        self.running.sql(f"UPDATE public.tenants SET {change} WHERE id = %(id)s", {"id": self.id})

    def audit(self) -> list[tuple[str, dict]]:
        statement = "SELECT action, metadata FROM public.audit_logs WHERE tenant_id = %(id)s ORDER BY created_at"
        return self.running.sql(statement, {"id": self.id})

    def product(self, sku: str | None = None) -> str:
        answer = self.running.http.post(
            "/api/products", json={"sku": sku or uuid.uuid4().hex, "name": "Bolt"}, headers=self.headers()
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]


class Outage:
    """The stack's PostgreSQL, stopped and started again with the very same command."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._command = Path(f"/proc/{process}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        self._user = Path(f"/proc/{process}").stat()
        self._again: subprocess.Popen | None = None

    def begin(self) -> None:
        os.kill(self._process, signal.SIGINT)
        wait_for(self._is_gone)

    def end(self) -> None:
        identity = {"user": self._user.st_uid, "group": self._user.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
        self._again = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **identity)

    def close(self) -> None:
        if self._again is not None:
            self._again.send_signal(signal.SIGQUIT)
            self._again.wait(20)

    def _is_gone(self) -> bool:
        try:
            return Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True


@contextmanager
def run(**options: object) -> Iterator[Running]:
    with stack.start(workers=2, **options) as started, spoken_to(started) as running:
        yield running


@contextmanager
def spoken_to(started: stack.Stack) -> Iterator[Running]:
    running = Running(started)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def running(whole_stack: stack.Stack) -> Iterator[Running]:
    with spoken_to(whole_stack) as running:
        yield running


@pytest.fixture
def tenant(running: Running) -> Tenant:
    return running.tenant()
