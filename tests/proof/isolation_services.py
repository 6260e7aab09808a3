"""One service of the protocol: a stack with its switches, worlds on it in both orders of tenants, single checks and whole audits."""

import dataclasses
import functools
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from jwt.algorithms import RSAAlgorithm

from capliquify_ops.configuration import load_limits, load_profile, load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import observer
from capliquify_ops.evidence import Store
from capliquify_ops.http_client import Client
from capliquify_ops.integrity.fleet_check import CHECKS, check_fleet
from capliquify_ops.isolation import build_world, planting, run_control, run_family, session_tokens, world_people
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.people import Person
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.outcome import Outcome, State
from capliquify_ops.model.protocols import TokenVariant
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference import tokens as embedded_tokens
from capliquify_ops.reference.service.switches import REACHED_FILE, reached

HERE = Path(__file__).parent
RATE = 4000
"""Requests per second and tenant: the protocol is not there to wait for a rate limit; whole audits meet the usual one."""
LEFT_OUT = "left out of a quick audit"
CONTROL_FAILED = "the positive control"
MOST_SAID = 300
EVERY_S = 0.1
ANNOUNCEMENTS = "/api/admin/announcements"
_LINT = tuple(CHECKS)
_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)


@dataclass(frozen=True)
class Said:
    """What one check said: its finding's outcome, the first line of its witness or why there is none, and seconds.

    `is_witnessed`: the outcome names what contradicts. `is_met`: the lines of the switches that matter have run meanwhile.
    """

    found: str
    why: str
    seconds: float
    is_witnessed: bool
    is_met: bool


class Tokens:
    """The stack's identity provider without a program around it, which takes longer to start than to sign."""

    def __init__(self, folder, clock):
        self._folder, self._clock = folder, clock

    def tokens(self, requests):
        return embedded_tokens.make_tokens(self._folder, requests, self._clock)

    def signed(self, request, claims):
        """What a provider with the service's key can make: the claims of a valid session, overlaid."""
        return embedded_tokens.overlaid(self._folder, self.tokens([request])[0], claims)

    def forget(self, run):
        embedded_tokens.forget(self._folder, run)


@dataclass
class Service:
    """A running stack, as a target whose profile says what is declared."""

    stack: embedded.Stack
    target: object
    switches: tuple[str, ...]
    clock: SystemClock
    since_start: frozenset[str] = frozenset()
    """Switches whose lines ran before anybody asked for anything."""

    @contextmanager
    def world(self, order):
        """Tenants made in an order, `ab` or `ba`, on this service."""
        tokens = Tokens(self.stack.run_folder, self.clock)
        with in_order(order), ExitStack() as beside, build_world(self.target, tokens, new_run(), self.clock) as built:
            for name in self.switches:
                if name in BESIDE:
                    beside.enter_context(BESIDE[name](built))
            yield built

    def measured(self, check, world, needed=(), sign=""):
        """Run one check; `needed`: the switches whose lines it has to meet; `sign`: a pattern that one line of its witness has."""
        marks = self.stack.run_folder / REACHED_FILE
        marks.unlink(missing_ok=True)
        since = time.perf_counter()
        try:
            finding = run(check, world)
            lines = [line for line in contradictions(finding) if re.search(sign, line)]
            said = finding.outcome.value, (lines or [line_of(finding)])[0][:MOST_SAID], bool(lines)
        except Exception as error:  # also a fault of the check itself is one run, and not the end of all
            said = "error", f"{type(error).__name__}: {error}"[:MOST_SAID], False
        found, why, is_witnessed = said
        return Said(found, why, time.perf_counter() - since, is_witnessed, {*needed} <= self.since_start | reached(marks.parent))

    def audited(self, depth):
        """Run the whole audit as a person would, and the lint of the fleet in a world; what each check that is no pass said."""
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "capliquify_ops.cli", "security", "--config", str(self.stack.config)]
            options = ["--target", "running", "--evidence-dir", folder, "--json", "--depth", depth]
            since = time.perf_counter()
            ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - since
            records = Store(Path(folder)).records()
        said = {str(record.check): (record.state, _of_record(record)) for record in records}
        seen = {check: why for check, (state, why) in said.items() if state is State.FAILED}
        open_ = {
            check: why
            for check, (state, why) in said.items()
            if state not in {State.FAILED, State.PASSED} and LEFT_OUT not in why
        }
        if not said:
            open_["the audit"] = f"exit code {ended.returncode}: {ended.stderr[-MOST_SAID:]}"
        with self.world("ab") as world:
            seen |= {str(one.check): line_of(one) for one in lint(world, _LINT) if one.outcome is Outcome.FAILING}
        return {"seen": seen, "open": open_, "checks": len(said), "seconds": round(seconds, 1)}


@contextmanager
def serve(switches, *, pool, workers, pooler="", serials=False, declares="", is_hasty=True):
    """Start a stack with these switches; `declares`: what its profile says besides; `is_hasty`: no rate limit to speak of."""
    limits = {"rate_limit_per_s": RATE, "rate_limit_burst": 2 * RATE} if is_hasty else {}
    options = {"pool_size": pool, "workers": workers, "pooler": pooler, "serials": serials}
    with embedded.start(switches=tuple(switches), service_settings=limits, **options) as running:
        target = load_settings(running.config, environment={}).targets["running"]
        profile = declared(running, target.profile.name, declares)
        profile = dataclasses.replace(profile, rate_limit=RATE) if is_hasty else profile
        target = dataclasses.replace(target, profile=profile)
        yield Service(running, target, tuple(switches), SystemClock(), reached(running.run_folder))


