"""How diagnoses speak of sessions: numbers, ages, and the statement that ends one."""

from capliquify_ops.observation.activity import Activity, Backend
from capliquify_ops.observation.folding import folded

_MINUTES_FROM_S = 120
_QUERY = 160
_END = (
    "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = {pid}"
    " AND a.backend_start = '{started}' AND a.state LIKE 'idle in transaction%'"
)


def sessions(number: int) -> str:
    """Return `1 session` or `12 sessions`."""
    return "1 session" if number == 1 else f"{number} sessions"


def age(seconds: float | None) -> str:
    """Return `90 s` or `6 min`."""
    found = round(seconds or 0)
    return f"{found} s" if found < _MINUTES_FROM_S else f"{found // 60} min"


def whose(backend: Backend) -> str:
    """Return the role and the application of a session."""
    return f"{backend.role} ({backend.application or 'no application_name'})"


def statement(activity: Activity, backend: Backend) -> str:
    """Return the last statement of a session, without values and tenants' names, cut."""
    if not backend.is_visible:
        return "(not visible to this role: GRANT pg_monitor)"
    text = folded(backend.query, activity.schemas(backend.pid))
    return text if len(text) <= _QUERY else f"{text[:_QUERY]}…"


def terminate(backend: Backend) -> str:
    """Return what ends this session, and no other that has got its process id since, and only while it idles."""
    return _END.format(pid=backend.pid, started=backend.backend_start.isoformat())
