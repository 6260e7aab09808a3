"""Runs verbs in processes that end in the middle: a line of JSON asks for one, a child does it, a line of JSON answers.

`at` counts what the server has done: statements, and commits of outermost transactions. There the child kills itself
(`how` kill), or says which server process it has and waits until it may go on (`how` pause). `at` 0 runs to the end.
"""

import json
import os
import signal
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import SCENARIOS, Stage

from capliquify_ops.database import Session, operator
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret

STATEMENTS = ("rows", "mappings", "value", "execute", "script", "copy_out", "copy_in")


class Interruption:
    """Counts, and stops at one point."""

    def __init__(self, at, how):
        self.at, self.how, self.count, self.depth = at, how, 0, 0

    def reached(self, session):
        self.count += 1
        if self.count != self.at:
            return
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        _say({"paused": session.backend_pid})
        os.read(0, 1)

    def install(self):
        for name in STATEMENTS:
            setattr(Session, name, self._counting(getattr(Session, name)))
        Session.transaction = self._outermost(Session.transaction)

    def _counting(self, original):
        def wrapped(session, *arguments, **options):
            result = original(session, *arguments, **options)
            self.reached(session)
            return result

        return wrapped

    def _outermost(self, original):
        @contextmanager
        def wrapped(session, *arguments, **options):
            self.depth += 1
            try:
                with original(session, *arguments, **options) as opened:
                    yield opened
            finally:
                self.depth -= 1
            if self.depth == 0:
                self.reached(session)

        return wrapped


def _say(document):
    os.write(1, json.dumps(document).encode() + b"\n")


def _run(asked):
    interruption = Interruption(asked["at"], asked["how"])
    error = ""
    try:
        with operator(Secret(asked["url"]), "victim") as session:
            stage = Stage(session, Roles(**asked["roles"]), asked["slug"], uuid.UUID(asked["id"]), Path(asked["folder"]))
            interruption.install()
            SCENARIOS[asked["scenario"]].run(stage)
    except OpsError as caught:
        error = f"{type(caught).__name__}: {caught}"
    _say({"points": interruption.count, "error": error})


def main():
    for line in iter(_line, ""):
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            _say({"signal": os.WTERMSIG(status)})


def _line():
    """Read one line without reading ahead: what follows belongs to the child."""
    return b"".join(iter(lambda: os.read(0, 1).replace(b"\n", b""), b"")).decode()


if __name__ == "__main__":
    main()
