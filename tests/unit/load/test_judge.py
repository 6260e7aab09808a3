"""Both checks as pure functions: which runs pass, fail, or tell nothing."""

from array import array
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.load import api_load, nothing_measured, request_latency
from capliquify_ops.load.api_load import REQUIRED_RATE_EMBEDDED
from capliquify_ops.load.figures import figures
from capliquify_ops.load.limiting import NOTHING
from capliquify_ops.load.machine import stretch
from capliquify_ops.load.result import Cut, Health, Sender, Side, Stretch
from capliquify_ops.load.samples import Samples, Verdict
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.outcome import Outcome, Severity

LIMITS = load_limits()
BOTH = pytest.mark.parametrize("judge", [request_latency.judge, api_load.judge], ids=["request_latency", "api_load"])


def with_verdicts(run, wrong, verdict, status=200):
    """The same run with some of its samples changed."""
    samples = Samples()
    samples.extend(run.samples)
    for row in wrong:
        samples.verdict[row], samples.status[row] = verdict, status
    return replace(run, samples=samples)


def test_a_good_run_of_the_first_load_check_passes_one_check_and_not_the_other(make_run):
    """300 requests/s for 30 s are what `request_latency` asks; of the sign-off's claim they are a part, which is said."""
    run = make_run()
    assert request_latency.judge(run, LIMITS).outcome is Outcome.HEALTHY
    found = api_load.judge(run, LIMITS, required_rate=REQUIRED_RATE_EMBEDDED)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "300 of 500 requests/s and 30 of 600 s" in found.why
    assert "300 of 1000 requests/s" in api_load.judge(run, LIMITS).why


def test_the_claim_passes_at_its_rate_for_its_time(make_run):
    """1,000 requests/s for 600 s within limits is what the sheet may tick."""
    limits = load_limits({"load_required_seconds": 10}, "test")
    run = make_run(rate=1000, seconds=10)
    found = api_load.judge(run, limits)
    assert found.outcome is Outcome.HEALTHY
    assert found.examined == found.eligible == 10_000


@BOTH
@given(st.integers(0, 12))
@example(8)
@example(9)
@settings(max_examples=8, deadline=None)
def test_nine_failures_of_nine_thousand_are_too_many(make_run, judge, failures):
    """Errors must stay below 0.1 %: exactly 0.1 % fails."""
    spread = range(0, failures * 700, 700)
    found = judge(with_verdicts(make_run(), spread, Verdict.STATUS, 503), LIMITS)
    assert (found.outcome is Outcome.FAILING) == (failures >= 9)
    assert found.measured["failed"] == failures


@BOTH
@given(st.integers(1, 400))
@example(49)
@example(50)
@example(199)
@example(200)
@settings(max_examples=8, deadline=None)
def test_latency_limits_are_strict(make_run, judge, milliseconds):
    """A run whose every answer takes as long as the strictest limit fails."""
    strictest = 200 if judge is request_latency.judge else 50
    found = judge(make_run([milliseconds * 1000] * 9000), LIMITS)
    assert (found.outcome is Outcome.FAILING) == (milliseconds >= strictest)


@BOTH
@pytest.mark.parametrize("trouble", ["slip", "lag", "cpu", "dropped", "died", "unwatched"])
def test_a_generator_in_trouble_neither_passes_nor_fails(make_run, judge, trouble):
    """Whether the service looks good or bad, a run of a sick generator is inconclusive and says why."""
    for latency in (30_000, 900_000):
        run = make_run([latency] * 9000)
        sick = {
            "slip": make_run([latency] * 9000, slip_us=20_000),
            "lag": make_run([latency] * 9000, lag_us=20_000),
            "cpu": replace(run, health=replace(run.health, cpu_s=28.0)),
            "dropped": make_run([latency] * 8900),
            "died": replace(run, cut=Cut(Side.GENERATOR, "the generator ended early (exit code -9)")),
            "unwatched": replace(run, health=replace(run.health, lags_us=array("i"))),
        }[trouble]
        found = judge(sick, LIMITS)
        assert found.outcome is Outcome.INCONCLUSIVE
        assert "The generator, not the service" in found.why


@BOTH
def test_requests_left_over_while_every_connection_waited_are_the_services_failures(make_run, judge):
    """A service that hangs cannot hide behind requests that found no connection."""
    run = make_run([5_000] * 8000)
    assert judge(replace(run, health=replace(run.health, in_flight=100)), LIMITS).outcome is Outcome.FAILING


