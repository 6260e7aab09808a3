"""The load scenarios for Locust's own interface: locust -f perf/locustfile.py --users 100 --spawn-rate 20

For exploring. Users here wait for their answers, so a slow service slows them down: what ticks a box is measured by
`capliquify-ops load run` and `readiness`, with open arrivals. The target is that of capliquify-ops.toml, and CAPLIQUIFY_TARGET
names another one; throwaway tenants are made at the start and removed at the end.
"""

import itertools
import os
from contextlib import ExitStack

from locust import FastHttpUser, constant_throughput, events, task

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.load.traffic import make_traffic

TENANTS = ExitStack()
CALLERS = []
PLANS = {}


@events.init.add_listener
def make_tenants(environment, **_):
    """Make tenants, users, rows and tokens, before Locust's clock starts."""
    target = load_settings().target(os.environ.get("CAPLIQUIFY_TARGET"), observing=False)
    target.require_harmless("A load run")
    environment.host = target.base_url
    traffic = TENANTS.enter_context(make_traffic(target, token_source(target.identity, SystemClock()), new_run()))
    CALLERS[:] = traffic.spread
    PLANS["mixed"] = traffic.mixed_plan(1, 1)


@events.quitting.add_listener
def remove_tenants(**_):
    """Remove what was made."""
    TENANTS.close()


class TenantUser(FastHttpUser):
    """A user of one tenant who reads, writes and looks at reports as the mixed workload has it, once a second."""

    wait_time = constant_throughput(1)
    numbers = itertools.count()

    def on_start(self):
        """Become a user of the next tenant."""
        self.caller = CALLERS[next(self.numbers) % len(CALLERS)]

    @task
    def next_operation(self):
        """Send the next request of the mix; another tenant's row in the answer is a failure."""
        number, caller = next(self.numbers), self.caller
        what = PLANS["mixed"].operation(number)
        headers = {**caller.headers, "Authorization": f"Bearer {caller.token.reveal()}", "Content-Type": "application/json"}
        sent = what.body_of(caller.marker, number) or None
        asked = self.client.request(what.method, caller.prefix + what.path, data=sent, headers=headers, catch_response=True)
        with asked as answer:
            others = [each.marker for each in CALLERS if each.marker != caller.marker and each.marker in (answer.text or "")]
            if others:
                answer.failure(f"rows of {others[0]}")
