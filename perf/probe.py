"""How much memory a process takes while it backs up or restores one tenant: run as a program, it prints the growth in bytes.

    python -m perf.probe WORK URL ARCHIVE KEY OWNER

At rest is after imports, connection and a first transaction; the peak is the kernel's own mark, set back at rest.
"""

import subprocess
import sys
from pathlib import Path

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, operator
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.restore import restore_whole
from capliquify_ops.tenants.restore_drill import restore_drill
from capliquify_ops.tenants.restoring import Trust

WORKS = ("backup", "drill", "whole")


def grown(work, database, archive, key):
    """Return by how many bytes a process of its own grows over its memory at rest."""
    url = database.url("database" if work == "backup" else "operator").reveal()
    command = [sys.executable, "-m", "perf.probe", work, url, str(archive), key, database.server.roles.owner]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def status(field):
    """One of this process's figures, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main(work, url, archive, key, owner):
    opened = observer if work == "backup" else operator
    with opened(Secret(url), "probe") as session:
        with session.transaction():
            session.value("SELECT 1")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        at_rest = status("VmRSS")
        run(work, session, Path(archive), key, Roles(owner=owner, app="", observer="", operator=""))
        sys.stdout.write(str(status("VmHWM") - at_rest))


def run(work, session, path, key, roles):
    if work == "backup":
        backup(session, key, path, tool="probe")
        return
    with open_archive(path) as archive:
        trust = Trust("probe", is_given=True)
        if work == "drill":
            restore_drill(session, roles, archive, trust, clock=SystemClock())
        else:
            restore_whole(session, roles, archive, trust)


if __name__ == "__main__":
    main(*sys.argv[1:])
