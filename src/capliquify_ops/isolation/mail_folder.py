"""The folder in which a test mail sink keeps the target's messages: what came since the audit began."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from capliquify_ops.isolation.mail_messages import Message, messages_of
from capliquify_ops.isolation.probe import CannotTell

MOST_FILES = 20_000
MOST_BYTES = 4 * 1024 * 1024
"""Of one file: a longer one is read so far."""
MOST_KEPT = 64 * 1024 * 1024
UNFINISHED = "tmp"
"""Where a maildir keeps what is being written."""
_MOVED = frozenset({"new", "cur"})
_Stamp = tuple[int, int]


class MailFolder:
    """One file for each message, also in folders below, such as a maildir's. Each file is read once, again when it changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before: frozenset[tuple[str, _Stamp]] = frozenset()
        with suppress(CannotTell):  # said when it is read
            self._before = frozenset((name, stamp) for name, _, stamp in self._files())
        self._read: dict[str, tuple[_Stamp, Path, tuple[Message, ...]]] = {}

    def messages(self) -> list[tuple[Path, Message]]:
        """Return the messages that came since this was made, each with its file. Raises CannotTell where nothing can be read."""
        if not self.folder.is_dir():
            raise CannotTell(
                f"The folder {self.folder} of the target's mail is not there.", hint="Correct mail_folder of the target."
            )
        for name, path, stamp in self._files():
            known = self._read.get(name)
            if (name, stamp) not in self._before and (known is None or known[0] != stamp):
                self._read[name] = (stamp, path, messages_of(_content(path)))
        if sum(stamp[1] for stamp, _, _ in self._read.values()) > MOST_KEPT:
            raise CannotTell(f"More than {MOST_KEPT} bytes of mail came during the audit.", hint="Give it a sink of its own.")
        return [(path, message) for _, path, found in self._read.values() for message in found]

    def _files(self) -> Iterator[tuple[str, Path, _Stamp]]:
        """Yield each file by a name that it keeps when a maildir moves it, its path, and what changes when it is written to."""
        count = 0
        for folder, below, names in os.walk(self.folder):
            below[:] = sorted(one for one in below if one != UNFINISHED)
            for name in sorted(names):
                count += 1
                if count > MOST_FILES:
                    message = f"The folder {self.folder} holds more than {MOST_FILES} files."
                    raise CannotTell(message, hint="Empty the mail sink, or name a folder that it fills for this target alone.")
                path = Path(folder, name)
                try:
                    found = path.stat()
                except OSError:
                    continue
                if not stat.S_ISREG(found.st_mode):
                    continue
                home = path.parent.parent if path.parent.name in _MOVED else path.parent
                yield str(home / name.partition(":2,")[0]), path, (found.st_mtime_ns, found.st_size)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        message = f"A message of the target cannot be read ({type(error).__name__}: {path})."
        raise CannotTell(message, hint="Let the audit read mail_folder of the target.") from None
