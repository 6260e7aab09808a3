"""What the token maker of a running stack has to know; kept in the run's folder, readable by its owner alone."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from capliquify_ops.model.errors import UsageError

FILE = "tokens.json"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Where the stack answers, whom its tokens name as issuer and authorised party, and the identity process's admin token."""

    base_url: str
    identity_url: str
    issuer: str
    authorized_party: str
    admin_token: str = field(repr=False)

    def to_text(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self))


def load(run_folder: Path) -> TokenSettings:
    """Read the settings of a running stack. Raises UsageError when the folder is not one."""
    try:
        return TokenSettings(**json.loads((run_folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        message = f"{run_folder} is not the folder of a running embedded stack with its service."
        raise UsageError(message, hint="Start one with: capliquify-ops reference serve") from error
