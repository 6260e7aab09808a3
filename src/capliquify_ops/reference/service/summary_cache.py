"""What was derived from rows, kept for a few seconds. Keys begin with the tenant: ids alone may be equal in several tenants."""

from collections.abc import Callable
from time import monotonic

from capliquify_ops.reference.service.gate import Visit

KEPT_S = 5.0
ENTRIES = 10_000


class Summaries:
    """One worker's cache. A change in another worker is seen after `KEPT_S` at the latest."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._kept: dict[tuple[str, ...], tuple[float, str]] = {}

    def get(self, key: tuple[str, ...]) -> str | None:
        """What is kept under the key and still fresh, or None."""
        until, text = self._kept.get(key, (0.0, ""))
        return text if self._now() < until else None

    def put(self, key: tuple[str, ...], text: str) -> None:
        """Keeps a text; a full cache is emptied."""
        if len(self._kept) >= ENTRIES:
            self._kept.clear()
        self._kept[key] = (self._now() + KEPT_S, text)

    def forget(self, tenant: str) -> None:
        """Drops what was derived from a tenant's rows."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != tenant}


def forget(visit: Visit) -> None:
    """For whoever changed rows: nothing older is answered by this worker from now on."""
    cache: Summaries = visit.request.app.state.surfaces.summaries
    cache.forget(visit.row.tenant_id or "")
