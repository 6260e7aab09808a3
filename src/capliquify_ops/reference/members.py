"""Memberships in the identity process of a running stack: made through its admin API, remembered so that they can be removed."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import IntegrationFailed, UsageError
from capliquify_ops.model.protocols import TokenRequest
from capliquify_ops.reference.token_settings import TokenSettings

FILE = "ensured.jsonl"
_OK = 200


class Members:
    """A connection to the identity process, and the list of what was made through it."""

    def __init__(self, run_folder: Path, settings: TokenSettings) -> None:
        self._ensured = run_folder / FILE
        self._client = Client(settings.identity_url, headers={"Authorization": f"Bearer {settings.admin_token}"})

    def put(self, request: TokenRequest) -> None:
        """Make user, organisation and membership; the same again changes nothing. Raises IntegrationFailed when refused."""
        line = json.dumps([request.organization_id, request.user_id]) + "\n"
        # One short append is atomic, so several token makers at once need no lock.
        with open(os.open(self._ensured, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:  # noqa: PTH123
            file.write(line.encode())
        path = f"/organizations/{quote(request.organization_id, safe='')}/memberships/{quote(request.user_id, safe='')}"
        person = {"email": request.email, "full_name": request.email.partition("@")[0], "role": request.role}
        self._ask("PUT", path, person)

    def forget(self, run: str) -> int:
        """Remove every user and organisation made here whose id contains `run`. Raises UsageError for an empty text."""
        if not run:
            raise UsageError("An empty run would remove everybody.", hint='Expected: {"forget": "<id of the run>"}')
        try:
            lines = self._ensured.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return 0
        pairs = [json.loads(line) for line in lines]
        gone = {f"/organizations/{quote(one, safe='')}" for one, _ in pairs if run in one}
        gone |= {f"/users/{quote(user, safe='')}" for _, user in pairs if run in user}
        for path in sorted(gone):
            self._ask("DELETE", path)
        return len(gone)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, body: object = None) -> None:
        answer = self._client.request(method, path, json=body)
        if answer.status != _OK:
            message = f"The identity process refused {method} with {answer.status}."
            raise IntegrationFailed(message, hint="Check the role of each request.")