def declared(running, name, more):
    """The stack's profile with more laid over it, as a file beside the stack's configuration, which then names it."""
    if not more:
        return load_profile(name, running.config.parent)
    path = running.config.parent / "declared.toml"
    path.write_text(f'version = 1\nname = "declared"\nextends = "{name}"\n{more}', encoding="utf-8")
    text = running.config.read_text(encoding="utf-8")
    assert text.count(f'profile = "{name}"') == 1
    running.config.write_text(text.replace(f'profile = "{name}"', 'profile = "declared.toml"'), encoding="utf-8")
    return load_profile(path.name, path.parent)


def run(check, world):
    """One check of any of the tables: family, control, or of the fleet, where the worst of its findings counts."""
    if check.startswith("iso_"):
        return run_family(check, world)
    if check.startswith("sec_"):
        return run_control(check, world)
    control = reads_own(world, "a.owner")
    found = lint(world, [check])
    failing = [one for one in found if one.outcome is Outcome.FAILING]
    worst = (failing or [one for one in found if one.outcome is not Outcome.HEALTHY] or found)[0]
    if control.violation():
        why = f"Could not tell: {CONTROL_FAILED} failed, {control.line()}"
        return dataclasses.replace(worst, outcome=Outcome.INCONCLUSIVE, why=why, witness=None)
    return worst


def lint(world, checks):
    """What `fleet check` says of this database, the audit's tenants included."""
    target = world.target
    with observer(target.observer_url(), "proof", pooled=target.pooled) as session:
        return check_fleet(session, load_limits(), world.clock, profile=target.profile, roles=target.roles, only=checks)


def outcome_of(said):
    """Killed, survived, not reached or broken; `killed` needs a witness, and the defect's line to have run."""
    if not said.is_met:
        return "not reached"
    if said.found == "failing" and said.is_witnessed:
        return "killed"
    is_broken = said.found == "error" or (said.found == "inconclusive" and CONTROL_FAILED in said.why)
    return "broken" if is_broken else "survived"


def contradictions(finding):
    """The lines of a witness, without those of the controls that were as expected."""
    lines = finding.witness.lines if finding.witness else ()
    return [line for line in lines if not line.endswith(": as expected")]


def line_of(finding):
    """The first line of a witness that contradicts, or why there is none."""
    wrong = contradictions(finding) if finding.outcome is Outcome.FAILING else []
    return (wrong[0] if wrong else f"{finding.outcome.value}: {finding.why}")[:MOST_SAID]


def _of_record(record):
    return next((line_of(one) for one in record.findings if one.outcome is not Outcome.HEALTHY), record.reason[:MOST_SAID])


@contextmanager
def in_order(order):
    """Worlds whose tenants are made, log in and are planted in this order."""
    if order == "ab":
        yield
        return
    kinds = {kind.key: kind for kind in world_people.KINDS}
    first = [kinds.pop(key) for key in order]
    rows = {key: planting.PLANTS[key] for key in order}
    ordered = (*first, *kinds.values())
    with (
        patch("capliquify_ops.isolation.world.KINDS", ordered),
        patch("capliquify_ops.isolation.world_people.KINDS", ordered),
        patch.object(planting, "PLANTS", rows),
    ):
        yield


@contextmanager
def keys_read_once():
    """Reading a private key verifies it, which takes longer than all else that a token needs; tokens' ends are not waited for."""
    read = RSAAlgorithm.prepare_key
    known = functools.cache(lambda key: read(_RS256, key))
    once = patch.object(
        RSAAlgorithm, "prepare_key", lambda self, key: known(key) if isinstance(key, str | bytes) else read(self, key)
    )
    with once, patch.object(session_tokens, "ENDS_IN_S", 2):
        yield


@contextmanager
def member_of_both(world):
    """MEMBER_OF_BOTH: one user signs in to both tenants, in turns, before anything is asked."""
    user = f"user_{world.run}_both"
    people = [
        Person(f"{key}.both", key, user, f"{user}@example.com", world.tenant(key).organization_id, "member") for key in "ab"
    ]
    world.caller.wallet.fill(people, ensure=True)
    statuses = [world.send(Call("GET", world.planting_route().path, one)).status for one in people * 2]
    assert set(statuses) == {200}, statuses
    yield


@contextmanager
def support(world):
    """SUPPORT_AND_BROADCAST: a platform administrator reads in both tenants and announces to all, all the time."""
    stop = threading.Event()
    token = world.caller.wallet.token(world.person("a.owner"), TokenVariant.PLATFORM_ADMIN)
    organizations = [world.tenant(key).organization_id for key in "ab"]
    path = world.planting_route().path

    def insists():
        number = 0
        with Client(world.target.base_url) as client:
            while not stop.wait(EVERY_S):
                number += 1
                support = {"X-Support-Tenant": organizations[number % 2], "Authorization": f"Bearer {token}"}
                with suppress(OpsError):
                    client.request("GET", path, headers=support)
                    client.request("POST", ANNOUNCEMENTS, headers=support, json={"text": f"maintenance {number}"})

    beside = threading.Thread(target=insists)
    beside.start()
    try:
        yield
    finally:
        stop.set()
        beside.join()


BESIDE = {"MEMBER_OF_BOTH": member_of_both, "SUPPORT_AND_BROADCAST": support}
"""What goes on while twins are examined that are not suspicious by themselves."""
