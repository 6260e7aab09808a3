"""The file format: zstd frames of a script, the manifest in a skippable frame, a trailer with the SHA-256 of all before it.

    zstd frame       the script; `zstd -dc` gives it and leaves the two frames below out
    skippable frame  0x184D2A5C, size, the manifest as JSON
    skippable frame  0x184D2A5D, size, "CAPQARC1", the manifest frame's length (8 bytes), SHA-256 of all bytes before this frame

Numbers are little-endian, as zstd's own (RFC 8878, section 3.1.2).
"""

import hashlib
import os
import struct
import sys
from typing import BinaryIO

from capliquify_ops.model.errors import ArchiveRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MANIFEST, _TRAILER = 0x184D2A5C, 0x184D2A5D
_MARK = b"CAPQARC1"
_HEAD = struct.Struct("<II")
_END = struct.Struct("<II8sQ32s")
_CHUNK = 1 << 20
LEVEL = 3
"""zstd's own default; higher ones cost more time than they save room on rows of text."""


class ArchiveWriter:
    """Writes one archive to a file that is open for writing; it need not be seekable."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._compressor = zstd.ZstdCompressor(level=LEVEL)
        self._hash = hashlib.sha256()
        self.script_bytes = 0
        self.bytes = 0

    def write(self, script: bytes) -> None:
        """Append to the script."""
        self.script_bytes += len(script)
        self._put(self._compressor.compress(script))

    def close(self, manifest: bytes) -> str:
        """Write the manifest and the trailer; return the SHA-256 of the whole file."""
        self._put(self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME))
        self._put(_HEAD.pack(_MANIFEST, len(manifest)) + manifest)
        end = _END.pack(_TRAILER, _END.size - _HEAD.size, _MARK, _HEAD.size + len(manifest), self._hash.digest())
        self._put(end)
        return self._hash.hexdigest()

    def _put(self, content: bytes) -> None:
        self._hash.update(content)
        self._file.write(content)
        self.bytes += len(content)


def checked(file: BinaryIO, where: str) -> tuple[bytes, str]:
    """Read a whole archive once and return its manifest and the SHA-256 of the file.

    Raises ArchiveRefused for one that is cut, damaged, or none at all.
    """
    size = file.seek(0, os.SEEK_END)
    if size < _END.size + _HEAD.size:
        raise ArchiveRefused(f"{where} is not an archive of a tenant: it has {size} bytes.")
    file.seek(size - _END.size)
    end = file.read(_END.size)
    magic, length, mark, manifest_size, digest = _END.unpack(end)
    if (magic, length, mark) != (_TRAILER, _END.size - _HEAD.size, _MARK):
        raise ArchiveRefused(f"{where} does not end as an archive of a tenant does: it was cut, or is something else.")
    body = size - _END.size
    if not _HEAD.size <= manifest_size <= body:
        raise ArchiveRefused(f"{where} is damaged: its trailer contradicts itself.")
    hashed = _hashed(file, body)
    if hashed.digest() != digest:
        raise ArchiveRefused(f"{where} is damaged: its content does not have the SHA-256 that its trailer says.")
    file.seek(body - manifest_size)
    head, manifest = _HEAD.unpack(file.read(_HEAD.size)), file.read(manifest_size - _HEAD.size)
    if head != (_MANIFEST, len(manifest)):
        raise ArchiveRefused(f"{where} is damaged: no manifest stands where its trailer says.")
    hashed.update(end)
    return manifest, hashed.hexdigest()


def script_of(file: BinaryIO) -> zstd.ZstdFile:
    """Return the script of a checked archive as a file to read."""
    file.seek(0)
    return zstd.ZstdFile(file, "rb")


def _hashed(file: BinaryIO, size: int) -> "hashlib._Hash":
    file.seek(0)
    found, left = hashlib.sha256(), size
    while left:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            break
        found.update(chunk)
        left -= len(chunk)
    return found
