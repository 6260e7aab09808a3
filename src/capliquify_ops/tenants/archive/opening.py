"""Open an archive: decrypted where it has to be, whole, and understood, before anything is done with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from capliquify_ops.model.errors import ArchiveRefused
from capliquify_ops.tenants.archive import encryption
from capliquify_ops.tenants.archive.frames import checked
from capliquify_ops.tenants.archive.manifest import Manifest, parse


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive. `sha256` is of the whole file, before encryption."""

    path: Path
    file: BinaryIO
    sha256: str
    manifest: Manifest


@contextmanager
def open_archive(path: Path, identity: Path | None = None) -> Iterator[Archive]:
    """Open an archive and check it. `identity` is the file with the age or SSH key of an encrypted one.

    Raises ArchiveRefused for one that is missing, cut, damaged, of a newer format, or encrypted for somebody else.
    """
    try:
        given = path.open("rb")
    except OSError as error:
        raise ArchiveRefused(f"{path} cannot be read: {error.strerror}.", hint="Give the path of an archive.") from None
    with given, tempfile.TemporaryFile() as clear:
        file: BinaryIO = given
        if encryption.is_encrypted(given):
            encryption.decrypt(given, clear, identity, str(path))
            file = clear
        manifest, digest = checked(file, str(path))
        yield Archive(path, file, digest, parse(manifest, str(path)))
