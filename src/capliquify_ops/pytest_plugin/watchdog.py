"""Removes what a measuring run made when the run itself no longer can: a process of its own that outlives a killed pytest.

It holds the reading end of a pipe. A run that ends and has removed everything says so; when the pipe closes without a word,
the run was killed or a removal failed, and the tenants, rows and users that carry its id are removed. The embedded target needs
none: it vanishes as a whole.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.configuration import Target, load_settings
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation.given_tenants import remove_from_given
from capliquify_ops.isolation.world import remove_run
from capliquify_ops.model.protocols import TokenSource

DONE = b"done\n"
REMOVAL_S = 60.0
"""How long a run waits for what its watchdog removes; it goes on by itself after that."""


def load_run(run: str) -> str:
    """Return the id under which a run's load tenants are made."""
    return f"{run}load"


def storm_run(run: str) -> str:
    """Return the id under which a run's tenant creation storm makes its tenants."""
    return f"{load_run(run)}storm"


@dataclass(frozen=True, slots=True)
class Watchdog:
    """A running watchdog."""

    process: subprocess.Popen[bytes]

    def dismiss(self) -> None:
        """Tell it that the run has removed everything itself."""
        try:
            self.process.communicate(DONE, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def release(self) -> None:
        """Let it remove what the run could not, as if the run had been killed, and wait for that a while."""
        try:
            self.process.communicate(timeout=REMOVAL_S)
        except (OSError, subprocess.TimeoutExpired):
            return


def watch(file: Path | None, target: str, run: str, given: Mapping[str, str]) -> Watchdog:
    """Start a watchdog for a run on a configured target, and on tenants given to it by key, if any were.

    Secrets are not handed over: it reads the configuration itself.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "capliquify_ops.pytest_plugin.watchdog"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    document = {"file": str(file.resolve()) if file else None, "target": target, "run": run, "given": dict(given)}
    process.stdin.write(json.dumps(document).encode() + b"\n")
    process.stdin.flush()
    return Watchdog(process)


def main() -> None:
    """Wait for the end of a run; remove what it left when it was killed."""
    task = json.loads(sys.stdin.buffer.readline())
    if sys.stdin.buffer.read() == DONE:
        return
    settings = load_settings(Path(task["file"]) if task["file"] else None)
    target = settings.target(task["target"], observing=False)
    tokens = token_source(target.identity, SystemClock())
    for left in _left(target, tokens, task["run"], task["given"]):
        sys.stderr.write(f"capliquify-ops: not removed: {left}\n")


def _left(target: Target, tokens: TokenSource, run: str, given: Mapping[str, str]) -> Iterator[str]:
    """Remove all that a run made, and yield what stays. Rows first: their owners' tokens go with the run's users."""
    if given:
        yield from remove_from_given(target, tokens, run, SystemClock(), given)
    for one in (run, load_run(run), storm_run(run)):
        yield from remove_run(target, tokens, one)


if __name__ == "__main__":
    main()
