"""What this server is and what this role may do here: answers, or the sentence why not."""

from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.database.connect import Session
from capliquify_ops.database.statements import NEWEST_SERVER, load


@dataclass(frozen=True, slots=True)
class Server:
    """The server and the session's role. `system_identifier` is 64 bits wide and travels as text; "" where not granted."""

    version: str
    major: int
    database: str
    role: str
    is_superuser: bool
    bypasses_rls: bool
    in_recovery: bool
    reads_all_stats: bool
    system_identifier: str
    extensions: Mapping[str, str]

    def why_not(self) -> str | None:
        """Return why checks that read catalogues cannot judge this server, None when they can."""
        if self.major > NEWEST_SERVER:
            return f"PostgreSQL {self.major} is newer than {NEWEST_SERVER}, the newest this version knows"
        return None


def describe(session: Session) -> Server:
    """Ask the server what it is."""
    with session.transaction():
        row = session.mappings(load("capliquify_ops.database", "server"))[0]
        granted = row.pop("identifies")
        identifier = session.value(load("capliquify_ops.database", "system_identifier")) if granted else ""
    return Server(**row, system_identifier=identifier)
