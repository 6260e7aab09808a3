"""Hundreds of schemas at random through the oracle of tests/db/definitions, on 18 and 15; it goes on where it stopped.

    python tests/proof/backup_oracle.py --schemas 300 --state FILE

The number of a schema is its seed: the same number makes the same statements. What differs is printed with its number, and the
exit code is 1. Schemas that are refused by name count as carried: nothing was written for them.
"""

import argparse
import hashlib
import importlib.util
import json
import random
import sys
from collections import Counter
from pathlib import Path

from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference.postgres_programs import locate

DEFINITIONS = Path(__file__).parents[1] / "db" / "definitions"
FIFTEEN = Path("/usr/lib/postgresql/15/bin")
SIZE = 40
EVERY = 25


def _helper(name):
    spec = importlib.util.spec_from_file_location(name, DEFINITIONS / f"{name}.py")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _digest():
    """What the proof is of: a change of the reader or of the maker of schemas starts it again."""
    source = Path(__file__).parents[2] / "src" / "capliquify_ops" / "tenants" / "definitions"
    found = hashlib.sha256()
    for path in sorted([*source.rglob("*.py"), *source.rglob("*.sql"), DEFINITIONS / "schemas.py"]):
        found.update(path.read_bytes())
    return found.hexdigest()


def one(oracle, schemas, major, seed):
    """Carry one schema; return "carried", "refused", or what was different."""
    schema, statements = schemas.statements(random.Random(seed), major, SIZE)
    oracle.attempt(statements)
    try:
        oracle.check(schema)
    except DefinitionsRefused:
        return "refused"
    except AssertionError as difference:
        return str(difference)
    finally:
        oracle.clear(schema)
    return "carried"


def server(major, count, state, save):
    """Carry the schemas 0 to count on one server, without those that were done before."""
    programs = None if major == 18 else FIFTEEN
    module, schemas = _helper("backup_oracle"), _helper("schemas")
    done = state.setdefault(str(major), {})
    with embedded.start(service=False, product=False, postgres_bin=programs) as running:
        oracle = module.Oracle(running.superuser_url, locate(programs), (f"proof_{major}_a", f"proof_{major}_b"))
        oracle.make_databases()
        for seed in range(count):
            if done.get(str(seed)) in {"carried", "refused"}:
                continue
            done[str(seed)] = found = one(oracle, schemas, major, seed)
            if found not in {"carried", "refused"}:
                print(f"PostgreSQL {major}, schema {seed}:\n{found}\n", flush=True)
            if seed % EVERY == EVERY - 1:
                save()
                print(f"PostgreSQL {major}: {seed + 1} of {count}", flush=True)
    save()
    return Counter(found if found in {"carried", "refused"} else "different" for found in done.values())


def run(count, path):
    """Run the whole proof; return the number of schemas that were different."""
    state = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    if state.get("of") != (of := _digest()):
        state = {"of": of}

    def save():
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(state), encoding="utf-8")

    different = 0
    for major in (18, 15):
        if major == 15 and not (FIFTEEN / "postgres").is_file():
            print(f"PostgreSQL 15 is not installed ({FIFTEEN}): not proved there")
            continue
        found = server(major, count, state, save)
        print(f"PostgreSQL {major}: {dict(found)}", flush=True)
        different += found["different"]
    return different


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--schemas", type=int, default=300)
    options.add_argument("--state", type=Path)
    given = options.parse_args()
    return 1 if run(given.schemas, given.state) else 0


if __name__ == "__main__":
    sys.exit(main())
