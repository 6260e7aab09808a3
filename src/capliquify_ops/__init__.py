"""Operations library and launch gate for SaaS products with one PostgreSQL schema per tenant.

The names below are the public ones; each is imported from its home on first use.
"""

from importlib import import_module

_HOMES = {
    "Decision": "model.decision",
    "Finding": "model.finding",
    "NewTenant": "tenants.create",
    "OpsError": "model.errors",
    "Outcome": "model.outcome",
    "PurgeOptions": "tenants.purge",
    "Record": "model.record",
    "Roles": "model.roles",
    "Secret": "model.secret",
    "Session": "database",
    "Settings": "configuration",
    "Severity": "model.outcome",
    "Store": "evidence",
    "Target": "configuration",
    "Trust": "tenants.restoring",
    "activate": "tenants.activate",
    "backup": "tenants.backup",
    "cancel": "tenants.cancel",
    "change_tier": "tenants.change_tier",
    "check_fleet": "integrity.fleet_check",
    "clone": "tenants.clone",
    "create": "tenants.create",
    "decide": "signoff",
    "delete": "tenants.delete",
    "expire_trials": "tenants.expire_trials",
    "find": "tenants.registry",
    "fleet_backup": "tenants.fleet_backup",
    "install": "tenants.install",
    "list_tenants": "tenants.registry",
    "load_settings": "configuration",
    "observer": "database",
    "open_archive": "tenants.archive.opening",
    "operator": "database",
    "past_due": "tenants.past_due",
    "purge": "tenants.purge",
    "restore_as_new": "tenants.restore",
    "restore_drill": "tenants.restore_drill",
    "restore_in_place": "tenants.restore_in_place",
    "restore_whole": "tenants.restore",
    "resume": "tenants.resume",
    "suspend": "tenants.suspend",
    "verify": "tenants.verify",
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
