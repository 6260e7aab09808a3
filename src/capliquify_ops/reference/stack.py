"""An embedded stack for tests, suites and the command line: one call starts it, `close` leaves nothing behind.

The stack lives in a supervisor of its own. When this process ends, however it ends, the pipe to the supervisor closes and
the supervisor takes everything down.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

from capliquify_ops.model.errors import ConfigurationInvalid, TargetUnreachable
from capliquify_ops.reference import run_folder
from capliquify_ops.reference.stack_protocol import Description, Options, from_line

_START_S = 120.0
_CLOSE_S = 300.0
"""A fleet of thousands is a hundred thousand files: removing them took 94 s on a busy disk mounted with `discard`."""
_EXTRA = ("cryptography", "granian", "jwt", "psycopg_pool", "starlette")
SUPERVISOR = (sys.executable, "-P", "-m", "capliquify_ops.reference.supervisor")
"""The command of a supervisor; it reads one line of `Options` and ends when its standard input closes."""
_TAIL = 2_000
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stack(Description):
    """A running stack; a context manager that closes it."""

    supervisor: subprocess.Popen[bytes] = field(repr=False, compare=False, kw_only=True)

    def close(self) -> None:
        """End the stack and wait until nothing of it is left. May be called again."""
        _end(self.supervisor)
        # Only a supervisor that was killed leaves its folder.
        run_folder.sweep([self.run_folder.parent])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def start(
    *,
    service: bool = True,
    port: int = 0,
    workers: int = 1,
    pool_size: int = 10,
    postgres_bin: Path | None = None,
    product: bool = True,
    postgres_settings: Mapping[str, str] = _NOTHING,
    service_settings: Mapping[str, str | int | float] = _NOTHING,
    service_arguments: tuple[str, ...] = (),
    base: Path | None = None,
    switches: tuple[str, ...] = (),
    serials: bool = False,
    pooler: str = "",
) -> Stack:
    """Start an embedded stack and return it when it answers; the options are those of `stack_protocol.Options`.

    Raises UsageError (a port in use, unusable programs), ConfigurationInvalid (the extra is not installed) or
    TargetUnreachable (something did not start, with its last words). Nothing is left then.
    """
    _require_extra()
    options = Options(
        service=service,
        port=port,
        workers=workers,
        pool_size=pool_size,
        postgres_bin=postgres_bin,
        product=product,
        postgres_settings=postgres_settings,
        service_settings=service_settings,
        service_arguments=service_arguments,
        base=base,
        switches=switches,
        serials=serials,
        pooler=pooler,
    )
    with tempfile.TemporaryFile() as complaints:
        supervisor = subprocess.Popen(
            SUPERVISOR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
        )
        try:
            described = _described(supervisor, options, complaints)
        except BaseException:
            _end(supervisor)
            run_folder.sweep([base] if base else run_folder.bases())
            raise
    values = {each.name: getattr(described, each.name) for each in fields(Description)}
    return Stack(**values, supervisor=supervisor)


def _require_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        message = f"The embedded stack needs {', '.join(missing)}, which is not installed."
        raise ConfigurationInvalid(message, hint="Install it with: pip install 'capliquify-ops[reference]'")


def _described(supervisor: subprocess.Popen[bytes], options: Options, complaints: IO[bytes]) -> Description:
    assert supervisor.stdin is not None
    with suppress(BrokenPipeError):
        supervisor.stdin.write(options.to_line().encode() + b"\n")
        supervisor.stdin.flush()
    line = _line_of(supervisor)
    if not line:
        complaints.seek(0)
        said = complaints.read()[-_TAIL:].decode("utf-8", "replace").strip()
        raise TargetUnreachable(f"The supervisor of the embedded stack gave no answer. {said}")
    return from_line(line.decode("utf-8"))


def _line_of(supervisor: subprocess.Popen[bytes]) -> bytes:
    """Read one line, at most until the time for a start is over; empty when the supervisor ended without one."""
    assert supervisor.stdout is not None
    answer, deadline = b"", time.monotonic() + _START_S
    while not answer.endswith(b"\n"):
        # Not select(), which ends at descriptor 1,024: a large test run has more open.
        ready = wait([supervisor.stdout.fileno()], max(0.0, deadline - time.monotonic()))
        part = os.read(supervisor.stdout.fileno(), 65_536) if ready else b""
        if not part:
            return b""
        answer += part
    return answer


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    """Close the pipe, say so with a signal too (a forked copy of this process may hold the pipe open), and wait."""
    for pipe in (supervisor.stdin, supervisor.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    supervisor.terminate()
    try:
        supervisor.wait(_CLOSE_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
