"""Options of the benchmarks."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--size", choices=("ci", "full"), default="full", help="ci: short runs, for a look at the ratios only")


@pytest.fixture(scope="session")
def size(request):
    """How long and how large benchmarks are."""
    return request.config.getoption("--size")
