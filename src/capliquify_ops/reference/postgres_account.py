"""The account of an embedded server that root starts: a user id that nobody has, claimed for as long as the claimer lives.

PostgreSQL refuses root. Making an account would change the machine; borrowing `nobody` would hand the data to every
other program that borrows it. The server needs no entry in the user database, only a number. `initdb` alone looks its
user up: it gets a known unprivileged user id together with the claimed *group* id, and what it writes lies below a folder that
only this group can pass. A process of the same user but another group may neither trace it nor reach its files.
"""

import os
import pwd
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.reference.processes import Account

RANGES = (range(65_536, 100_000), range(60_578, 61_184))
"""Ids that neither distributions nor systemd nor subordinate ids use (systemd, UIDS-GIDS; shadow's SUB_UID_MIN is 100000)."""
_UNPRIVILEGED = "nobody"
_ATTEMPTS = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """An account for the server, the one for `initdb`, and the socket whose existence is the claim."""

    server: Account
    initdb: Account
    token: socket.socket | None

    def release(self) -> None:
        """Let go of the claim; the kernel does the same when the process dies."""
        if self.token is not None:
            self.token.close()


def claim(choose: random.Random) -> Claim:
    """Claim an id that is in no user database, has no process and that no other stack has claimed."""
    initdb_uid = _known_unprivileged_uid()
    mapped = [span for span in RANGES if _is_mapped(span)]
    if not mapped:
        message = "No unused user id can be taken here: this container maps too few ids."
        raise TargetUnreachable(message, hint="Run as an ordinary user.")
    for _ in range(_ATTEMPTS):
        uid = choose.choice(mapped[0])
        token = _token(uid)
        if token is not None or sys.platform != "linux":
            if _is_unused(uid):
                return Claim(Account(uid, uid), Account(initdb_uid, uid), token)
            if token is not None:
                token.close()
    raise TargetUnreachable("No unused user id was found for the embedded PostgreSQL.", hint="Run as an ordinary user.")


def _token(uid: int) -> socket.socket | None:
    """Bind an abstract socket named after the id: the kernel lets one process have it, leaves no file and cleans up."""
    if sys.platform != "linux":
        return None
    token = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        token.bind(f"\0capliquify-ops-uid-{uid}")
    except OSError:
        token.close()
        return None
    return token


def _is_unused(uid: int) -> bool:
    with suppress(KeyError):
        pwd.getpwuid(uid)
        return False
    return uid not in set(_running_uids())


def _running_uids() -> Iterator[int]:
    with suppress(FileNotFoundError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with suppress(OSError):
                    yield entry.stat().st_uid


def _is_mapped(span: range) -> bool:
    """Tell whether this user namespace knows the ids: rootless containers often map 65,536 only."""
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    maps = [range(int(inside), int(inside) + int(count)) for inside, _, count in (line.split() for line in lines)]
    return any(span[0] in each and span[-1] in each for each in maps)


def _known_unprivileged_uid() -> int:
    with suppress(KeyError):
        return pwd.getpwnam(_UNPRIVILEGED).pw_uid
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not known:
        message = "The user database knows nobody but root, and initdb refuses root."
        raise TargetUnreachable(message, hint="Run as an ordinary user.")
    return max(known)
