"""Which tests run on the same worker: those that share something dear, a stack for instance, so that it is made once.

Marks would say it nearer to the tests, but pytest-xdist 3.8 loses `xdist_group` with pytest 9.2 (its issue 1386), so the node ids
decide. Groups of many tests start first, single tests fill up what is left, so that no worker is alone with a long group at the end.
"""

import re

GROUPS = {
    "browser": r"browser/",
    "isolation": r"reference/isolation/",
    "one stack": r"reference/(service/test_(contract|identity|store|people_and_platform|defects\.py::test_without)|stack/test_(account|secrets|service|tokens)|test_suspension|readiness/test_watchdog|load/test_(tenant_creation_storm|latency_baseline|commands))\.py",
    "served": r"reference/readiness/test_serve\.py::test_(the_line|the_target|tokens)",
    "stock": r"reference/flask_service/",
    "surfaces": r"reference/service/test_surfaces\.py",
    "wheel": r"reference/readiness/test_wheel\.py",
    "service down": r"reference/diagnostics/test_service_down\.py",
    "outages": r"reference/service/test_limits_and_outages\.py::test_(health|a_first_login)",
    "error rate": r"reference/diagnostics/test_error_rate\.py",
    "slow responses": r"reference/diagnostics/test_slow_responses\.py",
    "good run": r"reference/load/test_(api_load|request_latency\.py::test_a_failing_service|generator\.py::test_(requests_start|tokens_are)|crew\.py::test_two_generators_send)",
    "servers": r"reference/stack/test_postgres\.py",
    "15": r"db/(definitions/.*[-\[]15\]|archive/test_runbook\.py.*\[15\]|.*::.*on_15|test_registry_on_15)",
    "oracle": r"db/definitions/(?!test_cost)",
    "django": r"db/test_django_tenants_layout\.py",
    "small": r"db/test_capacity\.py",
    "three": r"db/test_fleet_repair\.py",
    "tree": r"contract/",
}


def group_of(nodeid):
    """The name of the group, or the test alone."""
    return next((name for name, which in GROUPS.items() if re.match(f"tests/{which}", nodeid)), nodeid)


def scheduler(config, log):
    """xdist's own way to send groups, with groups of ours."""
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return Scheduling(config, log)
