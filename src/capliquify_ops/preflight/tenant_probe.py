"""Ask a target's service with a tenant's own identity: whether it serves that tenant right now."""

from collections.abc import Sequence
from dataclasses import dataclass

from capliquify_ops.configuration import Target
from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.protocols import ProbeAnswer, TokenRequest, TokenSource
from capliquify_ops.tenants.members import Member
from capliquify_ops.tenants.registry import Tenant

TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class TenantProbe:
    """One request over a connection of its own each time: the next one may reach another process of the service."""

    base_url: str
    path: str
    headers: dict[str, str]

    def ask(self) -> ProbeAnswer:
        """Ask once. Raises TargetUnreachable, IntegrationFailed."""
        with Client(self.base_url, connections=1, timeout_s=TIMEOUT_S) as client:
            answer = client.request("GET", self.path, headers=self.headers)
        try:
            document = answer.json()
        except IntegrationFailed:
            document = None
        error = document.get("error", document.get("code")) if isinstance(document, dict) else None
        code = error.get("code") if isinstance(error, dict) else error
        return ProbeAnswer(answer.status, code if isinstance(code, str) else "")


def tenant_probe(target: Target, tokens: TokenSource, tenant: Tenant, people: Sequence[Member]) -> TenantProbe:
    """Return a probe for the tenant.

    Raises ConfigurationInvalid where the target cannot be asked, and whatever the source of tokens raises.
    """
    if not target.base_url or not target.profile.has_http:
        raise ConfigurationInvalid(f"target {target.name!r} has no base_url or no HTTP profile")
    if "suspended" not in target.profile.answers or target.profile.suspension_bound_s <= 0:
        raise ConfigurationInvalid(f"the profile {target.profile.name!r} has no [answers.suspended] or no suspension_bound_s")
    headers = {
        "Authorization": f"Bearer {_token(tokens, tenant, people)}",
        target.profile.organization_header: tenant.clerk_organization_id,
    }
    return TenantProbe(target.base_url, _path(target), headers)


def _token(tokens: TokenSource, tenant: Tenant, people: Sequence[Member]) -> str:
    """Tokens written down in a configuration are for `<slug>-<role>`; all others for members by their own id."""
    written = [Member(f"{tenant.slug}-{role}", "", role) for role in ("owner", "admin", "member", "viewer")]
    for one in (*people, *written):
        request = TokenRequest(one.user_id, one.email, tenant.clerk_organization_id, one.role)
        if token := tokens.tokens([request])[0]:
            return token
    raise ConfigurationInvalid(f"no token can be had for a member of {tenant.slug!r}")


def _path(target: Target) -> str:
    for route in target.profile.routes.values():
        if route.kind == "tenant" and "GET" in route.methods and "{" not in route.path and route.least_role == "viewer":
            return route.path
    raise ConfigurationInvalid(f"the profile {target.profile.name!r} has no route that every member may read")
