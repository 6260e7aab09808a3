"""The database's word for a run: counted, missing, too little, or declared not to be needed."""

from dataclasses import replace

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.load import api_load, request_latency
from capliquify_ops.load.corroboration import counted, doubt
from capliquify_ops.load.watched import Watched
from capliquify_ops.model.outcome import Outcome

LIMITS = load_limits({"load_required_rate": 300, "load_required_seconds": 30}, "test")


def doubted(run):
    return doubt(run, counted(run), LIMITS)


@pytest.mark.parametrize(
    ("watched", "said"),
    [
        (Watched(30, calls=27_000, commits=9_000), ""),
        (Watched(30, calls=9_600), ""),
        (Watched(30, calls=30_000, commits=10_600), ""),
        (Watched(30, commits=8_650), ""),
        (Watched(30, calls=12, commits=9_600), "saw 0.001 statements of the application's role for each request"),
        (Watched(30, calls=12, commits=9_600), "gave the others, or the service asks as another role, such as a pooler's"),
        (Watched(30, calls=9_600, commits=12), "the database saw 0.001 transactions for each request"),
        (Watched(30, calls=30_000, commits=2_880), "the database saw 0.3 transactions for each request: a cache"),
        (Watched(30, commits=8_500), "the database saw 0.885 transactions for each request"),
        (Watched(30, calls=9_400), "the database saw 0.979 statements of the application's role for each request"),
        (Watched(30, calls=0, commits=3), "the database saw 0 statements of the application's role and 0 transactions for each"),
        (Watched(30, unseen=("The target has no database URL.",)), "was not watched. The target has no database URL"),
        (Watched(30), "nothing corroborates it: the database was not watched"),
        (None, "nothing corroborates it: the database was not watched"),
    ],
    ids=[
        "both",
        "calls",
        "reference",
        "commits",
        "other role",
        "pooler",
        "batch",
        "cache of 70 %",
        "few commits",
        "few calls",
        "cache",
        "no url",
        "nothing seen",
        "unwatched",
    ],
)
def test_calls_and_commits_must_both_match_the_requests(make_run, watched, said):
    """Of 9,000 requests and 600 of warm-up; one of them is enough where the other is not known; else there is a reason."""
    reason = doubted(make_run(watched=watched))
    assert said in reason
    assert bool(reason) == bool(said)


def test_a_service_that_answers_from_a_cache_may_say_so(make_run):
    """The profile's own reason stands in the run, and nothing is doubted, whether or not anything was counted."""
    for watched in (None, Watched(30, calls=0, commits=0)):
        assert doubted(make_run(watched=watched, uncorroborated="answers come from a cache")) == ""


def test_figures_are_of_each_answer_and_absent_without_one(make_run):
    """Requests that nobody answered are not counted, and nothing is divided by zero."""
    run = make_run()
    assert counted(run) == {"database_calls_per_request": 3.0, "database_commits_per_request": 1.0}
    assert counted(replace(run, warmup_s=0.0)) == {"database_calls_per_request": 3.2, "database_commits_per_request": 1.067}
    run.samples.status[:4_500] = type(run.samples.status)("H", [0] * 4_500)
    assert counted(replace(run, warmup_s=0.0))["database_calls_per_request"] == 6.4
    assert counted(make_run(status=0)) == {}


def test_a_sustained_load_without_the_databases_word_is_inconclusive_and_a_bad_one_still_fails(make_run):
    """`api_load` asks for it, and only where all else was well; the first check does not."""
    run = make_run(watched=Watched(30, calls=1, commits=1))
    found = api_load.judge(run, LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "a cache, or another database, gave the others" in found.why
    assert request_latency.judge(run, LIMITS).outcome is Outcome.HEALTHY
    assert api_load.judge(make_run([900_000] * 9_000, watched=run.watched), LIMITS).outcome is Outcome.FAILING
    assert api_load.judge(replace(run, uncorroborated="a cache"), LIMITS).outcome is Outcome.HEALTHY
