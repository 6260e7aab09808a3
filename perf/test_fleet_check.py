"""Check the whole fleet, beside bare scans of the catalogues that it reads and beside a loop over information_schema."""

import re
import subprocess
import sys
import time

import pytest
from perf.sides import compared

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.integrity.fleet_check import CHECKS, check_fleet
from capliquify_ops.model.outcome import Outcome

CATALOGUES = (
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_index",
    "pg_inherits",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_rewrite",
    "pg_sequence",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_type",
)
"""What the checks read that grows with the fleet."""
SAMPLE = 20
"""Schemas that the peer's loop is timed on: each costs the same."""
LOOP = """
  SELECT c.table_name, c.column_name, c.data_type, c.is_nullable, c.column_default FROM information_schema.columns AS c
  WHERE c.table_schema = %(schema)s::text ORDER BY 1, 2
"""
LONGEST = """
  SELECT pg_catalog.max(s.max_exec_time) FROM public.pg_stat_statements AS s
  JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid AND r.rolname = %(role)s::text
"""
MEGABYTE = 1_000_000


@pytest.fixture
def whole(tenants, tmp_path):
    """Runs all checks as the observer, on two sessions as the command does."""
    profile, roles = load_profile("capliquify", tmp_path), tenants.server.roles

    def run(only=()):
        with tenants.observer() as session, tenants.observer() as second:
            found = check_fleet(session, load_limits(), SystemClock(), profile=profile, roles=roles, only=only, second=second)
        assert {finding.outcome for finding in found} <= {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}, [
            finding.why for finding in found
        ]

    return run


def scan(tenants):
    """Read every row of the catalogues, and do nothing with them."""
    with tenants.observer() as session, session.transaction():
        session.execute("SET LOCAL enable_indexonlyscan = off")
        for name in CATALOGUES:
            session.value(f"SELECT pg_catalog.count(*) FROM pg_catalog.{name} AS t WHERE t.tableoid IS NOT NULL")


def test_beside_bare_scans(benchmark, claims, whole, tenants, fleet_size, size):
    """The whole check takes a few times as long as reading the catalogues does."""
    ratio = compared(benchmark, whole, lambda: scan(tenants), rounds=3 if size == "full" else 2, peer="scans")
    benchmark.extra_info |= {"tenants": fleet_size, "over_scans": 1 / ratio}
    for name in CHECKS:
        began = time.perf_counter()
        whole([name])
        benchmark.extra_info[f"{name}_ms"] = (time.perf_counter() - began) * 1000
    # The aim is 10. Bare scans only count rows, on all processors at once; the least that is hashed of each row takes longer.
    claims.at_most("fleet check: times slower than bare scans of the catalogues (the aim is 10)", 1 / ratio, full=25, ci=40)


def test_beside_a_loop(benchmark, claims, whole, tenants, fleet_size, size):
    """A loop that asks information_schema of each schema, columns alone, takes very much longer."""
    with tenants.observer() as session, session.transaction():
        names = [row["schema_name"] for row in session.mappings("SELECT schema_name FROM public.tenants ORDER BY id")]

    def loop():
        began = time.perf_counter()
        with tenants.observer() as session, session.transaction():
            for name in names[:SAMPLE]:
                session.mappings(LOOP, {"schema": name})
        return (time.perf_counter() - began) * len(names) / SAMPLE

    ratio = compared(benchmark, whole, loop, rounds=3 if size == "full" else 1, peer="loop")
    benchmark.extra_info |= {"tenants": fleet_size, "loop_timed_on": SAMPLE}
    claims.at_least("fleet check: times faster than a loop over information_schema", ratio, full=50, ci=2)


def test_what_it_costs_others(benchmark, tenants, fleet_size, tmp_path):
    """The command stays small, spills little, and holds no statement, and so no snapshot, for long."""
    config = tenants.configuration(tmp_path)
    with tenants.superuser() as session:
        session.outside_transaction("SELECT public.pg_stat_statements_reset()")
        with session.transaction():
            before = _temporary(session)
    command = [sys.executable, "-c", _MEASURED, "fleet", "check", "--config", str(config)]
    said = benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=1)
    with tenants.superuser() as session, session.transaction():
        spilled = _temporary(session) - before
        longest = session.value(LONGEST, {"role": tenants.server.roles.observer})
    memory = int(re.search(r"peak (\d+)", said.stderr)[1])
    benchmark.extra_info |= {
        "tenants": fleet_size,
        "memory_MB": memory / MEGABYTE,
        "spilled_MB": spilled / MEGABYTE,
        "longest_statement_ms": float(longest),
    }
    assert memory < 150 * MEGABYTE
    assert spilled < 256 * MEGABYTE
    assert longest < 5_000


_MEASURED = """
import resource, sys
from capliquify_ops.cli import main
try:
    main(sys.argv[1:])
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


def _temporary(session):
    return int(session.value("SELECT temp_bytes FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()"))
