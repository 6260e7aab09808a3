"""What a service says of itself at its health address."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import OK
from types import MappingProxyType

from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.observation.shown import shown

WELL = frozenset({"healthy", "ok", "up", "pass"})
"""What health endpoints say of themselves when all is well; the contract's word is the first."""
_PARTS = 10
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Health:
    """One answer. `parts` are what the document says of each part, such as `database: disconnected`; empty without a document."""

    url: str
    status: int
    is_well: bool
    parts: Mapping[str, str]
    elapsed_ms: float


def read_health(base_url: str, path: str, *, has_document: bool, timeout_s: float) -> Health:
    """Ask once. Raises TargetUnreachable, and IntegrationFailed for a redirect to another host."""
    with Client(base_url, timeout_s=timeout_s) as client:
        answer = client.require_same_host(client.request("GET", path))
    try:
        document = answer.json() if has_document else {}
    except IntegrationFailed:
        document = None
    says_so = not has_document or (isinstance(document, dict) and document.get("status") in WELL)
    return Health(
        f"{base_url}{path}", answer.status, answer.status == OK and says_so, _parts(document), round(answer.elapsed_ms, 1)
    )


def _parts(document: object) -> Mapping[str, str]:
    """Return the words and numbers of a document, those of its tables too."""
    found: dict[str, str] = {}
    for key, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, dict):
            found |= {f"{key}.{name}": part for name, part in _parts(value).items()}
        elif isinstance(value, str | int | float):
            # Masked before it is cut: half a credential does not look like one.
            found[shown(str(key))[:_LONGEST]] = shown(str(value))[:_LONGEST]
    return MappingProxyType(dict(list(found.items())[:_PARTS]))
