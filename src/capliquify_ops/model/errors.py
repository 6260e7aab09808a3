"""What the library raises when it could not act or measure.

    OpsError
    ├── UsageError              64  the call itself is wrong
    ├── ConfigurationInvalid    78  a setting, file or profile is wrong
    ├── TargetUnreachable       69  nothing answers, or it answers as something else
    ├── TargetForbids           64  the class of the target rules out what was asked
    ├── PrivilegeMissing        17  the role may not do this; names the grant
    ├── StatementTimedOut       17  the server gave up at our own limit
    ├── ServerUnsupported       69  older than supported, or an extension is missing
    ├── StatementFailed         20  any other refusal of a statement
    │   └── RelationMissing     69  a table is not there: the wrong database, or one that nobody has set up
    ├── TenantConflict          64  the tenant is not in a state that allows the verb
    ├── TenantNotFound          64  no such tenant
    ├── NotVerified             17  the change is made, but the service was not seen to follow it
    ├── DefinitionsRefused      64  a schema holds what a plain script cannot carry; names it
    ├── ArchiveRefused          65  an archive is damaged, tampered with, or not for this server
    ├── ArchiveUnwritable       73  an archive cannot be written where it was asked for
    ├── SchemaChanged           75  a schema was changed while it was read: try again
    ├── IntegrationFailed       69  an outside service answered wrongly
    │   ├── CredentialRefused   78  it does not know the credential (401)
    │   ├── OperationForbidden  17  the credential may not do this (403)
    │   ├── NotThere            69  what was asked for does not exist (404, 410)
    │   ├── RateLimited         75  it wants to be asked later (429)
    │   └── ServiceBroken       69  it failed itself, or could not be reached (5xx)
    ├── EvidenceDamaged         15  a record, the ledger or a raw file is not what was written
    └── EvidenceUnwritable      73  the evidence folder cannot be written

A suite's `GateFailure` is not here: it says that the measured system is wrong, never that we could not look.
"""

from collections.abc import Sequence
from typing import ClassVar


class OpsError(Exception):
    """One sentence of what happened and why, and the next command to try.

    `str()` gives both; `exit_code` is what a command ends with.
    """

    exit_code: ClassVar[int] = 20

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".rstrip()


class UsageError(OpsError):
    """The call itself is wrong."""

    exit_code = 64


class ConfigurationInvalid(OpsError):
    """A setting, a file or a profile is wrong."""

    exit_code = 78


class TargetUnreachable(OpsError):
    """Nothing answers at the target's address, or it answers as something else."""

    exit_code = 69


class TargetForbids(OpsError):
    """The class of the target rules out what was asked."""

    exit_code = 64


class PrivilegeMissing(OpsError):
    """The role may not do this; the hint names the grant."""

    exit_code = 17


class StatementTimedOut(OpsError):
    """The server stopped a statement at the limit that the session had set."""

    exit_code = 17


class ServerUnsupported(OpsError):
    """The server is older than supported, or lacks an extension."""

    exit_code = 69


class StatementFailed(OpsError):
    """The server refused a statement for a reason without a class of its own here."""

    def __init__(self, what: str, *, hint: str = "", sqlstate: str = "") -> None:
        super().__init__(what, hint=hint)
        self.sqlstate = sqlstate


class RelationMissing(StatementFailed):
    """A table that the statement names is not there: another database than was meant, or one that nobody has set up."""

    exit_code = 69


class TenantConflict(OpsError):
    """The tenant is not in a state that allows the verb."""

    exit_code = 64


class TenantNotFound(OpsError):
    """No tenant answers to that slug, id, schema or organisation."""

    exit_code = 64


class NotVerified(OpsError):
    """The change is made in the database, but the service was not seen to follow it in time."""

    exit_code = 17


class DefinitionsRefused(OpsError):
    """A schema holds what a plain script cannot carry; the sentence names it."""

    exit_code = 64
    _NAMED = 10

    @classmethod
    def because(cls, names: Sequence[str]) -> "DefinitionsRefused":
        """Make the error from the names of what cannot be carried."""
        more = f" and {len(names) - cls._NAMED} more" if len(names) > cls._NAMED else ""
        what = f"The schema cannot be carried whole: {'; '.join(names[: cls._NAMED])}{more}."
        return cls(what, hint="Use: capliquify-ops tenant backup --engine pg_dump")


class ArchiveRefused(OpsError):
    """An archive is damaged, tampered with, of a newer format, or not for this server."""

    exit_code = 65


class ArchiveUnwritable(OpsError):
    """An archive cannot be written: the file exists, the folder is missing or read-only, the disk is full."""

    exit_code = 73


class SchemaChanged(OpsError):
    """A schema was changed while it was read."""

    exit_code = 75


class IntegrationFailed(OpsError):
    """An outside service answered wrongly or not at all."""

    exit_code = 69


class CredentialRefused(IntegrationFailed):
    """The outside service does not know the credential, or it has ended (401)."""

    exit_code = 78


class OperationForbidden(IntegrationFailed):
    """The credential is known and may not do this (403)."""

    exit_code = 17


class NotThere(IntegrationFailed):
    """What was asked for does not exist there (404, 410)."""


class RateLimited(IntegrationFailed):
    """The outside service wants to be asked later (429); `retry_after_s` is what it said, None when it said nothing."""

    exit_code = 75

    def __init__(self, what: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(what, hint=hint)
        self.retry_after_s = retry_after_s


class ServiceBroken(IntegrationFailed):
    """The outside service failed itself, or could not be reached, at every try (5xx)."""


class EvidenceDamaged(OpsError):
    """A record, the ledger or a raw file is not what was written."""

    exit_code = 15


class EvidenceUnwritable(OpsError):
    """The evidence folder cannot be written: read-only, full, or not a folder."""

    exit_code = 73
