"""Operations library and launch gate for SaaS products with one PostgreSQL schema per tenant.

The names below are the public ones; each is imported from its home on first use.
"""

from importlib import import_module

_HOMES = {
    "Decision": "model.decision",
    "Finding": "model.finding",
    "OpsError": "model.errors",
    "Outcome": "model.outcome",
    "Record": "model.record",
    "Roles": "model.roles",
    "Secret": "model.secret",
    "Session": "database",
    "Settings": "configuration",
    "Severity": "model.outcome",
    "Store": "evidence",
    "Target": "configuration",
    "decide": "signoff",
    "load_settings": "configuration",
    "observer": "database",
    "operator": "database",
}

__all__ = [  # noqa: PLE0604  # made of the table above, so that the two cannot differ
    *sorted(_HOMES),
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
