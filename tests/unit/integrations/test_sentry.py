"""Sentry, against an organisation on loopback that counts what it captured and refuses what Sentry's document does not know."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.sentry import MOST_PAGES, PAGE, Sentry, service
from capliquify_ops.integrations.sentry_records import CrashFree, Deploy, KeyLimit, TopError
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .conftest import FAULTS, REFUSALS, Fault
from .fake_sentry import NOW, TOKEN, FakeSentry
from .published import published

AT = datetime.fromtimestamp(NOW, UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AWKWARD = 'shop@1.0 "beta" [x,y] *\\+a&b%2F/..'
FAKE = FakeSentry


@pytest.fixture
def sentry(running, patience):
    with Caller(service(Secret(TOKEN), running.url), patience) as caller:
        yield Sentry(caller, "acme")


def operations(sentry):
    return [
        lambda: sentry.error_counts("shop", before=DAY),
        lambda: sentry.received("shop", AT - DAY, AT),
        lambda: sentry.issues("shop"),
        lambda: sentry.issues_of_release("shop", "shop@1"),
        lambda: sentry.new_issues_of_release("shop", "shop@1"),
        lambda: sentry.releases("shop"),
        lambda: sentry.release("shop", "shop@1"),
        lambda: sentry.crash_free("shop"),
        lambda: sentry.top_errors("shop"),
        lambda: sentry.project_keys("shop"),
    ]


ALL = range(10)


@pytest.fixture
def filled(state):
    state.release("shop@1", 7200, deployed=True, sessions=200, crashed=1)
    state.capture("TypeError", times=3)
    state.add_key(1)
    return state


def test_a_spike_is_seen_bucket_by_bucket(sentry, state):
    """Errors are counted where they happened, of this project only; the bucket that is not over is left out and counted as such."""
    state.capture("old", ago=3000, times=4)
    state.capture("spike", ago=430, times=90)
    state.capture("now", ago=10, times=7)
    state.capture("noise", ago=430, times=1000, project="other")
    found = sentry.error_counts("shop", HOUR)
    assert [point.count for point in found.points if point.count] == [4, 90]
    assert found.unfinished == 1
    assert found.bucket == timedelta(minutes=5)
    assert [point.at for point in found.points] == sorted(point.at for point in found.points)
    spike = next(point for point in found.points if point.count == 90)
    assert (spike.at, spike.before) == (datetime(2029, 12, 31, 23, 55, tzinfo=UTC), None)


def test_a_spike_has_a_baseline(sentry, state):
    """Beside each bucket stands what the same one counted a day before."""
    state.capture("x", ago=430, times=90)
    state.capture("x", ago=430 + 86400, times=5)
    assert [(point.count, point.before) for point in sentry.error_counts("shop", HOUR, before=DAY).points if point.count] == [
        (90, 5)
    ]


def test_a_bucket_that_sentry_does_not_like_is_told(sentry, running):
    """The service takes another one, and the series says which; a series too short to tell says so."""
    assert sentry.error_counts("shop", HOUR, HOUR * 2).bucket == timedelta(minutes=5)
    running.faults += [Fault(200, {"timeSeries": [{"values": [{"timestamp": NOW * 1000, "value": 3, "incomplete": False}]}]})]
    assert sentry.error_counts("shop").bucket is None


def test_no_series_is_no_error(sentry, running):
    """An organisation without data has no line at all."""
    running.faults += [Fault(200, {"timeSeries": []})]
    found = sentry.error_counts("shop")
    assert (found.points, found.unfinished) == ((), 0)


def test_the_coarse_fallback_counts_by_the_hour(sentry, state):
    """Its times are seconds, where the finer operation's are milliseconds; both count the same events."""
    state.capture("x", ago=430, times=90)
    found = sentry.received("shop", AT - 3 * HOUR, AT)
    assert [(point.at, point.count) for point in found if point.count] == [(datetime(2029, 12, 31, 23, tzinfo=UTC), 90)]
    assert len(found) == 4


