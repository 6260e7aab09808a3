"""What one worker holds: everything that a route needs, made once from the settings."""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from capliquify_ops.reference.service.directory import Directory
from capliquify_ops.reference.service.limits import RateLimiter
from capliquify_ops.reference.service.metrics import Series
from capliquify_ops.reference.service.settings import ServiceSettings
from capliquify_ops.reference.service.store import Store
from capliquify_ops.reference.service.switches import REACHED_FILE, Switches
from capliquify_ops.reference.service.tenant_status import TenantStatus
from capliquify_ops.reference.service.tokens import KeySet, TokenVerifier

LIMITS_FILE = "limits.bin"
DENIALS_FILE = "denials.bin"
"""Apart from the requests: a denial is counted for whatever a stranger's header names."""
_DENIALS_PER_S = 20.0
_DENIALS_BURST = 100.0
"""Audit rows of refused attempts per organisation: enough to see an attack, too few to fill the disk with one."""


@dataclass(frozen=True, slots=True)
class Service:
    """One worker's parts."""

    settings: ServiceSettings
    store: Store
    tokens: TokenVerifier
    requests: RateLimiter
    denials: RateLimiter
    series: Series
    directory: Directory
    started_at: float
    switches: Switches
    statuses: TenantStatus


def make_service(settings: ServiceSettings, process: int) -> Service:
    """The parts of the worker with this process id. Nothing connects yet."""
    folder = Path(settings.run_folder)
    series = Series(folder, process)
    switches = Switches(settings.switches, folder)
    return Service(
        settings=settings,
        store=Store(settings.database_url, settings.pool_size_per_worker, series, switches, pooled=settings.pooled),
        tokens=TokenVerifier(KeySet(Path(settings.keys_file)), settings.issuer, settings.authorized_party, time),
        requests=RateLimiter(folder / LIMITS_FILE, settings.rate_limit_per_s, settings.rate_limit_burst, monotonic),
        denials=RateLimiter(folder / DENIALS_FILE, _DENIALS_PER_S, _DENIALS_BURST, monotonic),
        series=series,
        directory=Directory(settings.identity_url),
        started_at=monotonic(),
        switches=switches,
        statuses=TenantStatus(switches, monotonic),
    )


def clear_run_folder(folder: Path) -> None:
    """Removes what an earlier run left, before any worker starts."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("metrics-*.bin"), folder / LIMITS_FILE, folder / REACHED_FILE):
        path.unlink(missing_ok=True)
