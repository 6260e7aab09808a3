"""Links to files that are good for a minute without a session: signed by a key of this run."""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from time import time

from capliquify_ops.reference.service.refusals import not_found
from capliquify_ops.reference.service.runtime import Service

LINK_S = 60
_KEY_FILE = "links.key"


def link_to(service: Service, name: str) -> str:
    """A path that hands out the file until `LINK_S` seconds from now."""
    signed = f"{name.removesuffix('.csv')}.{int(time()) + LINK_S}"
    return f"/api/links/{signed}.{_signature(service, signed)}"


def linked_name(service: Service, link: str) -> str:
    """The file of a link. Refusal 404 for one that is over, or was changed."""
    signed, _, signature = link.rpartition(".")
    stem, _, until = signed.rpartition(".")
    is_ours = hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(service, signed).encode())
    if not is_ours or int(until) < time():
        raise not_found()
    return f"{stem}.csv"


def _signature(service: Service, signed: str) -> str:
    return hmac.new(_key(service), signed.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _key(service: Service) -> bytes:
    """One key for all workers of a run, made by whichever needs it first."""
    path = Path(service.settings.run_folder) / _KEY_FILE
    if not path.exists():
        half = path.with_suffix(f".{secrets.token_hex(8)}")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(half, path)
        half.unlink()
    return path.read_bytes()
