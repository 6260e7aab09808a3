"""Tokens from a program of the deployment's own: one run for each batch, JSON in, JSON out."""

import json
import subprocess
from collections.abc import Mapping, Sequence

from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.protocols import TokenRequest

TIMEOUT_S = 60


class CommandTokens:
    """Runs the configured program. What it prints on stderr is not repeated: it may hold secrets."""

    def __init__(self, command: Sequence[str]) -> None:
        if not command:
            raise ConfigurationInvalid("identity.command is empty.", hint='Expected: command = ["program", "argument"]')
        self._command = list(command)

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return one token for each request, None where the program cannot make that variant."""
        if not requests:
            return []
        return self._ask([_row(request) for request in requests])

    def signed(self, request: TokenRequest, claims: Mapping[str, object]) -> str | None:
        """Return a valid session's token with these claims over its own, None where the program signs no such token."""
        return self._ask([_row(request) | {"claims": dict(claims)}])[0]

    def _ask(self, rows: Sequence[dict[str, object]]) -> list[str | None]:
        answer = self._run({"requests": rows})
        found = answer.get("tokens") if isinstance(answer, dict) else None
        if not isinstance(found, list) or len(found) != len(rows):
            raise self._failed(f"did not print {len(rows)} tokens")
        if not all(token is None or isinstance(token, str) for token in found):
            raise self._failed("printed something that is neither a token nor null")
        return found

    def forget(self, run: str) -> None:
        """Have the program remove what a run made."""
        self._run({"forget": run})

    def _run(self, document: object) -> object:
        try:
            done = subprocess.run(
                self._command, input=json.dumps(document).encode(), capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except FileNotFoundError:
            raise self._failed("does not exist") from None
        except (OSError, subprocess.TimeoutExpired):
            raise self._failed(f"could not be run, or took longer than {TIMEOUT_S} s") from None
        if done.returncode:
            raise self._failed(f"ended with {done.returncode}")
        try:
            return json.loads(done.stdout or b"{}")
        except ValueError:
            raise self._failed("did not print JSON") from None

    def _failed(self, why: str) -> IntegrationFailed:
        return IntegrationFailed(f"The identity command {self._command[0]!r} {why}.", hint="Run it by hand to see why.")


def _row(request: TokenRequest) -> dict[str, object]:
    """A program that knows nothing of `lasting_s` is not troubled with it where the provider's own life will do."""
    lasting = {"lasting_s": request.lasting_s} if request.lasting_s else {}
    return lasting | {
        "user_id": request.user_id,
        "email": request.email,
        "organization_id": request.organization_id,
        "role": request.role,
        "variant": request.variant.value,
        "ensure": request.ensure,
    }