def test_the_issues_of_a_project_come_worst_first(sentry, state):
    """Each with its counts as numbers and its times; what is resolved or another project's is not among them."""
    state.capture("a rare one", ago=60)
    state.capture("frequent", ago=600, times=149)
    state.capture("frequent", ago=60, user="u2")
    state.capture("done", times=999)
    state.capture("noise", times=999, project="other")
    state.resolved.add("done")
    found = sentry.issues("shop")
    assert [(issue.title, issue.count, issue.users) for issue in found.found] == [("frequent", 150, 2), ("a rare one", 1, 1)]
    assert not found.has_more
    worst = found.found[0]
    assert (worst.level, worst.status, worst.substatus) == ("error", "unresolved", "new")
    assert (worst.first_seen, worst.last_seen) == (AT - timedelta(seconds=600), AT - timedelta(seconds=60))
    assert (worst.id, worst.short_id, worst.permalink) == ("3", "SHOP-3", "https://acme.sentry.io/issues/3/")
    state.resolved.add("frequent")
    assert [issue.title for issue in sentry.issues("shop").found] == ["a rare one"]


def test_the_issues_of_a_release_and_the_new_ones_among_them(sentry, state):
    """An older issue that a release has too is one of its issues, and not one that it brought."""
    state.capture("older", ago=9000, release="shop@1")
    state.capture("older", ago=600, release="shop@2")
    state.capture("brought", ago=600, release="shop@2")
    state.capture("gone", ago=9000, release="shop@1")
    assert {issue.title for issue in sentry.issues_of_release("shop", "shop@2").found} == {"older", "brought"}
    assert [issue.title for issue in sentry.new_issues_of_release("shop", "shop@2").found] == ["brought"]
    assert [issue.title for issue in sentry.issues("shop", HOUR).found] == ["brought", "older"]


@pytest.mark.parametrize("version", [AWKWARD, "latest", "is:resolved", "[a]", "*"])
def test_a_version_is_taken_literally(sentry, state, running, version):
    """Blanks, quotes, lists, wildcards and slashes in a version reach Sentry as that version and as nothing else."""
    state.capture("mine", release=version)
    state.capture("not mine", release="shop@2")
    state.release(version, 60)
    assert [issue.title for issue in sentry.issues_of_release("shop", version).found] == ["mine"]
    assert sentry.release("shop", version).version == version
    if "*" in version:
        assert r"\*" in dict(running.asked[0].query)["query"]


def test_issues_are_read_page_after_page_by_cursor(sentry, state, running):
    """All pages are read, and only this host is asked, wherever the links lead."""
    for number in range(PAGE + 1):
        state.capture(f"e{number:03}")
    found = sentry.issues("shop")
    assert (len(found.found), len({issue.title for issue in found.found}), found.has_more) == (PAGE + 1, PAGE + 1, False)
    assert [dict(asked.query).get("cursor") for asked in running.asked] == [None, "0:100:0"]


def test_reading_ends_at_its_bound_and_says_so(sentry, state, running):
    """Five pages are read; that there are more is told."""
    for number in range(PAGE * MOST_PAGES + 1):
        state.capture(f"e{number:03}")
    found = sentry.issues("shop")
    assert (len(found.found), found.has_more, len(running.asked)) == (PAGE * MOST_PAGES, True, MOST_PAGES)


def test_a_next_page_without_a_cursor_is_no_end(sentry, running):
    """A list that cannot be read to its end is not taken for a whole one."""
    running.faults += [Fault(200, [], {"Link": '<https://x/>; rel="next"; results="true"'})]
    with pytest.raises(
        IntegrationFailed, match="Sentry's answer to GET issues is not understood: the answer has a next page without a cursor"
    ):
        sentry.issues("shop")


def test_releases_come_newest_first_with_their_deploys(sentry, state):
    """Each tells when it was made, when it went where, and how many issues of this project began with it."""
    state.release("shop@1", 7200)
    state.release("shop@2", 600, deployed=True)
    state.capture("brought", ago=500, release="shop@2")
    state.capture("elsewhere", ago=500, release="shop@2", project="other")
    newest, older = sentry.releases("shop").found
    assert (newest.version, newest.new_issues, newest.created_at) == ("shop@2", 1, AT - timedelta(seconds=600))
    assert newest.last_deploy == Deploy("production", AT - timedelta(seconds=540))
    assert (older.version, older.new_issues, older.last_deploy) == ("shop@1", 0, None)
    assert sentry.release("4501", "shop@2").new_issues == 1
    with pytest.raises(NotThere, match="with 404: Release not found"):
        sentry.release("shop", "shop@3")


