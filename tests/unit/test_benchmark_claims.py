"""What a benchmark promises fails it where that is asked, is told in any case, and stands on the page."""

from types import SimpleNamespace

import pytest
from perf.claims import Claims, claims_of, page


@pytest.mark.parametrize("is_full", [True, False])
@pytest.mark.parametrize("is_asserted", [True, False])
def test_a_promise_that_is_not_held(is_full, is_asserted):
    """The margin is that of the size of the run, on both sides."""
    told = {}
    claims = Claims(told, is_full=is_full, is_asserted=is_asserted)
    claims.at_least("times faster", 4.0, full=4, ci=2)
    claims.at_most("times slower", 1.15, full=1.15, ci=5)
    for miss in (lambda: claims.at_least("faster", 1.9, full=4, ci=2), lambda: claims.at_most("slower", 5.1, full=1.15, ci=5)):
        if is_asserted:
            with pytest.raises(AssertionError, match="promised"):
                miss()
        else:
            miss()
    stats = SimpleNamespace(data=[0.1, 0.2], median=0.15, min=0.1, rounds=2)
    benchmark = SimpleNamespace(name="test_it", stats=stats, extra_info=told)
    assert [claim.held for claim in claims_of(benchmark)] == [True, True, False, False]
    shown = page([benchmark], server="18.1", size="full", fleet=2_000)
    assert shown.count("**not held**") == 2
    assert "| test_it | 150 ms | 100 ms |" in shown
