"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), so that a password itself never travels in a statement that a log could keep."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable

from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

_ITERATIONS = 4096
"""PostgreSQL's own default (scram_iterations)."""
_SALT_BYTES = 16


def verifier(password: Secret, salt_of: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return what PostgreSQL stores for a password. Raises UsageError for an empty one or one outside printable ASCII.

    Other characters would have to be normalised first (RFC 4013), and servers differ in that.
    """
    text = password.reveal()
    if not text or not text.isascii() or not text.isprintable():
        raise UsageError("A role's password must be printable ASCII and not empty.", hint="Generate one of letters and digits.")
    salt = salt_of(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    return f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
