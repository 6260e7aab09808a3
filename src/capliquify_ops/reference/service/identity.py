"""The identity process: users, organisations and memberships in memory, over HTTP with JSON.

It stands in for the identity provider on loopback. Start it with
``python -m capliquify_ops.reference.service.identity --settings FILE``.
"""

import argparse
import hmac
import json
import signal
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from capliquify_ops.reference.service.access import ROLES
from capliquify_ops.reference.service.settings import IdentitySettings, SettingsInvalid, load_identity_settings

_MAX_BODY_BYTES = 65536
_FIELDS = ("email", "full_name", "role")


class Memberships:
    """Who belongs to which organisation; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], dict[str, str]] = {}

    def put(self, organization: str, user: str, member: dict[str, str]) -> None:
        """Makes or replaces a membership, and with it the user and the organisation."""
        with self._lock:
            self._rows[organization, user] = {"user_id": user, **member}

    def get(self, organization: str, user: str) -> dict[str, str] | None:
        """One membership, or None."""
        with self._lock:
            return self._rows.get((organization, user))

    def forget(self, *, organization: str | None = None, user: str | None = None) -> None:
        """Removes an organisation or a user with every membership."""
        with self._lock:
            self._rows = {key: row for key, row in self._rows.items() if organization != key[0] and user != key[1]}


class IdentityServer(ThreadingHTTPServer):
    """One thread per connection. The port may already be held, not listening, by whoever started this process."""

    daemon_threads = True
    allow_reuse_port = True
    request_queue_size = 128

    def __init__(self, settings: IdentitySettings) -> None:
        self.settings = settings
        self.memberships = Memberships()
        super().__init__((settings.host, settings.port), IdentityHandler)


class IdentityHandler(BaseHTTPRequestHandler):
    """The routes; whatever changes anything needs the admin token."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: IdentityServer

    def do_GET(self) -> None:
        """`/health` and one membership."""
        match self._segments():
            case ["health"]:
                self._answer(HTTPStatus.OK, {"status": "healthy", "instance": self.server.settings.instance})
            case ["organizations", organization, "memberships", user]:
                row = self.server.memberships.get(organization, user)
                self._answer(HTTPStatus.OK if row else HTTPStatus.NOT_FOUND, row or {"error": "not_found"})
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "not_found"})

    def do_PUT(self) -> None:
        """Makes a user, an organisation and the membership; the same again changes nothing."""
        body = self._body()
        match self._segments():
            case ["organizations", organization, "memberships", user] if self._is_admin():
                if body is None:
                    self._answer(HTTPStatus.BAD_REQUEST, {"error": "invalid_request"})
                    return
                self.server.memberships.put(organization, user, body)
                self._answer(HTTPStatus.OK, {"user_id": user, **body})
            case _:
                self._refuse()

    def do_DELETE(self) -> None:
        """Removes an organisation or a user; one that is not there is removed already."""
        match self._segments():
            case ["organizations", organization] if self._is_admin():
                self.server.memberships.forget(organization=organization)
            case ["users", user] if self._is_admin():
                self.server.memberships.forget(user=user)
            case _:
                self._refuse()
                return
        self._answer(HTTPStatus.OK, {"removed": "true"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
        """Nothing: paths hold user ids."""

    def _segments(self) -> list[str]:
        return [unquote(part) for part in self.path.partition("?")[0].split("/")[1:]]

    def _is_admin(self) -> bool:
        wanted = f"Bearer {self.server.settings.admin_token}".encode()
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), wanted)

    def _body(self) -> dict[str, str] | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
            self.close_connection = True
            return None
        try:
            document = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in _FIELDS):
            return None
        return {name: document[name] for name in _FIELDS} if document["role"] in ROLES else None

    def _refuse(self) -> None:
        status = HTTPStatus.NOT_FOUND if self._is_admin() else HTTPStatus.UNAUTHORIZED
        self._answer(status, {"error": status.phrase.lower().replace(" ", "_")})

    def _answer(self, status: HTTPStatus, document: dict[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; 78 when the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m capliquify_ops.reference.service.identity")
    parser.add_argument("--settings", type=Path, required=True)
    try:
        settings = load_identity_settings(parser.parse_args(arguments).settings)
    except SettingsInvalid as problem:
        sys.stderr.write(f"{problem}\n")
        return 78
    server = IdentityServer(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop to end, so it must not run in the thread that runs the loop.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
