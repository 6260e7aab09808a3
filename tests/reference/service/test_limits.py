"""Token buckets in a shared file, without a server."""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.reference.service.limits import RateLimiter


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def allowed(limiter: RateLimiter, key: str, count: int) -> int:
    return sum(limiter.take(key) == 0 for _ in range(count))


def test_burst_then_rate(tmp_path: Path) -> None:
    """A full bucket gives its burst, then refuses with the seconds to wait, then gives the rate."""
    clock = Clock()
    limiter = RateLimiter(tmp_path / "limits", 200, 400, clock)
    assert allowed(limiter, "a", 500) == 400
    assert limiter.take("a") == 1
    clock.now_s += 1
    assert allowed(limiter, "a", 500) == 200
    clock.now_s += 60
    assert allowed(limiter, "a", 500) == 400
    limiter.close()


def test_slow_rates_say_how_long_to_wait(tmp_path: Path) -> None:
    """Retry-After is rounded up to whole seconds, and waiting so long is enough."""
    clock = Clock()
    limiter = RateLimiter(tmp_path / "limits", 0.1, 1, clock)
    assert limiter.take("a") == 0
    clock.now_s += 0.5
    assert limiter.take("a") == 10
    clock.now_s += 10
    assert limiter.take("a") == 0
    limiter.close()


def test_keys_do_not_share(tmp_path: Path) -> None:
    """One organisation's empty bucket leaves every other one full."""
    limiter = RateLimiter(tmp_path / "limits", 1, 2, Clock())
    assert allowed(limiter, "a", 5) == 2
    assert [allowed(limiter, f"b{number}", 5) for number in range(2000)] == [2] * 2000
    limiter.close()


def drain(path: Path, together: object, results: multiprocessing.Queue) -> None:
    limiter = RateLimiter(path, 1, 20_000, Clock())
    together.wait(60)
    results.put(allowed(limiter, "a", 15_000))


def test_processes_share_one_bucket(tmp_path: Path) -> None:
    """Several processes that drain a bucket at once get its burst together, not each."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=drain, args=(tmp_path / "limits", together, results)) for _ in range(3)]
    for process in processes:
        process.start()
    total = sum(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert total == 20_000


@given(st.lists(st.floats(-1, 3), max_size=60), st.floats(0.5, 50), st.integers(1, 40))
def test_never_more_than_burst_and_rate(tmp_path_factory: object, steps: list[float], per_s: float, burst: int) -> None:
    """Over any sequence of moments, clocks running backwards included, at most burst + rate x time get through."""
    clock = Clock()
    limiter = RateLimiter(tmp_path_factory.mktemp("limits") / "file", per_s, burst, clock)
    through, moments = 0, [clock.now_s]
    for step in [0.0, *steps]:
        clock.now_s += step
        moments.append(clock.now_s)
        through += allowed(limiter, "a", 5)
    assert through <= burst + (max(moments) - 1000.0) * per_s + 1e-6
    limiter.close()


def test_nobody_can_aim_at_a_bucket(tmp_path: Path) -> None:
    """Two files place the same keys differently, and two limiters of one file alike: sets cannot be worked out from outside."""
    first, second = (RateLimiter(tmp_path / name, 1, 2, Clock()) for name in ("a", "b"))
    again = RateLimiter(tmp_path / "a", 1, 2, Clock())
    keys = [f"org_{number}" for number in range(50)]
    for key in keys:
        first.take(key)
        second.take(key)
    sizes = [(tmp_path / name).read_bytes() for name in ("a", "b")]
    assert sizes[0] != sizes[1]
    assert all(again.take(key) == 0 for key in keys)
    assert all(first.take(key) > 0 for key in keys)
