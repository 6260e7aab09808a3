"""The rate limit: one token bucket per key, shared by all workers through a mapped file.

The file is an array of sets of eight slots; a key lives in the set that its digest names. A set is locked while it is
read and written, so two workers never spend the same token. A key pushed out of a full set starts again with a full
bucket: the oldest slot is the one given up, and it is the one that has had the longest time to refill. Digests are keyed
with bytes drawn when the file is made, so that nobody outside can choose keys that push a certain one out.
"""

import fcntl
import hashlib
import math
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path

_SLOT = struct.Struct("<8sdd")  # first half of the key's digest, tokens left, when they were counted
_SLOTS_PER_SET = 8
_SETS = 4096
_SET_BYTES = _SLOT.size * _SLOTS_PER_SET
_SECRET_BYTES = 16
_SECRET_AT = _SETS * _SET_BYTES
FILE_BYTES = _SECRET_AT + _SECRET_BYTES


class RateLimiter:
    """Token buckets of one size: `per_s` tokens a second, at most `burst` saved up."""

    def __init__(self, path: Path, per_s: float, burst: float, now: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._now = now
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < FILE_BYTES:
            os.ftruncate(self._file, FILE_BYTES)
        self._memory = mmap.mmap(self._file, FILE_BYTES)
        self._secret = self._drawn_secret()

    def _drawn_secret(self) -> bytes:
        """The file's key, drawn by whichever worker comes first."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, _SECRET_BYTES, _SECRET_AT)
        try:
            if not any(self._memory[_SECRET_AT:FILE_BYTES]):
                self._memory[_SECRET_AT:FILE_BYTES] = os.urandom(_SECRET_BYTES)
            return self._memory[_SECRET_AT:FILE_BYTES]
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _SECRET_BYTES, _SECRET_AT)

    def close(self) -> None:
        """Lets go of the mapped file."""
        self._memory.close()
        os.close(self._file)

    def take(self, key: str) -> int:
        """0 when the request may go on, else the whole seconds after which one more may."""
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=self._secret).digest()
        offset = int.from_bytes(digest[8:], "little") % _SETS * _SET_BYTES
        fcntl.lockf(self._file, fcntl.LOCK_EX, _SET_BYTES, offset)
        try:
            return self._take(offset, digest[:8])
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _SET_BYTES, offset)

    def _take(self, offset: int, key: bytes) -> int:
        now = self._now()
        position, tokens, counted_at = self._find(offset, key)
        # Clocks of two processes may be read in the other order; time never runs backwards for a bucket.
        tokens = min(self._burst, tokens + max(0.0, now - counted_at) * self._per_s)
        if tokens >= 1.0:
            _SLOT.pack_into(self._memory, position, key, tokens - 1.0, max(now, counted_at))
            return 0
        _SLOT.pack_into(self._memory, position, key, tokens, max(now, counted_at))
        return max(1, math.ceil((1.0 - tokens) / self._per_s))

    def _find(self, offset: int, key: bytes) -> tuple[int, float, float]:
        oldest, oldest_at = offset, math.inf
        for position in range(offset, offset + _SET_BYTES, _SLOT.size):
            owner, tokens, counted_at = _SLOT.unpack_from(self._memory, position)
            if owner == key:
                return position, tokens, counted_at
            if counted_at < oldest_at:
                oldest, oldest_at = position, counted_at
        return oldest, self._burst, self._now()
