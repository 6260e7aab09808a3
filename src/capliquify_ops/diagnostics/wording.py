"""How diagnoses speak of sessions: numbers, ages, and the statement that ends one."""

from capliquify_ops.observation.activity import Activity, Backend
from capliquify_ops.observation.folding import folded

_MINUTES_FROM_S = 120
_QUERY = 160


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


def end_blocker(backend: Backend) -> str:
    """Return the command that ends who blocks: it looks again whether it still is the same session, and still blocks."""
    return f"capliquify-ops remedy plan end-blocker --pid {backend.pid}"
