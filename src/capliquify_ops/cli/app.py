"""The command and the way its exit codes are made: click's own codes would collide with pytest's and the gate's."""

import io
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from capliquify_ops.cli.commands import application
from capliquify_ops.cli.output import note
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import OpsError

# typer carries its own copy of click and exports only some of its errors; this is the parent of them.
UsageMistake: type[Exception] = typer.BadParameter.__mro__[1]
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code. A terminal that knows few characters gets escapes instead of a traceback."""
    # The driver remarks on what went wrong besides, with addresses; our own sentence says what matters.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code. Sentences of errors go to stderr."""
    try:
        result = application(arguments)(arguments, standalone_mode=False)
    except OpsError as error:
        _sorry(str(error))
        return error.exit_code
    except UsageMistake as error:
        said = getattr(error, "format_message", error.__str__)()  # with the option's name
        _sorry(f"{' '.join(said.split()) or 'Say what to do.'} See: capliquify-ops --help")
        return ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        note("capliquify-ops: interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED
    return result if isinstance(result, int) else 0


def _sorry(text: str) -> None:
    """Print an error. A URL given in the place of a name must not come back with its password."""
    note(f"capliquify-ops: {Redactor().text(text)}")
