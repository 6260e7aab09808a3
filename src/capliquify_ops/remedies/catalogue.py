"""The remedies by name, in the order of the runbook."""

from collections.abc import Mapping
from types import MappingProxyType

from capliquify_ops.model.errors import UsageError
from capliquify_ops.remedies.acting import Remedy
from capliquify_ops.remedies.fleet_steps import CREATE_MISSING_INDEXES, PROVISION_SCHEMA
from capliquify_ops.remedies.maintenance import ANALYZE_TABLES, VACUUM_TABLES
from capliquify_ops.remedies.platform import RESTART_SERVICE
from capliquify_ops.remedies.platform_rollback import ROLL_BACK_DEPLOY
from capliquify_ops.remedies.platform_variable import SET_ENVIRONMENT_VARIABLE
from capliquify_ops.remedies.sessions import CANCEL_STATEMENT, END_BLOCKER, END_IDLE_TRANSACTIONS
from capliquify_ops.remedies.settings_advice import POOL_SETTINGS
from capliquify_ops.remedies.suspending import SUSPEND_TENANT

REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        remedy.name: remedy
        for remedy in (
            RESTART_SERVICE,
            PROVISION_SCHEMA,
            CANCEL_STATEMENT,
            VACUUM_TABLES,
            ANALYZE_TABLES,
            CREATE_MISSING_INDEXES,
            END_IDLE_TRANSACTIONS,
            END_BLOCKER,
            POOL_SETTINGS,
            SUSPEND_TENANT,
            ROLL_BACK_DEPLOY,
            SET_ENVIRONMENT_VARIABLE,
        )
    }
)


def remedy_of(name: str) -> Remedy:
    """Return a remedy. Raises UsageError with the names of all."""
    if name not in REMEDIES:
        raise UsageError(f"There is no remedy {name!r}.", hint=f"One of: {', '.join(REMEDIES)}")
    return REMEDIES[name]
