"""Check a recorded history of a million operations: in seconds, and in the memory of a small machine."""

import json
import subprocess
import sys
from itertools import islice
from random import Random

import pytest

OPERATIONS = {"ci": 50_000, "full": 1_000_000}
TENANTS, PROCESSES, ROWS = 200, 64, 8
PLANTED_FAULTS = 60
SHAPES = ("short", "deleted at random", "slow reads", "faulty")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_million_operations(benchmark, claims, size, shape):
    """Under ten seconds of the processor (it uses one) and one gigabyte, history included; all planted is found, nothing else."""
    number = OPERATIONS[size]
    command = [sys.executable, __file__, shape, str(number)]

    def run():
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    said = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info |= said
    assert said["operations"] == number
    assert said["found"] == (PLANTED_FAULTS if shape == "faulty" else 0)
    claims.at_most(f"history checker, {number:,} operations, {shape}: seconds of the processor", said["check_s"], full=10, ci=10)
    claims.at_most(f"history checker, {number:,} operations, {shape}: MB at the most", said["peak_MB"], full=1000, ci=1000)


def history(shape, number):
    """Yield operations of a correct service: each takes effect in the order of this list, inside its own time.

    Half write, often in place of an old row; half read a whole collection of about eight rows, or one row.
    """
    from capliquify_ops.isolation.history_model import Operation, Result  # noqa: PLC0415

    random, rows, now = Random(shape), [{} for _ in range(TENANTS)], 0.0
    longest = 50.0 if shape == "slow reads" else 0.02
    processes = [sys.intern(f"worker-{one}") for one in range(PROCESSES)]
    tenants = [sys.intern(f"tenant-{one}") for one in range(TENANTS)]
    for count in range(number):
        now += 0.001
        own, index = None, random.randrange(TENANTS)
        own, tenant, process = rows[index], tenants[index], processes[random.randrange(PROCESSES)]
        start, end = now - random.random() * longest, now + random.random() * longest
        outcome = Result.OK
        if count % 2:
            yield Operation(start, end, tenant, tenant, process, outcome, read=tuple(own), is_complete=True)
            continue
        token = f"{tenant}-{random.getrandbits(128):032x}"
        old = None
        if count % 50 == 0:
            outcome = Result.INFO if count % 100 else Result.FAIL
        if len(own) >= ROWS:
            old = random.choice(list(own)) if shape == "deleted at random" else next(iter(own))
        if outcome is not Result.FAIL:
            own.pop(old, None)
            own[token] = None
        yield Operation(start, end, tenant, tenant, process, outcome, written=token, deleted=old)


def faulty(operations):
    """Plant foreign reads and lost rows into a history."""
    from dataclasses import replace  # noqa: PLC0415

    found, places = list(operations), range(5_001, len(operations), (len(operations) - 5_001) // PLANTED_FAULTS)
    sure = {one.written for one in found if one.outcome == "ok"}
    complete = [place + (not found[place].is_complete) for place in places]
    for number, place in enumerate(islice(complete, PLANTED_FAULTS)):
        read = found[place]
        if number % 2:
            stranger = next(
                one for one in found[place - 1 :: -1] if one.written and one.tenant != read.tenant and one.outcome == "ok"
            )
            found[place] = replace(read, read=(*read.read, stranger.written))
        else:
            lost = next(token for token in read.read[2:] if token in sure)
            found[place] = replace(read, read=tuple(token for token in read.read if token != lost))
    return found


def main(shape, number):
    """Print what one check took, in a process of its own so that its peak of memory is known."""
    import resource  # noqa: PLC0415
    import time  # noqa: PLC0415

    from capliquify_ops.isolation.history import check  # noqa: PLC0415

    began = time.process_time()
    operations = list(history(shape, int(number)))
    if shape == "faulty":
        operations = faulty(operations)
    built, wall = time.process_time(), time.perf_counter()
    recorded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = check(operations, planted={})
    took, wall = time.process_time() - built, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {"operations": len(operations), "found": len(found), "check_s": took, "wall_s": wall, "built_s": built - began}
    sys.stdout.write(json.dumps(figures | {"history_MB": recorded * 1024 / 1e6, "peak_MB": peak * 1024 / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