def test_the_health_of_a_release(sentry, state):
    """The share of sessions without a crash is of one, both of a release and among all; without sessions there is none."""
    state.release("shop@1", 7200, sessions=200, crashed=5)
    state.release("shop@2", 60)
    assert sentry.release("shop", "shop@1").crash_free_rate == pytest.approx(0.975)
    assert sentry.release("shop", "shop@2").crash_free_rate is None
    assert sentry.crash_free("shop") == (CrashFree("shop@1", 0.975, 200), CrashFree("shop@2", None, 0))


def test_the_table_of_top_errors(sentry, state):
    """The most frequent titles come first, no more than were asked for."""
    for times, title in ((2, "b"), (9, "a"), (1, "c")):
        state.capture(title, times=times)
    assert sentry.top_errors("shop", most=2) == (TopError("a", 9), TopError("b", 2))
    for most in (0, 101):
        with pytest.raises(UsageError, match="rows cannot be asked for"):
            sentry.top_errors("shop", most=most)


def test_the_keys_that_clients_send_with(sentry, state):
    """Active keys with the limit beyond which events are dropped; the secret half is nowhere in them."""
    state.add_key(1, limit={"window": 60, "count": 100})
    state.add_key(2, is_active=False)
    state.add_key(3)
    found = sentry.project_keys("shop")
    assert [(key.id, key.is_active, key.limit) for key in found.found] == [
        ("key1", True, KeyLimit(100, 60)),
        ("key3", True, None),
    ]
    assert found.found[0].dsn == Secret("https://public1@o1.ingest.sentry.io/4501")
    assert not found.has_more


def test_no_credential_leaves_by_accident(sentry, filled, caplog):
    """Neither token nor DSN nor secret key is in a representation or in a log."""
    caplog.set_level(logging.DEBUG)
    shown = "".join(repr(act()) for act in operations(sentry)) + repr(service(Secret(TOKEN))) + caplog.text
    assert "key1" in shown
    for secret in (TOKEN, "nobody-may-see", "public1"):
        assert secret not in shown


@pytest.mark.parametrize("bad", ["", "-1", " ", "a/b", "..", "a&project=-1"])
def test_a_project_that_would_mean_all_of_them_is_not_sent(sentry, running, bad):
    """Sentry takes an empty project and -1 for every project: neither is sent, nor what is no name at all."""
    for act in (
        lambda: sentry.error_counts(bad),
        lambda: sentry.received(bad, AT, AT),
        lambda: sentry.issues(bad),
        lambda: sentry.issues_of_release(bad, "1"),
        lambda: sentry.new_issues_of_release(bad, "1"),
        lambda: sentry.releases(bad),
        lambda: sentry.release(bad, "1"),
        lambda: sentry.crash_free(bad),
        lambda: sentry.top_errors(bad),
        lambda: sentry.project_keys(bad),
    ):
        with pytest.raises(UsageError, match="is no project of Sentry's"):
            act()
    assert running.asked == []


@pytest.mark.parametrize("bad", ["", "  ", ".", ".."])
def test_a_version_that_is_none_is_not_sent(sentry, running, bad):
    """Dots would lead to another path, nothing to the list of all."""
    for act in (sentry.release, sentry.issues_of_release, sentry.new_issues_of_release):
        with pytest.raises(UsageError, match="names nothing in Sentry"):
            act("shop", bad)
    with pytest.raises(UsageError, match="names nothing in Sentry"):
        Sentry(None, bad)
    assert running.asked == []


@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=30), timedelta(seconds=90), -DAY])
def test_a_period_is_of_whole_minutes(sentry, running, period):
    """What Sentry's periods cannot say is refused before any request."""
    for act in (
        lambda: sentry.issues("shop", period),
        lambda: sentry.error_counts("shop", period),
        lambda: sentry.error_counts("shop", DAY, period),
        lambda: sentry.error_counts("shop", before=period),
    ):
        with pytest.raises(UsageError, match="no period of whole minutes"):
            act()
    assert running.asked == []


