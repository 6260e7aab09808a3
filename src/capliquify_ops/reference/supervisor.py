"""The process that owns a stack: started by `stack.start`, it ends everything when its standard input closes.

`python -m capliquify_ops.reference.supervisor` reads one line of options, prints one line of JSON (the stack, or the
error that kept it from starting) and then waits. It ends on SIGTERM, SIGINT and SIGHUP too, and half-way through the start.
Should it be killed outright, the kernel ends its children, and the next start removes its folder.
"""

import errno
import os
import sys
import tempfile
from contextlib import suppress

from capliquify_ops.configuration.system import forget_libpq
from capliquify_ops.model.errors import OpsError
from capliquify_ops.reference.assembly import Assembly
from capliquify_ops.reference.ending import Ended, Watch
from capliquify_ops.reference.processes import no_space
from capliquify_ops.reference.stack_protocol import Options, fault_to_line

_STDIN, _STDOUT = 0, 1
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def main() -> int:
    """Run one stack until it is told to end. 0 when it was told, 1 when it could not start."""
    forget_libpq()
    line = _first_line()
    if not line:
        return 0
    watch = Watch(_STDIN)
    assembly = Assembly(Options.from_line(line), watch.held)
    fault: OpsError | None = None
    try:
        # Twice `finally`: the end may come while the inner one runs, and never after it.
        try:
            watch.begin()
            _run(assembly, watch)
        finally:
            watch.stop()
    except Ended:
        pass
    except OpsError as error:
        fault = error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        fault = no_space(str(error.filename2 or error.filename or tempfile.gettempdir()))
    finally:
        assembly.down()
    if fault is None:
        return 0
    _say(fault_to_line(fault))
    return 1


def _run(assembly: Assembly, watch: Watch) -> None:
    _say(assembly.up(as_root=os.geteuid() == 0).to_line())
    watch.wait()


def _first_line() -> str:
    """Read the options byte by byte: whatever a buffer would take with it is not ours, and the pipe has to stay watchable."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            return ""
        line += byte
    return line.decode("utf-8")


def _say(text: str) -> None:
    with suppress(BrokenPipeError):
        os.write(_STDOUT, text.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
