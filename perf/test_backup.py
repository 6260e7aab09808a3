"""Back one tenant up, and all of them, beside pg_dump; the cost of a tenant must not be that of the fleet."""

import itertools
import subprocess
import sys
from contextlib import ExitStack

import pytest
from perf.sides import compared

from capliquify_ops.database import quoted
from capliquify_ops.database.dsn import program_arguments
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.backup_job import Access, Job
from capliquify_ops.tenants.fleet_backup import fleet_backup
from capliquify_ops.tenants.registry import list_tenants

ROUNDS = 20
TARGETS = {2_000: 100, 10_000: 400}
"""How many times faster than pg_dump, by the size of the fleet."""
STAMP = "20260101T000000Z"


def one_of(database):
    """A tenant from the middle of the fleet."""
    with database.observer() as session, session.transaction():
        found = list_tenants(session)
    return found[len(found) // 2]


def backing_up(stack, database, folder):
    """Return a call that backs one and the same tenant up, on an open session."""
    tenant, numbers = one_of(database), itertools.count()
    session = stack.enter_context(database.observer())
    return lambda: backup(session, tenant.slug, folder / f"{database.name}-{next(numbers)}.sql.zst", tool="bench")


def pg_dump(database, tenant, folder):
    """Run the server's own pg_dump for one schema."""
    arguments, environment = program_arguments(database.url("superuser"))
    command = [database.server.programs / "pg_dump", f"--schema={quoted(tenant.schema_name)}", *arguments]
    with (folder / "pg_dump.sql").open("wb") as file:
        subprocess.run(command, env=environment, stdout=file, check=True)


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


def test_fleet_builder(benchmark, filling, fleet_size):
    """How fast the fleet of this run was made."""
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {"tenants": fleet_size, "seconds": filling[1], "tenants_per_s": fleet_size / filling[1]}


def test_one_of_many(benchmark, claims, stack, tenants, fleet_size, size, tmp_path):
    """A tenant is backed up much faster than pg_dump does it, since pg_dump reads the catalogue of the whole fleet."""
    ours, tenant = backing_up(stack, tenants, tmp_path), one_of(tenants)
    ours()
    every = ROUNDS // 5 if size == "full" else ROUNDS // 2
    ratio = compared(benchmark, ours, lambda: pg_dump(tenants, tenant, tmp_path), rounds=ROUNDS, every=every, peer="pg_dump")
    benchmark.extra_info["tenants"] = fleet_size
    claims.at_least("backup of one tenant: times faster than pg_dump -n", ratio, full=TARGETS.get(fleet_size, 3), ci=2)


def test_growth(benchmark, claims, stack, tenants, few_tenants, tmp_path):
    """What a tenant costs does not depend on how many others there are."""
    ours, small = backing_up(stack, tenants, tmp_path), backing_up(stack, few_tenants, tmp_path)
    ours(), small()
    ratio = compared(benchmark, ours, small, rounds=ROUNDS, peer="few")
    benchmark.extra_info["growth"] = 1 / ratio
    claims.at_most("backup of one tenant: times slower in the whole fleet than in a small one", 1 / ratio, full=1.5, ci=5)


def test_command(benchmark, claims, tenants, size, tmp_path):
    """The whole command, with the start of Python and the row of the audit."""
    config, tenant, numbers = tenants.configuration(tmp_path), one_of(tenants), itertools.count()
    command = [sys.executable, "-m", "capliquify_ops.cli", "tenant", "backup", "--config", config, "--target", "running"]

    def run():
        output = tmp_path / f"command-{next(numbers)}.sql.zst"
        subprocess.run([*command, "--output", output, tenant.slug], check=True, capture_output=True)

    benchmark.pedantic(run, rounds=5 if size == "full" else 2)
    claims.at_most("tenant backup: seconds of the whole command", benchmark.stats.stats.median, full=1, ci=20)


def test_fleet(benchmark, claims, tenants, fleet_size, tmp_path):
    """All tenants with two workers, each file fsynced before the next."""
    with tenants.observer() as session, session.transaction():
        everybody = list_tenants(session)

    def run():
        return [
            one for one in fleet_backup(Access(tenants.url("database")), everybody, Job(tmp_path, STAMP, "bench")) if one.receipt
        ]

    done = benchmark.pedantic(run, rounds=1)
    rate = fleet_size / benchmark.stats.stats.median
    benchmark.extra_info |= {"tenants": fleet_size, "tenants_per_s": rate, "disk": disk_of(tmp_path)}
    assert len(done) == fleet_size
    claims.at_least("fleet backup: tenants a second, each file fsynced", rate, full=100 if fleet_size == 2_000 else 1, ci=1)


def disk_of(folder):
    """The kind of file system that a folder is on."""
    return subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True).stdout.strip()