@BOTH
def test_a_cohort_that_came_late_while_the_generator_slipped_is_inconclusive(make_run, judge):
    """One second of slips is enough when that second's answers were late, though p99 over the run is fine."""
    run = make_run([5_000] * 8_920 + [1_500_000] * 80)
    assert request_latency.judge(run, LIMITS).outcome is Outcome.HEALTHY
    for row in range(8_920, 9_000):
        run.samples.slip_us[row] = 1_400_000
    assert judge(run, LIMITS).outcome is Outcome.INCONCLUSIVE


def test_a_stalled_second_is_not_sustained_load(make_run):
    """`api_load` fails on one second in which fewer than 99 % were answered within a second; percentiles would hide it."""
    run = make_run([5_000] * 8_920 + [1_500_000] * 80)
    found = api_load.judge(run, LIMITS)
    assert found.outcome is Outcome.FAILING
    assert "not sustained" in found.why


SUSTAINED = load_limits({"load_required_rate": 300, "load_required_seconds": 60}, "test")
HUNDRED = tuple(Sender(f"sku-{number:03}-") for number in range(100))


def starving(make_run, served=0, **more):
    """A minute of a hundred tenants, of whom one waits for nine seconds for each answer but the first ones."""
    late = [index % 100 == 42 and index // 100 >= served for index in range(18_000)]
    return make_run([9_000_000 if each else 5_000 for each in late], seconds=60, senders=HUNDRED, **more)


def test_a_tenant_that_waits_for_every_answer_fails_the_claim_and_is_named(make_run):
    """One of a hundred changes neither p95 nor the share in time of any second."""
    found = api_load.judge(starving(make_run), SUSTAINED)
    assert found.outcome is Outcome.FAILING
    assert "tenant 'sku-042-' only 0.0%" in found.why
    assert found.measured["worst_tenant_in_time_ratio"] == 0.0
    assert found.measured["least_in_time_ratio"] == 0.99
    assert found.limit == SUSTAINED["load_in_time_ratio"]


@pytest.mark.parametrize(("served", "outcome"), [(178, Outcome.FAILING), (179, Outcome.HEALTHY)])
def test_each_tenants_own_arrivals_are_held_to_the_share_in_time(make_run, served, outcome):
    """Of 180 arrivals one may be late and two may not."""
    assert api_load.judge(starving(make_run, served), SUSTAINED).outcome is outcome


@pytest.mark.parametrize(("begin", "outcome"), [(57, Outcome.INCONCLUSIVE), (30, Outcome.FAILING)])
def test_a_tenant_late_only_while_the_machine_was_short_is_excused(make_run, begin, outcome):
    """The last nine of its arrivals are from the seconds 57 to 59."""
    spare = tuple(Stretch(second, second + 1, 0.0 if begin <= second < begin + 3 else 0.5, 0.0) for second in range(60))
    assert api_load.judge(starving(make_run, 171, machine=spare), SUSTAINED).outcome is outcome


def test_of_a_tenant_with_few_arrivals_one_right_answer_is_asked(make_run):
    """A share of 30 is too coarse: the figure is absent, and it was served."""
    late = [9_000_000 if index % 100 == 42 else 5_000 for index in range(3_000)]
    run = make_run(late, rate=100, senders=HUNDRED)
    limits = load_limits({"load_required_rate": 100, "load_required_seconds": 30}, "test")
    found = api_load.judge(run, limits)
    assert found.outcome is Outcome.HEALTHY
    assert "worst_tenant_in_time_ratio" not in found.measured


@BOTH
def test_a_miss_that_the_generators_own_delay_made_is_inconclusive(make_run, judge):
    """A p95 over the limit only by how late requests were sent is no verdict on the service."""
    run = make_run([205_000] * 9000, slip_us=10_000)
    if judge is api_load.judge:
        run = make_run([55_000] * 9000, slip_us=10_000)
    found = judge(run, LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "own delay" in found.why


@BOTH
def test_too_few_connections_are_no_verdict(make_run, judge):
    """Two connections cannot carry 300 requests/s within the limit, so waiting for them says nothing of the service."""
    run = make_run([400_000] * 9000, connections=2)
    for row in range(9000):
        run.samples.service_us[row] = 1000
    found = judge(run, LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "too few" in found.why


@BOTH
def test_few_connections_that_nobody_waited_for_are_enough(make_run, judge):
    """A fast service needs fewer connections than the limit would allow it, and microseconds are no wait."""
    run = make_run([5_000] * 9000, connections=10)
    for row in range(9000):
        run.samples.service_us[row] -= 2
    assert "too few" not in judge(run, LIMITS).why


@BOTH
@pytest.mark.parametrize("verdict", [Verdict.FOREIGN, Verdict.EMPTY])
def test_one_wrong_payload_fails_whatever_the_generator_did(make_run, judge, verdict):
    """Another tenant's rows are critical; an empty 200 is a failure; neither needs a healthy generator."""
    for run in (make_run(), make_run(slip_us=50_000)):
        found = judge(with_verdicts(run, [4711], verdict), LIMITS)
        assert found.outcome is Outcome.FAILING
        assert found.severity is (Severity.CRITICAL if verdict is Verdict.FOREIGN else Severity.HIGH)


@BOTH
@pytest.mark.parametrize("latency", [5_000, 900_000])
def test_a_target_that_stopped_answering_is_inconclusive_and_says_when(make_run, judge, latency):
    """Whatever was measured before: the figures are kept, and no limit is said to have held. Wrong rows still fail."""
    gone = Cut(Side.TARGET, "the target stopped answering 14.9 s into the run")
    run = make_run([latency] * 4499 + [1_000], offered=4500, cut=gone)
    found = judge(run, LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "stopped answering 14.9 s" in found.why
    assert found.measured["completed"] == 4500
    assert found.measured["limited_by"] != NOTHING
    assert judge(with_verdicts(run, [4], Verdict.FOREIGN), LIMITS).outcome is Outcome.FAILING


@BOTH
@pytest.mark.parametrize("offered", [0, 9000])
def test_no_data_is_never_a_pass(make_run, judge, offered):
    """Zero samples are inconclusive."""
    run = make_run([], offered=offered, health=Health())
    assert nothing_measured(run) == "No request was measured."
    assert nothing_measured(make_run()) == ""
    found = judge(run, LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.examined == 0


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3_000_000), max_size=300),
    st.tuples(st.integers(0, 60_000), st.integers(0, 100)),
    st.tuples(st.sampled_from(Verdict), st.integers(0, 300)),
)
def test_a_pass_means_that_every_part_of_the_claim_held(make_run, judge, latencies, generator, wrongs):
    """Whatever the run: HEALTHY only with all requests driven, in time, right, and a healthy generator; figures recomputable."""
    (slip, in_flight), (verdict, wrong) = generator, wrongs
    limits = load_limits(
        dict.fromkeys(("latency_load_rate", "load_required_rate"), 10)
        | dict.fromkeys(("latency_load_seconds", "load_required_seconds"), 30),
        "test",
    )
    run = make_run(latencies, rate=10, slip_us=slip, health=Health(1.0, 30.0, 1, in_flight, array("i", [slip])))
    run = with_verdicts(run, range(min(wrong, len(latencies))), verdict, 200 if verdict in {Verdict.OK, Verdict.EMPTY} else 500)
    found = judge(run, limits)
    assert {key: value for key, value in found.measured.items() if key != "limited_by"} == dict(figures(run))
    assert found.why
    if found.outcome is Outcome.HEALTHY:
        assert len(latencies) == 300
        assert verdict is Verdict.OK or not wrong
        assert sorted(latencies)[284] < limits.number("p95_ms") * 1000
        assert slip < 20_000


def test_a_limit_with_an_unknown_operator_is_a_configuration_error(make_run):
    """Nothing is judged by a comparison that nobody defined."""
    odd = replace(LIMITS, by_key={**LIMITS.by_key, "p95_ms": replace(LIMITS["p95_ms"], operator="~")})
    with pytest.raises(ConfigurationInvalid, match="not an operator"):
        request_latency.judge(make_run(), odd)


FULL, STOLEN, ROOMY = (0.01, 0.0), (0.5, 0.2), (0.5, 0.05)
SHORT = pytest.mark.parametrize(
    ("shares", "outcome"),
    [(FULL, Outcome.INCONCLUSIVE), (STOLEN, Outcome.INCONCLUSIVE), (ROOMY, Outcome.FAILING), (None, Outcome.FAILING)],
    ids=["full", "stolen", "roomy", "unknown"],
)


def machine(shares, begin=0, end=30, *, otherwise=ROOMY):
    """The machine second by second: `shares` are (idle, stolen) from `begin` to `end`."""
    return tuple(Stretch(second, second + 1, *(shares if begin <= second < end else otherwise)) for second in range(30) if shares)


def late_from(begin, end, latency_us=250_000):
    """Latencies of a run of 30 s that are late for arrivals from second `begin` to `end`."""
    return [latency_us if begin * 300 <= index < end * 300 else 5_000 for index in range(9_000)]


@SHORT
def test_lateness_on_a_machine_without_time_is_inconclusive(make_run, shares, outcome):
    """Where the service shares a full or robbed machine, late answers prove nothing; with time to spare, or unknown, they fail."""
    run = make_run([250_000] * 9_000, machine=machine(shares))
    assert request_latency.judge(run, LIMITS).outcome is outcome


@SHORT
def test_a_short_shortage_excuses_what_it_made_late(make_run, shares, outcome):
    """Answers late in the three seconds that the machine was short, and in the one after, are its doing."""
    run = make_run(late_from(10, 14), machine=machine(shares, 10, 13))
    found = request_latency.judge(run, LIMITS)
    assert found.outcome is outcome
    assert ("for 3 s the machine" in found.why) == (outcome is Outcome.INCONCLUSIVE)


def test_what_had_queued_in_a_short_second_is_late_in_the_next_one(make_run):
    """Three short seconds, each with another of late answers behind it, excuse both; a third late one behind each does not."""
    bursts = [second for second in machine(FULL, 5, 6) if second.idle == FULL[0]]
    bursts += [replace(bursts[0], begin_s=begin, end_s=begin + 1) for begin in (12, 20)]
    for seconds, outcome in ((2, Outcome.INCONCLUSIVE), (4, Outcome.FAILING)):
        late = [any(each.begin_s <= index / 300 < each.begin_s + seconds for each in bursts) for index in range(9_000)]
        run = make_run([250_000 if each else 5_000 for each in late], machine=tuple(bursts))
        assert request_latency.judge(run, LIMITS).outcome is outcome


@pytest.mark.parametrize("begin", [0, 15, 27])
def test_a_shortage_elsewhere_excuses_nothing(make_run, begin):
    """Answers that came late while there was time enough fail, whatever happened before or afterwards."""
    run = make_run(late_from(5, 9), machine=machine(FULL, begin, begin + 3))
    assert request_latency.judge(run, LIMITS).outcome is Outcome.FAILING


@pytest.mark.parametrize(("begin", "outcome"), [(10, Outcome.INCONCLUSIVE), (20, Outcome.FAILING)])
def test_a_second_that_was_not_sustained_is_excused_by_its_own_shortage(make_run, begin, outcome):
    """Half a second without answers breaks the sustained load, unless the machine was short just then."""
    run = make_run(late_from(10, 10.5, 1_500_000), machine=machine(FULL, begin, begin + 1))
    limits = load_limits({"load_required_rate": 300, "load_required_seconds": 30}, "test")
    assert api_load.judge(run, limits).outcome is outcome


@SHORT
def test_requests_that_a_full_machine_never_sent_are_inconclusive(make_run, shares, outcome):
    """Arrivals still queued behind late answers at the end are lateness too; the record says how the machine was."""
    health = Health(3.0, 30.0, 60_000_000, 100, array("i", [100] * 100))
    found = request_latency.judge(make_run([10_000_000] * 5_940, health=health, machine=machine(shares)), LIMITS)
    assert found.outcome is outcome
    assert found.measured["dropped"] == 3_060
    said = tuple(found.measured.get(f"machine_{kind}_ratio") for kind in ("idle", "stolen"))
    assert said == (shares or (None, None))


def test_requests_still_queued_at_the_end_are_not_excused_by_an_earlier_shortage(make_run):
    """What nobody answered while the machine had time again is the service's doing."""
    health = Health(3.0, 30.0, 60_000_000, 100, array("i", [100] * 100))
    found = request_latency.judge(make_run([5_000] * 8_900, health=health, machine=machine(FULL, 0, 3)), LIMITS)
    assert found.outcome is Outcome.FAILING


def test_timeouts_on_a_full_machine_are_inconclusive(make_run):
    """A timeout on a machine without idle time is lateness; a mixture with refused requests still fails."""
    run = make_run(verdict=Verdict.TIMED_OUT, status=0, machine=machine(FULL))
    assert request_latency.judge(run, LIMITS).outcome is Outcome.INCONCLUSIVE
    assert request_latency.judge(replace(run, machine=machine(FULL, 0, 10)), LIMITS).outcome is Outcome.FAILING
    run.samples.verdict[:100] = array("B", [Verdict.STATUS] * 100)
    assert request_latency.judge(run, LIMITS).outcome is Outcome.FAILING


def test_a_full_machine_neither_fails_nor_excuses_errors(make_run):
    """On a full machine a run within limits passes, and failed requests still fail."""
    assert request_latency.judge(make_run(machine=machine(FULL)), LIMITS).outcome is Outcome.HEALTHY
    failed = make_run(verdict=Verdict.STATUS, status=500, machine=machine(FULL))
    assert request_latency.judge(failed, LIMITS).outcome is Outcome.FAILING


def test_the_shares_of_a_stretch():
    """Idle and waiting time, and stolen time, over all time between two readings of the kernel's counters; unknown without them."""
    assert stretch(1, 2, (0,) * 8, (10, 0, 10, 60, 10, 0, 0, 10)) == Stretch(1, 2, 0.7, 0.1)
    assert stretch(1, 2, (), ()) is None
    assert stretch(1, 2, (1,) * 8, (1,) * 8) is None
