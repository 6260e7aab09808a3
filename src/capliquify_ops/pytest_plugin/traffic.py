"""Ten throwaway tenants with known rows and tokens: what a load needs before its clock starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from capliquify_ops.configuration import Profile, Target
from capliquify_ops.configuration.system import new_uuid
from capliquify_ops.database import Session, operator
from capliquify_ops.http_client import Client
from capliquify_ops.isolation.bodies import body
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.protocols import TokenRequest, TokenSource
from capliquify_ops.pytest_plugin.watchdog import load_run
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.discard import discard, made_by_run

TENANTS = 10
"""The API load scenario: 100 users over 10 tenants."""
ROWS = 3
"""Rows of each tenant: enough to tell an own answer from an empty or a foreign one."""
ACTOR = "load"
CREATED = 201


@dataclass(frozen=True, slots=True)
class Speaker:
    """One user of one tenant: a token, the headers that name the tenant, and a text that only its rows hold."""

    token: str = field(repr=False)
    headers: dict[str, str]
    marker: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where a load goes, as whom, and which paths it reads."""

    base_url: str
    clients: tuple[Speaker, ...]
    paths: tuple[str, ...]


@contextmanager
def make_traffic(target: Target, tokens: TokenSource, run: str) -> Iterator[Traffic]:
    """Make the tenants, their first rows and tokens; remove them at the end, also after a failure."""
    made_by = load_run(run)
    with operator(target.changing_url(), "load tenants", pooled=target.pooled) as session:
        try:
            speakers = _speakers(target, tokens, session, made_by)
            yield Traffic(target.base_url, speakers, (target.profile.routes["products"].path,))
        finally:
            _remove(session, target, made_by)
            tokens.forget(made_by)


def _speakers(target: Target, tokens: TokenSource, session: Session, run: str) -> tuple[Speaker, ...]:
    names = [f"{run}-{number}" for number in range(TENANTS)]
    for name in names:
        new = NewTenant(TenantId(new_uuid()), f"load-{name}", f"Load {name}", f"org_{name}", "professional", "active")
        create(session, target.roles, new, actor=ACTOR, run=run)
    wanted = [TokenRequest(f"user_{name}", f"{name}@example.com", f"org_{name}", "owner", ensure=True) for name in names]
    found = tokens.tokens(wanted)
    return tuple(_speaker(target, name, token) for name, token in zip(names, found, strict=True))


def _speaker(target: Target, name: str, token: str | None) -> Speaker:
    if token is None:
        raise IntegrationFailed("The identity provider made no token for a load user.", hint="Check [identity].")
    profile = target.profile
    headers = {"Authorization": f"Bearer {token}", profile.organization_header: f"org_{name}"}
    marker = f"load-{name}-row"
    with Client(target.base_url, headers=headers) as client:
        for number in range(ROWS):
            _make_row(client, profile, f"{marker}-{number}")
    return Speaker(token, {profile.organization_header: f"org_{name}"}, marker)


def _make_row(client: Client, profile: Profile, marker: str) -> None:
    route = profile.routes["products"]
    answer = client.request("POST", route.path, json=body(route, marker, 1, lambda _: ""))
    if answer.status != CREATED:
        raise IntegrationFailed(f"POST {route.path} answered {answer.status}, so the load has no rows to read.")


def _remove(session: Session, target: Target, run: str) -> None:
    with session.transaction():
        made = made_by_run(session, run)
    for tenant in made:
        discard(session, target.roles, str(tenant.id), run=run, actor=ACTOR)