@pytest.mark.parametrize("number", ALL)
def test_every_reading_survives_a_fault(sentry, filled, running, number):
    """A server that breaks, wants us to wait, closes, or cuts its answer short is asked again; then the answer counts."""
    act = operations(sentry)[number]
    good = act()
    for fault in FAULTS:
        running.asked.clear()
        running.faults[:] = [fault]
        assert act() == good, fault
        assert len(running.asked) == 2, fault


@pytest.mark.parametrize("number", ALL)
def test_every_refusal_is_told_in_sentrys_words(sentry, running, number):
    """The error is of its kind, says what Sentry said, and never the token."""
    for status, kind in REFUSALS.items():
        running.faults[:] = [Fault(status, {"detail": f"No, {TOKEN}"})] * 3
        with pytest.raises(kind, match=rf"Sentry answered GET /api/0/\S+/ with {status}: No, \[redacted\]") as caught:
            operations(sentry)[number]()
        assert TOKEN not in repr(caught.value)


OTHER_SHAPES = (
    None,
    b"<html>",
    b'[{"id": ',
    3,
    "x",
    [3],
    [[1]],
    [["1", 2]],
    [[1, -1]],
    {"timeSeries": {}, "data": 1},
    [{"id": 1}],
)


@pytest.mark.parametrize("number", ALL)
def test_an_answer_of_another_shape_is_refused(sentry, running, number):
    """No body, a page, half a document, or other fields: one sentence that names Sentry and the operation."""
    for body in OTHER_SHAPES:
        running.faults[:] = [Fault(200, body)]
        with pytest.raises(
            IntegrationFailed, match=r"^Sentry's answer to GET [\w -]+ is not understood: the answer.* See whether"
        ) as caught:
            operations(sentry)[number]()
        assert type(caught.value) is IntegrationFailed


def test_a_slow_sentry_costs_the_budget_and_no_more(running, hasty):
    """What does not answer in time is broken, in one sentence."""
    running.faults += [Fault(after_s=2)]
    with (
        Caller(service(Secret(TOKEN), running.url), hasty) as caller,
        pytest.raises(ServiceBroken, match="did not answer GET /api/0/projects/acme/shop/keys/"),
    ):
        Sentry(caller, "acme").project_keys("shop")


def test_the_region_chooses_the_address():
    """Data of an organisation lives in one region; a server of one's own has an address of its own."""
    assert service(Secret("x")).base_url == "https://us.sentry.io"
    assert service(Secret("x"), region="de").base_url == "https://de.sentry.io"
    assert service(Secret("x"), "https://sentry.example.com", region="own").base_url == "https://sentry.example.com"
    with pytest.raises(ConfigurationInvalid, match=r"integrations\.sentry\.region is 'fr'"):
        service(Secret("x"), region="fr")


@pytest.mark.parametrize("text", ["", "sntrys_x\n", "sntrys x", "sntrys_ü"])
def test_a_token_that_no_header_can_carry_is_a_mistake_of_the_configuration(text):
    """It is found before any request, by the name of its setting, without its text."""
    with pytest.raises(ConfigurationInvalid, match=r"integrations\.sentry\.token_env") as caught:
        service(Secret(text))
    assert not text or text not in str(caught.value)


def test_a_wrong_token_is_refused(running, patience):
    """The error names the setting."""
    with (
        Caller(service(Secret("sntrys_someone_else"), running.url), patience) as caller,
        pytest.raises(CredentialRefused, match=r"integrations\.sentry\.token_env"),
    ):
        Sentry(caller, "acme").releases("shop")


def test_the_contract_is_sentrys_published_document(sentry, filled, running):
    """Each request of every operation, and each answer of the organisation above, passes the published document."""
    document = published("sentry.json")
    for act in operations(sentry):
        act()
    assert len(running.asked) == 10
    for asked in running.asked:
        document.check_request(asked)
        status, answer, *_ = filled.answer(asked)
        assert status == 200
        assert answer
        document.check_answer(asked.method, asked.path, status, answer)
