"""Which system is this? Asked before the first record, so that evidence of one is never taken for another's."""

import hashlib
from urllib.parse import urlsplit

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, address_of, describe, load, observer
from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, PrivilegeMissing, TargetUnreachable
from capliquify_ops.model.record import TargetRef
from capliquify_ops.observation.health import WELL
from capliquify_ops.preflight.addresses import require_loopback

OK = 200


def identify(target: Target) -> TargetRef:
    """Ask database and service who they are and return the target's reference.

    The fingerprint covers the cluster's system identifier, the database's name and the service's address.
    Raises an OpsError that says which part is not what the configuration promises.
    """
    require_loopback(target)
    if target.database_url is None and not target.base_url:
        raise ConfigurationInvalid(f"Target {target.name!r} has neither a database URL nor a base_url.")
    database = _database(target) if target.database_url is not None else ""
    service = require_service(target) if target.base_url and target.profile.has_http else ""
    digest = hashlib.sha256(f"{database}\n{service}".encode()).hexdigest()
    return TargetRef(target.name, target.kind.value, digest[:16])


def _database(target: Target) -> str:
    url = target.observer_url()
    with observer(url, "identify", pooled=target.pooled) as session:
        server = describe(session)
        require_registry(target, session)
    # Where the cluster does not say who it is, its address stands in: two databases of one name are not one.
    return f"{server.system_identifier or address_of(url)} {server.database}"


def require_registry(target: Target, session: Session) -> None:
    """Refuse a database without a registry that can be read. Raises TargetUnreachable, PrivilegeMissing."""
    registry = target.profile.registry_table
    with session.transaction():
        found = session.mappings(load("capliquify_ops.preflight", "registry_exists"), {"registry": registry})[0]
    if not found["exists"]:
        raise TargetUnreachable(
            f"{address_of(target.observer_url())} has no registry table {registry}.",
            hint="Is it the right database? For a new one: capliquify-ops tenant install; for tables of your own: a profile.",
        )
    if not found["readable"]:
        raise PrivilegeMissing(
            f"{found['role']} may not read {registry}.", hint=f"GRANT SELECT ON {registry} TO {found['role']};"
        )


def require_service(target: Target) -> str:
    """Return the service's address. Raises IntegrationFailed, TargetUnreachable for something that is not the service."""
    require_loopback(target)
    health = target.profile.routes.get("health")
    path = health.path if health else "/"
    with Client(target.base_url) as client:
        answer = client.require_same_host(client.request("GET", path))
        document = answer.json() if health else {}
    if health and (answer.status != OK or not isinstance(document, dict) or document.get("status") not in WELL):
        raise IntegrationFailed(
            f"{target.base_url}{path} answered {answer.status} and does not say that it is well, so it cannot be measured.",
            hint="Check base_url, or start the service.",
        )
    parts = urlsplit(target.base_url)
    return f"{parts.scheme}://{parts.netloc}"
