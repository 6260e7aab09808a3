"""That the checks of a fleet find each fault that is there and invent none: fleets with faults planted at random, on 18 and 15.

    python tests/proof/fleet_integrity.py --fleets 100 --state FILE

The number of a fleet is its seed. Each has its own database, tenants and faults; what the checks say is compared with what was
planted, finding by finding and tenant by tenant. A changed library or list of faults starts the proof again.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from planted import FAULTS, OWNER

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import fleet
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.ownership import as_owner

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "src/capliquify_ops"
FIFTEEN = Path("/usr/lib/postgresql/15/bin")
TENANTS = 9
EVERY = 10
CROWD = 200
"""Faults in as many tenants, of a fleet half as large again."""


class Fleet:
    """A database of a server, with tenants and planted faults."""

    def __init__(self, running, name):
        self.running, self.name = running, name

    def url(self, who):
        return Secret(urlunsplit(urlsplit(getattr(self.running, f"{who}_url"))._replace(path=f"/{self.name}")))

    def make(self, tenants):
        """Make the database and its tenants; return their schemas."""
        names = {"name": self.name, "owner": self.running.roles.owner}
        with operator(Secret(self.running.superuser_url), "proof") as session:
            session.outside_transaction(fill('CREATE DATABASE :"name" TEMPLATE capliquify OWNER :"owner"', names))
        fleet.fill(self.url("operator"), self.running.roles, tenants)
        with operator(self.url("superuser"), "proof") as session, session.transaction():
            session.execute("UPDATE public.tenants SET created_at = pg_catalog.now() - interval '1 day'")
            return [row["schema_name"] for row in session.mappings("SELECT schema_name FROM public.tenants ORDER BY slug")]

    def drop(self):
        with operator(Secret(self.running.superuser_url), "proof") as session:
            session.outside_transaction(fill('DROP DATABASE :"name" WITH (FORCE)', {"name": self.name}))

    def plant(self, faults):
        """Plant (fault, number, tenant, other tenant); return the findings that there must be, with their tenants."""
        expected = {}
        with operator(self.url("superuser"), "proof") as session:
            for fault, number, own, other in faults:
                statement = fault.make.replace("{n}", str(number))
                for name, value in {"a": other, "b": own, **self.running.roles.names()}.items():
                    statement = statement.replace(f':"{name}"', quoted(value))
                with session.transaction():
                    if fault.by == OWNER:
                        with as_owner(session, self.running.roles):
                            session.script(composed(statement))
                    else:
                        session.script(composed(statement))
                for check, subject in fault.expected.items():
                    name = subject.replace("{n}", str(number)).replace("{db}", self.name)
                    expected.setdefault((check, name), set()).update(self._tenants(fault, check, number, own, other))
        return expected

    @staticmethod
    def _tenants(fault, check, number, own, other):
        if check in fault.elsewhere:
            return {fault.elsewhere[check].replace("{n}", str(number))} - {""}
        return set() if fault.outside else {own, other} if check in fault.both else {own}

    def found(self):
        """Return what the checks find, with tenants; what is healthy is nothing."""
        profile = load_profile("capliquify", Path(tempfile.gettempdir()))
        with observer(self.url("database"), "proof") as session:
            findings = check_fleet(session, load_limits(), SystemClock(), profile=profile, roles=self.running.roles)
        bad = [each for each in findings if each.outcome not in {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}]
        return {(str(each.check), each.subject.name): set(each.tenants.sample if each.tenants else ()) for each in bad}


def drawn(seed, schemas, major):
    """Draw faults for a minority of the tenants, so that most of them stay the yardstick."""
    dice = random.Random(seed)
    possible = [fault for fault in FAULTS if fault.since <= major]
    faulty = dice.sample(schemas, dice.randint(0, 4))
    sound = [schema for schema in schemas if schema not in faulty]
    numbers = iter(range(1, 1_000))
    planted = [
        (dice.choice(possible), next(numbers), dice.choice(faulty), dice.choice(sound))
        for _ in range(dice.randint(1, 10))
        if faulty
    ]
    return sorted(planted, key=lambda each: each[0].is_last)


def crowded(schemas, major, count=CROWD):
    """Return so many faults, of every kind in turn, each in a tenant of its own: most structures are then unlike."""
    possible = [fault for fault in FAULTS if fault.since <= major]
    sound = schemas[count:]
    return [(possible[n % len(possible)], n + 1, schemas[n], sound[n % len(sound)]) for n in range(count)]


def one(running, name, seed, tenants=TENANTS, faults=None):
    """Try one fleet; return what was wrong, empty when nothing was."""
    own = Fleet(running, name)
    schemas = own.make(tenants)
    try:
        expected = own.plant(faults(schemas) if faults else drawn(seed, schemas, running.major))
        found = own.found()
    finally:
        own.drop()
    missed = {key: value for key, value in expected.items() if found.get(key) != value}
    invented = {key: value for key, value in found.items() if expected.get(key) != value}
    return "" if not missed and not invented else f"missed {missed}, invented {invented}"


def server(major, count, state, save):
    """Try the fleets 0 to count on one server, without those that were right before."""
    done = state.setdefault(str(major), {})
    with embedded.start(service=False, postgres_bin=FIFTEEN if major == FIRST[1] else None) as running:
        view = Server(running, major)
        for seed in range(count):
            if done.get(str(seed)) != "":
                done[str(seed)] = wrong = one(view, f"proof_{seed}", seed)
                if wrong:
                    print(f"PostgreSQL {major}, fleet {seed}: {wrong}", flush=True)
            if seed % EVERY == EVERY - 1:
                save()
        if done.get("crowded") != "":
            done["crowded"] = one(view, "proof_crowded", 0, CROWD * 3 // 2, lambda schemas: crowded(schemas, major))
            print(f"PostgreSQL {major}, {CROWD} faults in {CROWD} tenants: {done['crowded'] or 'right'}", flush=True)
    save()
    return Counter("right" if done[each] == "" else "wrong" for each in [*map(str, range(count)), "crowded"])


FIRST = (18, 15)


class Server:
    """A running stack, with its server's version beside it."""

    def __init__(self, running, major):
        self.major, self._running = major, running

    def __getattr__(self, name):
        return getattr(self._running, name)


def run(count, path):
    """Run the whole proof; return how many fleets were judged wrongly."""
    state = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    if state.get("of") != (of := _digest()):
        state = {"of": of}

    def save():
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(state), encoding="utf-8")

    wrong = 0
    for major in FIRST:
        if major == FIRST[1] and not (FIFTEEN / "postgres").is_file():
            print(f"PostgreSQL 15 is not installed ({FIFTEEN}): not proved there")
            continue
        found = server(major, count, state, save)
        print(f"PostgreSQL {major}: {dict(found)}", flush=True)
        wrong += found["wrong"]
    return wrong


def _digest():
    files = [*sorted(LIBRARY.glob("integrity/**/*.*")), *sorted(LIBRARY.glob("tenants/sql/*.sql")), HERE / "planted.py"]
    content = b"".join(file.read_bytes() for file in files if file.suffix in {".py", ".sql"})
    return hashlib.sha256(content).hexdigest()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--fleets", type=int, default=100)
    options.add_argument("--state", type=Path)
    given = options.parse_args()
    return 1 if run(given.fleets, given.state) else 0


if __name__ == "__main__":
    sys.exit(main())
