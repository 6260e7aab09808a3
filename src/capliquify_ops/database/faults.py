"""The one place where psycopg's errors become ours.

The server's message is kept, its DETAIL, CONTEXT and the statement are not: they can carry rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from capliquify_ops.database.dsn import address_of
from capliquify_ops.model.errors import (
    OpsError,
    PrivilegeMissing,
    RelationMissing,
    ServerUnsupported,
    StatementFailed,
    StatementTimedOut,
    TargetUnreachable,
)
from capliquify_ops.model.secret import Secret


def _message(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return " ".join(text.split())[:300]


def translate(error: psycopg.Error) -> OpsError:
    """Return our error for a psycopg error raised by a statement."""
    said = _message(error)
    match error:
        case errors.InsufficientPrivilege():
            return PrivilegeMissing(f"The role may not do this: {said}.", hint="See: capliquify-ops doctor")
        case errors.QueryCanceled() | errors.LockNotAvailable() | errors.IdleInTransactionSessionTimeout():
            return StatementTimedOut(f"The server stopped the statement: {said}.", hint="Look for locks, or try again later.")
        case errors.UndefinedFunction() | errors.FeatureNotSupported():
            return ServerUnsupported(f"The server lacks what this needs: {said}.", hint="See: capliquify-ops doctor")
        case errors.AdminShutdown() | errors.CrashShutdown() | errors.CannotConnectNow():
            return TargetUnreachable(f"The server ended the session: {said}.", hint="Is it restarting?")
        case psycopg.OperationalError() | psycopg.InterfaceError() if error.sqlstate is None:
            return TargetUnreachable(f"The connection to the server was lost: {said}.", hint="Is it restarting?")
        case _:
            return _refused(error, said)


def _refused(error: psycopg.Error, said: str) -> StatementFailed:
    state = error.sqlstate or ""
    if isinstance(error, errors.UndefinedTable):
        hint = "Is it the right database? For a new one: capliquify-ops tenant install; for tables of your own: a profile."
        return RelationMissing(f"The database lacks what this needs: {said}.", hint=hint, sqlstate=state)
    return StatementFailed(f"The server refused the statement: {said}.", sqlstate=state)


@contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into ours; the chain is cut, since its text can carry rows and connection strings."""
    try:
        yield
    except psycopg.Error as error:
        fault = translate(error)
    else:
        return
    raise fault


def connecting_failed(error: psycopg.Error, url: Secret) -> OpsError:
    """Return our error for a connection that could not be made, naming the address and never the password."""
    where = address_of(url)
    said = " ".join(str(error).split()).lower()
    if "password authentication failed" in said or "no password supplied" in said:
        return TargetUnreachable(f"{where} refuses the password of that role.", hint="Check the URL's user and password.")
    if "does not exist" in said:
        part = "database" if "database" in said else "role"
        return TargetUnreachable(f"{where} has no such {part}.", hint="Check the URL.")
    if "timeout" in said or "timed out" in said:
        return TargetUnreachable(f"{where} did not answer in time.", hint="Check the host, the port and the firewall.")
    if "too many clients" in said or "remaining connection slots" in said:
        return TargetUnreachable(f"{where} has no free connection slot.", hint="Free one, or try again later.")
    return TargetUnreachable(f"{where} cannot be reached.", hint="Check that it runs and that the host and port are right.")
