"""The interruption matrix: every verb, at every point, ended in both ways; then the invariants, then the next call."""

import json
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import SCENARIOS, Stage, clear, content, settle, settled, wrong

from capliquify_ops.database import operator
from capliquify_ops.model.secret import Secret

HOW = ("kill -9", "pg_terminate_backend")
DEADLINE_S = 30.0
_LEFT = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'capliquify_ops victim'"
    " OR pid = %(pid)s"
)


@dataclass(frozen=True)
class Case:
    """One interruption: of which verb, in which way, after which of its points."""

    scenario: str
    how: str
    at: int


@dataclass(frozen=True)
class Ended:
    """How a case ended: `settled` by what the next call did, and everything that was wrong before or after it."""

    case: Case
    settled: str
    wrong: tuple[str, ...]


class Matrix:
    """Runs cases on one database; a context manager that ends its process."""

    def __init__(self, operator_url: str, superuser_url: str, roles, folder: Path) -> None:
        self.url, self.superuser_url, self.roles, self.folder = operator_url, superuser_url, roles, folder
        self._victim = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._victim.stdin.close()
        self._victim.wait(DEADLINE_S)
        self._victim.stdout.close()

    def cases(self, names=tuple(SCENARIOS)) -> list[Case]:
        """Every case of these scenarios: the points of each are counted by running it."""
        return [Case(name, how, at) for name in names for how in HOW for at in range(1, self.points(name) + 1)]

    def points(self, name: str) -> int:
        """How many points a scenario has."""
        with operator(Secret(self.url), "matrix") as session:
            stage = self._stage(session, name)
            answer = self._ask(stage, name, 0, "pause")
            assert answer["error"] == "", answer
            clear(stage)
        return answer["points"]

    def run(self, case: Case) -> Ended:
        """Run one case."""
        scenario = SCENARIOS[case.scenario]
        with operator(Secret(self.url), "matrix") as session:
            stage = self._stage(session, case.scenario)
            before = content(stage)
            self._interrupt(stage, case)
            found = [f"after the interruption: {each}" for each in wrong(stage, before)]
            how = settle(scenario, stage, undo=case.at % 3 == 0)
            found += [f"after the next call: {each}" for each in settled(scenario, stage, before, how)]
            clear(stage)
        return Ended(case, how, tuple(found))

    def _stage(self, session, name):
        number = uuid.uuid4()
        stage = Stage(session, self.roles, f"t-{number.hex[:12]}", number, self.folder)
        SCENARIOS[name].prepare(stage)
        return stage

    def _interrupt(self, stage, case):
        answer = self._ask(stage, case.scenario, case.at, "kill" if case.how == "kill -9" else "pause")
        if case.how == "kill -9":
            assert answer == {"signal": 9}, answer
            self._until_gone(0)
            return
        with operator(Secret(self.superuser_url), "terminate") as superuser, superuser.transaction():
            assert superuser.value("SELECT pg_terminate_backend(%(pid)s)", {"pid": answer["paused"]})
        self._until_gone(answer["paused"])
        self._victim.stdin.write(b"\n")
        self._victim.stdin.flush()
        assert "points" in self._answer()

    def _ask(self, stage, name, at, how):
        asked = {
            "scenario": name, "at": at, "how": how, "url": self.url, "roles": asdict(self.roles), "slug": stage.slug,
            "id": str(stage.id), "folder": str(self.folder),
        }  # fmt: skip
        self._victim.stdin.write(json.dumps(asked).encode() + b"\n")
        self._victim.stdin.flush()
        return self._answer()

    def _answer(self):
        return json.loads(self._victim.stdout.readline())

    def _until_gone(self, pid):
        deadline = time.monotonic() + DEADLINE_S
        with operator(Secret(self.superuser_url), "watch") as superuser:
            while True:
                with superuser.transaction():
                    if superuser.value(_LEFT, {"pid": pid}) == 0:
                        return
                assert time.monotonic() < deadline, "the interrupted session is still there"
