"""One whole stack for all tests that leave it running: to start it costs more than most of them do."""

import pytest

from capliquify_ops.reference import stack


@pytest.fixture(scope="session")
def whole_stack():
    """A stack with the service and two workers, and nobody's tenants in it but those of the test and of earlier ones."""
    with stack.start(workers=2) as started:
        yield started
