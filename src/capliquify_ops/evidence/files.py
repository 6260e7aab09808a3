"""Files that are whole or absent: written under a temporary name, synced, renamed, the folder synced."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capliquify_ops.model.errors import EvidenceUnwritable


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusal into a sentence."""
    try:
        yield
    except OSError as error:
        raise EvidenceUnwritable(
            f"The evidence folder {folder} cannot be written: {error.strerror}.", hint="Choose another one with --evidence-dir."
        ) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
