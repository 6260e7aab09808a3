"""PgBouncer's console: a database of its own that answers SHOW. It takes no parameters, no transactions and no settings."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from capliquify_ops.database.connect import CONNECT_TIMEOUT_S, conninfo_of
from capliquify_ops.database.faults import connecting_failed
from capliquify_ops.model.errors import IntegrationFailed, OpsError
from capliquify_ops.model.secret import Secret

SHOWN = ("POOLS", "DATABASES")


def show(url: Secret) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each of SHOWN by column name. Raises TargetUnreachable, and IntegrationFailed for what is no console."""
    fault: OpsError
    try:
        connection = psycopg.connect(conninfo_of(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row)
    except psycopg.Error as error:
        fault = connecting_failed(error, url)
    else:
        try:
            with connection:
                return {what: connection.execute(f"SHOW {what}").fetchall() for what in SHOWN}
        except psycopg.Error:
            hint = "Its URL ends with /pgbouncer, its user is one of stats_users or admin_users."
            fault = IntegrationFailed("What answers is no console of PgBouncer, or does not let this user look.", hint=hint)
    raise fault
