"""Archives encrypted to age or SSH keys (age-encryption.org/v1), through pyrage."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from capliquify_ops.model.errors import ArchiveRefused, ArchiveUnwritable, ConfigurationInvalid, UsageError

_MARK = b"age-encryption.org/"
SUFFIX = ".age"


def is_encrypted(file: BinaryIO) -> bool:
    """Say whether a file is encrypted, and go back to its start."""
    file.seek(0)
    found = file.read(len(_MARK)) == _MARK
    file.seek(0)
    return found


def recipients(texts: Sequence[str]) -> list[object]:
    """Parse public keys: age1..., ssh-ed25519 ..., ssh-rsa .... Raises UsageError for anything else."""
    pyrage = _pyrage()
    found: list[object] = []
    for text in texts:
        kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
        try:
            found.append(kind.Recipient.from_str(text.strip()))
        except pyrage.RecipientError:
            raise UsageError(f"{text[:40]!r} is no public key.", hint="Expected: age1..., or an SSH public key.") from None
    return found


@contextmanager
def encrypted(file: BinaryIO, to: Sequence[object]) -> Iterator[BinaryIO]:
    """Give a file to write to whose content arrives encrypted in `file`, piece by piece."""
    pyrage = _pyrage()
    reading, writing = os.pipe()
    failure: list[Exception] = []

    def run() -> None:
        with os.fdopen(reading, "rb") as source:
            try:
                pyrage.encrypt_io(source, file, to)
            except (OSError, pyrage.EncryptError) as error:
                failure.append(error)

    worker = threading.Thread(target=run, name="age")
    worker.start()
    try:
        with os.fdopen(writing, "wb") as sink:
            yield sink
    finally:
        worker.join()
    if failure:
        raise ArchiveUnwritable("The archive could not be encrypted.", hint="Is there room left on the disk?")


def decrypt(source: BinaryIO, into: BinaryIO, identity: Path | None, where: str) -> None:
    """Decrypt a whole file. Raises ArchiveRefused without the right key, or for one that was changed."""
    if identity is None:
        raise ArchiveRefused(f"{where} is encrypted.", hint="Give the key's file with --identity.")
    pyrage = _pyrage()
    try:
        pyrage.decrypt_io(source, into, _identities(identity))
    except (OSError, pyrage.DecryptError):
        raise ArchiveRefused(f"{where} cannot be decrypted: another key, or a damaged file.") from None


def _identities(path: Path) -> list[object]:
    pyrage = _pyrage()
    try:
        text = path.read_text(encoding="utf-8")
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return [pyrage.x25519.Identity.from_str(line) for line in lines]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        raise UsageError(f"{path} holds no age or SSH private key that can be read.") from None


def _pyrage() -> ModuleType:
    try:
        return import_module("pyrage")
    except ImportError:
        message = "Encryption needs pyrage, which is not installed."
        raise ConfigurationInvalid(message, hint="Install it with: pip install 'capliquify-ops[encryption]'") from None
