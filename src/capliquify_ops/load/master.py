"""The master of a crew of generators, over Locust's own runner, which it is given."""

import math
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from capliquify_ops.load.crew import Crew
from capliquify_ops.load.generator import Say
from capliquify_ops.load.plan import Plan, share_of, to_wire

POLL_S = 0.05
FAREWELL_MS = 1_000
"""For the last word to reach every member."""


class Master:
    """Shares a plan out among a crew and passes on what its members say, each line with the member's number."""

    def __init__(self, plan: Plan, crew: Crew, runner: Any, say: Say, sleep: Callable[[float], None]) -> None:  # noqa: ANN401
        self.plan, self.crew, self.runner = plan, crew, runner
        self.say, self.sleep = say, sleep
        self.numbers: dict[str, int] = {}
        self.armed: set[str] = set()
        self.ended: set[str] = set()
        self.results: list[dict[str, object]] = []
        self.runner.register_message("armed", lambda environment, msg: self.armed.add(msg.node_id))  # noqa: ARG005
        self.runner.register_message("said", self.pass_on)

    def pass_on(self, environment: object, msg: Any) -> None:  # noqa: ANN401, ARG002  # as Locust calls it
        """Pass a member's line on to the parent."""
        line = {**msg.data, "generator": self.numbers[msg.node_id]}
        if line["kind"] == "result":
            self.ended.add(msg.node_id)
            self.results.append(line)
        elif line["kind"] != "ready":
            self.say(line)

    def run(self) -> None:
        """Gather the crew, share out, start all at once, and wait until each has said its result or is lost."""
        self.say({"kind": "gathering", "port": self.runner.server.port, "of": self.crew.size})
        own = [self.member() for _ in range(self.crew.local)]
        if not self.wait(lambda: len(self.runner.clients) >= self.crew.size, self.crew.wait_s):
            came = f"{len(self.runner.clients)} of {self.crew.size} generators came in {self.crew.wait_s:g} s"
            self.say({"kind": "failed", "why": came})
            return
        self.numbers = {name: number for number, name in enumerate([*self.runner.clients][: self.crew.size])}
        for name, number in self.numbers.items():
            line = to_wire(share_of(self.plan, number, self.crew.size)).decode()
            self.runner.send_message("plan", {"line": line}, client_id=name)
        for name in {*self.runner.clients} - {*self.numbers}:  # more came than were waited for
            self.runner.send_message("over", {}, client_id=name)
        if not self.wait(lambda: self.armed >= {*self.numbers}, self.crew.wait_s):
            self.say({"kind": "failed", "why": f"{len(self.armed)} of {self.crew.size} generators made ready"})
            return
        for name in self.numbers:
            self.runner.send_message("start", {}, client_id=name)
        self.say({"kind": "ready", "generators": self.crew.size})
        self.wait(lambda: self.ended | self.lost() >= {*self.numbers}, math.inf)
        self.dismiss()
        for process in own:
            process.kill()
        for result in self.results:  # last of all: when the parent has heard each of them, it ends this process
            self.say(result)
        for name in {*self.numbers} - self.ended:
            self.say({"kind": "lost", "generator": self.numbers[name]})

    def dismiss(self) -> None:
        """Let the members go, and wait until they were told: what is not sent when this process ends is lost."""
        self.runner.send_message("over", {})
        socket = self.runner.server.socket
        context = socket.context
        socket.close(linger=FAREWELL_MS)
        context.term()

    def member(self) -> subprocess.Popen[bytes]:
        """Start a member on this machine, which ends with this process: it holds the other end of its input."""
        join = f"{self.crew.local_address}:{self.runner.server.port}"
        command = [sys.executable, "-P", "-m", "capliquify_ops.load.worker", "--join", join]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def lost(self) -> set[str]:
        """Return the members that were not heard of for some seconds, or have left."""
        missing = {node.id for node in self.runner.clients.missing}
        return (missing | ({*self.numbers} - {*self.runner.clients})) & {*self.numbers}

    def wait(self, is_so: Callable[[], object], seconds: float) -> bool:
        """Wait until something is so; return whether it came to be."""
        end = perf_counter() + seconds
        while not is_so():
            if perf_counter() > end:
                return False
            self.sleep(POLL_S)
        return True
