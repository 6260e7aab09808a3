"""Options of the benchmarks, the server that they share, and the table of what stood side by side."""

from pathlib import Path

import pytest
from perf.claims import PAGE, Claims, claims_of, page
from perf.server import SETTINGS, Server, filled, programs_of

from capliquify_ops.reference import stack

FLEETS = {"ci": 200, "full": 2_000}
FEW = 100
VERSION = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--size", choices=("ci", "full"), default="full", help="ci: short runs, for a look at the ratios only")
    parser.addoption("--fleet", type=int, default=0, metavar="N", help="tenants of the fleet; default 2000, 200 with --size ci")
    parser.addoption("--assert-ratios", action="store_true", help="fail a benchmark that does not keep what it promises")
    parser.addoption("--write-page", action="store_true", help="write docs/reference/performance.md")
    parser.addoption("--postgres-bin", type=Path, default=None, metavar="DIR", help="another PostgreSQL than the wheel's 18")


@pytest.fixture(scope="session")
def size(request):
    """How long and how large benchmarks are."""
    return request.config.getoption("--size")


@pytest.fixture
def claims(request, benchmark, size):
    """What a benchmark promises; kept only with --assert-ratios, told in any case."""
    return Claims(benchmark.extra_info, is_full=size == "full", is_asserted=request.config.getoption("--assert-ratios"))


@pytest.fixture(scope="session")
def fleet_size(request, size):
    """How many tenants a fleet has."""
    return request.config.getoption("--fleet") or FLEETS[size]


@pytest.fixture(scope="session")
def server(request):
    """One PostgreSQL for all benchmarks, on a real disk."""
    given = request.config.getoption("--postgres-bin")
    with stack.start(service=False, postgres_bin=given, postgres_settings=SETTINGS) as running:
        made = Server(running, programs_of(given))
        with made.fresh("version").superuser() as session, session.transaction():
            request.config.stash[VERSION] = session.value("SELECT pg_catalog.current_setting('server_version')")
        yield made


@pytest.fixture(scope="session")
def few_tenants(server, fleet_size):
    """A database of few tenants on the same server."""
    return filled(server, "few", min(FEW, fleet_size // 2))[0]


@pytest.fixture(scope="session")
def filling(server, fleet_size):
    """The database of the fleet, and the seconds that it took."""
    return filled(server, "fleet", fleet_size)


@pytest.fixture(scope="session")
def tenants(filling):
    """The database of the fleet."""
    return filling[0]


def pytest_terminal_summary(terminalreporter, config):
    """Print what each benchmark says beside its times: ratios, the peer's own figures, the machine's load."""
    session = getattr(config, "_benchmarksession", None)
    found = [bench for bench in session.benchmarks if bench.extra_info] if session else []
    if found and config.getoption("--write-page"):
        size = config.getoption("--size")
        fleet = config.getoption("--fleet") or FLEETS[size]
        PAGE.write_text(page(session.benchmarks, server=config.stash.get(VERSION, "?"), size=size, fleet=fleet), encoding="utf-8")
        terminalreporter.write_line(f"wrote {PAGE}")
    if found:
        terminalreporter.section("side by side")
    for bench in found:
        terminalreporter.write_line(bench.name)
        for claim in claims_of(bench):
            terminalreporter.write_line(
                f"    {claim.what:<34} {claim.value:.4g}, promised {claim.margin}{'' if claim.held else ': NOT HELD'}"
            )
        for name, value in bench.extra_info.items():
            if name == "claims":
                continue
            terminalreporter.write_line(f"    {name:<34} {value:.4g}" if isinstance(value, float) else f"    {name:<34} {value}")
