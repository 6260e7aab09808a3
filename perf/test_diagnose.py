"""Ask for all issues of the runbook, in a fleet: a person waits for the answer, and the server hardly notices the question."""

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.diagnostics.diagnose import ISSUES, diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry

LONGEST = """
  SELECT pg_catalog.max(s.max_exec_time) FROM public.pg_stat_statements AS s
  JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid AND r.rolname = %(role)s::text
"""


@pytest.fixture
def inquiry(tenants, tmp_path):
    roles = tenants.server.roles
    target = Target("fleet", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), tenants.url("database"), roles=roles)
    return Inquiry(target, load_limits(), SystemClock(), dice)


def test_all_issues(benchmark, claims, inquiry, tenants, fleet_size):
    """All seven within ten seconds, no statement longer than two, and nothing found where nothing is wrong."""
    with tenants.superuser() as session:
        session.outside_transaction("SELECT public.pg_stat_statements_reset()")
    found = benchmark.pedantic(lambda: diagnose(inquiry), rounds=3)
    assert [each.issue for each in found if each.is_wrong] == []
    with tenants.superuser() as session, session.transaction():
        longest = session.value(LONGEST, {"role": tenants.server.roles.observer})
    benchmark.extra_info |= {"tenants": fleet_size, "issues": len(found), "longest_statement_ms": float(longest)}
    benchmark.extra_info |= {
        f"{each.issue}_{source.name}_ms": source.elapsed_ms for each in found for source in each.sources if source.answered
    }
    assert set(ISSUES) == {each.issue for each in found}
    claims.at_most("diagnose, all seven issues: seconds at most", benchmark.stats.stats.max, full=10, ci=30)
    assert longest < 2_000
