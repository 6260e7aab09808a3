"""The generator's process: `python -m capliquify_ops.load.worker`, the only importer of locust.

Standard input gives the plan as one line of JSON (it holds the tokens, which go nowhere else) and then stays open: when
it closes, by whatever death of the parent, this process ends at once. Standard output gives JSON lines: `ready`, a block
of `samples` every second, and `result` last. Standard error is for people.

With `--master` the plan is shared out among a crew of such processes, here or elsewhere, which Locust's own master and
workers connect: `--join HOST:PORT` makes one a member. Each sends every n-th arrival of the plan.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.rpc import Message

from capliquify_ops.load.crew import crew_from_wire
from capliquify_ops.load.generator import Generator
from capliquify_ops.load.master import Master
from capliquify_ops.load.plan import Plan, from_wire

CREW_LEAD_S = 1.0
"""Between the word to start and the first arrival: the word takes its time to each member."""
MASTER_GONE_S = 5.0
"""Locust's master is heard of once a second."""
_ANY_STATUS = frozenset(range(100, 1000))
"""Refusals are answers like others: read whole, and their connection kept."""


class SingleAttemptPool(HTTPClientPool):
    """Clients that send each request once: the library's own silent repeats would hide dropped connections.

    `opened` counts the connections made, by all of them.
    """

    opened = 0

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        pool = client._connection_pool  # noqa: SLF001  # nothing public tells of connections
        pool.size = -1  # the number of repeats is `size + 1`, and read nowhere else
        setattr(pool, "after_connect", _count_opened)  # noqa: B010  # to mypy an assignment changes a method's type
        return client


def _count_opened(_: object) -> None:
    SingleAttemptPool.opened += 1


class Connection(FastHttpUser):
    """One keep-alive connection. Certificates are verified, redirects and cookies are not followed."""

    abstract = True
    insecure = False
    max_redirects = 0
    concurrency = 1

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> tuple[int, bytes]:
        """Return status and body; status 0 when no whole answer came in time."""
        with gevent.Timeout(self.network_timeout, exception=False):
            response = self.client.request(
                method, path, data=body, headers=dict(headers), allow_redirects=False, catch_response=True
            )
            if response.request_meta["exception"] is None:
                return response.status_code, response.content or b""
        return 0, b""


class GreenLoop:
    """Greenlets, and connections to the plan's address that time out as the plan says."""

    def __init__(self, plan: Plan) -> None:
        self._environment = Environment(user_classes=[Connection])
        Connection.host = plan.base_url.rstrip("/")
        Connection.connection_timeout = Connection.network_timeout = plan.timeout_s

    @property
    def opened(self) -> int:
        """Return how many connections were made."""
        return SingleAttemptPool.opened

    def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        gevent.sleep(seconds)

    def connect(self) -> Connection:
        """Return a connection that is not open yet."""
        timeout = Connection.network_timeout
        Connection.client_pool = SingleAttemptPool(
            concurrency=1,
            connection_timeout=timeout,
            network_timeout=timeout,
            ssl_context_factory=gevent.ssl.create_default_context,
        )
        connection = Connection(self._environment)
        connection.client.client.cookiejar = None
        connection.client.client.valid_response_codes = _ANY_STATUS  # type: ignore[misc]
        return connection

    def run(self, drivers: Sequence[Callable[[], None]], helpers: Sequence[Callable[[], None]], timeout_s: float) -> None:
        """Run all at once until each driver has ended or the time is over."""
        driving, helping = ([gevent.spawn(each) for each in group] for group in (drivers, helpers))
        gevent.joinall(driving, timeout=timeout_s)
        gevent.killall([*driving, *helping])


def say(message: dict[str, object]) -> None:
    """Write one line for the parent."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """Wait, in a thread of its own that no busy loop holds up, until the parent is gone; then end."""
    while os.read(0, 4096):
        pass
    os._exit(3)


class Member:
    """One generator of a crew, told by Locust's messages what to send and when."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.plan: Plan | None = None
        self.started, self.over = gevent.event.Event(), gevent.event.Event()
        environment = Environment(user_classes=[Connection])
        self.runner = environment.create_worker_runner(host, int(port))
        self.runner.register_message("plan", self.arm)
        self.runner.register_message("start", lambda environment, msg: self.started.set())  # noqa: ARG005
        self.runner.register_message("over", lambda environment, msg: self.over.set())  # noqa: ARG005

    def arm(self, environment: Environment, msg: Message) -> None:  # noqa: ARG002  # as Locust calls it
        """Take the share to send."""
        self.plan = from_wire(msg.data["line"].encode())
        self.runner.send_message("armed")

    def run(self) -> None:
        """Wait for the word, run the share, and stay until all that was said has arrived. End with the master meanwhile."""
        gevent.spawn(self.end_with_master)
        gevent.wait([self.started, self.over], count=1)
        if self.plan is None:
            end("The crew is complete without this generator, which ends.")
            return
        loop = GreenLoop(self.plan)
        Generator(self.plan, loop, lambda message: self.runner.send_message("said", message), CREW_LEAD_S).run()
        self.over.wait()

    def end_with_master(self) -> None:
        """End when nothing is heard of the master any more, also in mid-run."""
        while True:
            heard = self.runner.last_heartbeat_timestamp
            if heard is not None and time.time() - heard > MASTER_GONE_S:
                end("The master is gone; this generator ends.")
            gevent.sleep(1.0)


def end(why: str) -> None:
    """Say why, and leave at once."""
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    """Read the plan, run it, and leave without waiting for the thread that watches the parent."""
    options = argparse.ArgumentParser()
    options.add_argument("--master", action="store_true")
    options.add_argument("--join", default="")
    given = options.parse_args()
    if given.join:
        gevent.get_hub().threadpool.spawn(end_with_parent)
        Member(given.join).run()
        os._exit(0)  # without waiting for the thread that watches the parent
    plan = from_wire(sys.stdin.buffer.readline())
    crew = crew_from_wire(sys.stdin.buffer.readline()) if given.master else None
    gevent.get_hub().threadpool.spawn(end_with_parent)
    if crew:
        runner = Environment(user_classes=[Connection]).create_master_runner(crew.bind, crew.port)
        Master(plan, crew, runner, say, gevent.sleep).run()
    else:
        Generator(plan, GreenLoop(plan), say).run()
    os._exit(0)


if __name__ == "__main__":
    main()
