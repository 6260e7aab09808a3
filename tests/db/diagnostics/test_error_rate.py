"""error-rate before a real server and the outside services: each cause provoked, named first, and gone."""

import contextlib
import dataclasses
import json
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.database import fill, quoted
from capliquify_ops.diagnostics import error_rate
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.error_rate_database import Counters, growth_between
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret

from ...unit.integrations import fake_clerk, fake_sentry  # noqa: TID252 -- `tests` is no package: only pytest knows where it is
from ...unit.integrations.conftest import Fake  # noqa: TID252
from ...unit.integrations.fake_clerk import FakeClerk  # noqa: TID252
from ...unit.integrations.fake_prometheus import FakePrometheus  # noqa: TID252
from ...unit.integrations.fake_render import START, TOKEN, FakeRender  # noqa: TID252
from ...unit.integrations.fake_sentry import FakeSentry  # noqa: TID252

SECRET = "4111-1111"
REQUESTS = "sum by (route, status) (increase(http_requests_total[300s]))"
NOW = START + timedelta(seconds=130)
"""When Sentry's time stands still."""


class Outside:
    """All outside services, and the time that they have in common."""

    def __init__(self, stack):
        self.render, self.sentry, self.clerk, self.prometheus = FakeRender(), FakeSentry(), FakeClerk(), FakePrometheus()
        self.service, self.refusal = self.render.add(), None
        serve = {"render": self.render, "sentry": self.sentry.answer, "clerk": self._clerk, "prometheus": self.prometheus.answer}
        self.fakes = fakes = {name: Fake(answer) for name, answer in serve.items()}
        for each in fakes.values():
            stack.callback(each.close)
        self.urls = {name: each.url for name, each in fakes.items()}
        # No answer of Prometheus is none of a service without requests.
        self.requests({"200": 1000.0})
        self.render.now = NOW

    def _clerk(self, asked):
        return self.refusal or self.clerk.answer(asked)

    def requests(self, by_status, route="/api/products"):
        self.prometheus.queries[REQUESTS] = [({"route": route, "status": status}, count) for status, count in by_status.items()]

    def say(self, *lines):
        for line in lines:
            self.render.say(self.service, line, after=0.001)

    def now(self):
        return self.render.now

    monotonic = staticmethod(time.monotonic)

    @property
    def integrations(self):
        sentry = {"organization": "acme", "project": "shop", "region": "", "base_url": self.urls["sentry"]}
        return {
            "render": Integration({"service": self.service, "base_url": f"{self.urls['render']}/v1"}, {"token": Secret(TOKEN)}),
            "sentry": Integration(sentry, {"token": Secret(fake_sentry.TOKEN)}),
            "clerk": Integration({"base_url": f"{self.urls['clerk']}/v1"}, {"secret_key": Secret(fake_clerk.SECRET_KEY)}),
        }


@pytest.fixture
def outside():
    with contextlib.ExitStack() as stack:
        services = Outside(stack)
        yield services
    assert (services.render.wrong, services.sentry.problems, services.clerk.problems) == ([], [], [])
    assert services.prometheus.problems == []


@pytest.fixture
def found(database, roles, tmp_path, outside):
    """Diagnoses the test's database as the observer."""

    def run(**changes):
        profile = load_profile("capliquify", tmp_path)
        target = Target(
            "here",
            TargetClass.LOOPBACK,
            profile,
            database.observer_url,
            prometheus_url=outside.urls["prometheus"],
            roles=roles,
            integrations=outside.integrations,
        )
        limits = load_limits({"provisioning_grace_s": 0}, "tests")
        inquiry = Inquiry(dataclasses.replace(target, **changes), limits, outside, lambda: 0.5, watch_s=0.0)
        [diagnosis] = diagnose(inquiry, [error_rate.NAME])
        return diagnosis

    return run


def names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


def source(diagnosis, name):
    return next(each for each in diagnosis.sources if each.name == name)


def test_all_that_answer_are_well(found, two, outside):
    """Nothing is found, and all that are asked have answered; a few errors that are usual are none."""
    outside.sentry.capture("TypeError: x", 300, times=3)
    outside.sentry.capture("TypeError: x", 300 + 86400, times=3)
    outside.requests({"200": 1000.0, "500": 1.0})
    outside.say("deadlock detected")
    diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    assert "registry_catalogue" not in [each.name for each in diagnosis.sources], "nothing costly is asked of what is well"
    assert source(diagnosis, "Prometheus").says.startswith("1001 requests in 300 s, 1 of them failed")


def _deadlock(url, schema, role, told):
    """Make two sessions wait for each other, and keep what the server says to the one that it ends."""
    ready = threading.Barrier(2)

    def lock(first, second):
        with psycopg.connect(url) as session:
            session.execute("SET deadlock_timeout = '10ms'")
            session.execute(fill('SET ROLE :"role"', {"role": role}))
            ready.wait(10)
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                try:
                    for number in (first, second):
                        query = "UPDATE :\"schema\".products SET name = :'card' WHERE sku = :'sku'"
                        session.execute(fill(query, {"schema": schema, "card": SECRET, "sku": f"s{number}"}))
                        if number == first:
                            ready.wait(10)
                except psycopg.errors.DeadlockDetected as fault:
                    told.append(f"ERROR:  {fault.diag.message_primary}\nDETAIL:  {fault.diag.message_detail}")
                    raise

    threads = [threading.Thread(target=lock, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


@pytest.fixture
def deadlock(database, superuser_url, two, as_the_owner, roles):
    """Makes a deadlock on two rows of a tenant, and returns what the server said of it."""
    as_the_owner(
        'INSERT INTO :"a".companies (name) VALUES (\'A\'); INSERT INTO :"a".products (company_id, sku, name)'
        " SELECT c.id, s, s FROM :\"a\".companies AS c, unnest(ARRAY['s1', 's2']) AS s",
        a=two["a"],
    )

    def make():
        told = []
        _deadlock(superuser_url.reveal(), two["a"], roles.owner, told)
        assert len(told) == 1
        return told[0]

    return make


def test_deadlocks_with_their_statements(found, outside, two, deadlock):
    """Nothing; then real deadlocks: their waits and statements without values, counted by tenant; then nothing."""
    assert found().causes == ()
    said = deadlock()
    # Render's lines are those of the service; the server's log adds the statements.
    outside.requests({"200": 900.0, "500": 100.0})
    outside.say(said, f"\tProcess 12: UPDATE {two['a']}.products SET name = '{SECRET}' WHERE sku = 's1'", "x")
    diagnosis = found()
    [cause] = diagnosis.causes
    assert (cause.name, cause.level, cause.tenants) == ("deadlocks", Level.L2, (two["a"],))
    assert any("waits for ShareLock on transaction" in line for line in cause.evidence)
    assert "UPDATE ~.products SET name = ? WHERE sku = ?" in cause.evidence
    assert "100 of 1000 requests in 300 s failed (10 %)" in cause.evidence[0].replace("10.0", "10")
    assert SECRET not in json.dumps(dataclasses.asdict(diagnosis), default=str)
    outside.render.now += timedelta(minutes=6)
    outside.requests({"200": 1000.0})
    assert found().causes == ()


def test_deadlocks_that_only_the_database_tells(found, outside, deadlock):
    """What grows between two looks at the database is told, and where its statements stand."""
    outside.requests({"200": 900.0, "500": 100.0})
    stop = threading.Event()

    def work():
        while not stop.is_set():
            deadlock()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        deadline = time.monotonic() + 20
        while "deadlocks" not in names(diagnosis := found()):
            assert time.monotonic() < deadline, diagnosis
    finally:
        stop.set()
        worker.join(20)
    cause = diagnosis.causes[0]
    assert any(line.partition(" deadlocks in the last ")[0].isdigit() for line in cause.evidence)
    assert "log_lock_waits" in cause.next_command
    outside.render.now += timedelta(minutes=6)
    assert names(found()) == ["errors"]


def test_an_identity_provider_that_refuses(found, two, outside):
    """It answers 429 now: alone it is told on the lowest level, with failing requests first, and gone when it answers."""
    assert found().causes == ()
    outside.refusal = (429, {"errors": [{"message": "Too many requests"}]}, {"Retry-After": "30"})
    diagnosis = found()
    assert (names(diagnosis), diagnosis.level) == (["identity provider"], Level.L1)
    outside.requests({"200": 900.0, "503": 100.0})
    outside.say("ClerkAPIResponseError: Too Many Requests", "ClerkAPIResponseError: Too Many Requests")
    diagnosis = found()
    assert (names(diagnosis), diagnosis.level) == (["identity provider"], Level.L2)
    assert "errors of it: 2 in the log" in diagnosis.causes[0].evidence
    assert "Clerk answers 429 to this key now, for 30 more seconds" in diagnosis.causes[0].evidence
    outside.refusal = (500, {"errors": []})
    outside.render.now += timedelta(minutes=6)
    diagnosis = found()
    assert "does not answer as it should" in diagnosis.headline
    outside.refusal = None
    outside.requests({"200": 1000.0})
    assert found().causes == ()


def test_a_spike_in_sentry(found, two, outside):
    """More errors than a day before at the same time, since when, and of which kind; then those are usual."""
    outside.sentry.capture(f'UndefinedTable: relation "{two["b"]}.products" does not exist', 200, times=20)
    diagnosis = found()
    assert (names(diagnosis), diagnosis.level) == (["undefined names"], Level.L1)
    assert diagnosis.causes[0].evidence[0].startswith("Sentry has 20 errors in 10 min, where 0 are usual")
    assert "all tenants are built alike" in diagnosis.headline
    outside.sentry.capture("x", 200 + 86400, times=18)
    assert found().causes == ()


def test_a_new_release(found, two, outside):
    """What went live minutes ago is named with the deploy to go back to, its new issues, and the errors before and after."""
    for commit in ("c-good", "c-bad"):
        outside.render.push(outside.service, commit)
    outside.render.now += timedelta(minutes=10)
    outside.requests({"200": 900.0, "500": 100.0})
    now = int(outside.render.now.timestamp())
    outside.sentry.release("c-bad", fake_sentry.NOW - now + 660, deployed=True)
    outside.sentry.capture("TypeError: nobody expects it", 60, release="c-bad", times=2)
    compared = "sum by (status) (increase(http_requests_total[{}s]))".format
    outside.prometheus.queries[compared(1800)] = [({"status": "200"}, 5000.0)]
    went_live = outside.render.deploys[outside.service][0]["finishedAt"]
    after = compared(int((outside.render.now - outside.render._time(went_live)).total_seconds()))
    outside.prometheus.queries[after] = [({"status": "200"}, 900.0), ({"status": "500"}, 100.0)]
    [cause] = found().causes
    assert (cause.name, cause.level) == ("new release", Level.L2)
    assert cause.why.endswith("errors are more since then.")
    assert "before: 0 errors of 5000 requests" in cause.evidence
    assert "after: 100 errors of 1000 requests" in cause.evidence
    assert "SHOP-1, first seen in it: 2 times" in cause.evidence
    back = outside.render.deploys[outside.service][1]["id"]
    assert cause.next_command.startswith(f"capliquify-ops remedy plan roll-back-deploy --deploy {back}")
    assert cause.since_s == pytest.approx(601, abs=5)
    asked = [dict(each.query) for each in outside.fakes["prometheus"].asked]
    [at] = [each["time"] for each in asked if each["query"] == compared(1800)]
    assert float(at) == pytest.approx(outside.render._time(went_live).timestamp(), abs=0.001)
    outside.prometheus.queries[compared(1800)] = [({"status": "200"}, 4000.0), ({"status": "500"}, 1000.0)]
    assert names(found()) == ["errors"], "it was as bad before"
    outside.render.now += timedelta(hours=1)
    assert names(found()) == ["errors"], "an hour later it is no new one"


def test_two_causes_at_once(found, outside, two, as_the_owner):
    """A missing schema and a provider that refuses are both named, that which more errors tell of first."""
    outside.requests({"200": 900.0, "500": 100.0})
    outside.refusal = (429, {"errors": []}, {"Retry-After": "30"})
    as_the_owner('DROP SCHEMA :"a" CASCADE', a=two["a"])
    outside.say(*[f'ERROR:  relation "{two["a"]}.products" does not exist'] * 3, "Clerk: 429 Too Many Requests")
    diagnosis = found()
    assert names(diagnosis) == ["missing schema", "identity provider"]
    assert diagnosis.causes[0].tenants == (two["a"],)
    assert f"{two['a']}: 3 errors" in diagnosis.causes[0].evidence
    outside.say(*["Clerk: 429 Too Many Requests"] * 3)
    assert names(found()) == ["identity provider", "missing schema"]


def test_texts_of_a_real_server(found, outside, database, two, superuser_url):
    """What PostgreSQL says of each kind of error is known by its kind."""
    role, lines = "refused_" + database.name, []
    with psycopg.connect(superuser_url.reveal(), autocommit=True) as session:
        for query in (
            "SELECT 1 FROM no_such_schema.x",
            "SELECT 1 FROM no_such_table",
            "SELECT no_such_column FROM pg_class",
            "SET statement_timeout = '1ms'; SELECT pg_sleep(1)",
        ):
            with pytest.raises(psycopg.Error) as fault:
                session.execute(query)
            lines.append(str(fault.value))
            session.execute("RESET ALL")
        with pytest.raises(psycopg.Error) as fault:
            session.execute("CREATE TABLE no_such_schema.x ()")
        lines.append(str(fault.value))
        session.execute(f"CREATE ROLE {quoted(role)} LOGIN CONNECTION LIMIT 0")
        session.execute(f"ALTER ROLE {quoted(role)} PASSWORD 'x'")
        try:
            with pytest.raises(psycopg.OperationalError) as fault:
                psycopg.connect(superuser_url.reveal(), user=role, password="x", passfile="/nonexistent")
            lines.append(str(fault.value))
        finally:
            session.execute(f"DROP ROLE {quoted(role)}")
    with pytest.raises(psycopg.OperationalError) as fault:
        psycopg.connect("postgresql://u@127.0.0.1:1/x")
    lines.append(str(fault.value))
    outside.requests({"200": 900.0, "500": 100.0})
    outside.say(*lines)
    diagnosis = found()
    assert set(names(diagnosis)) == {"missing schema", "undefined names", "statement timeouts", "connections"}, lines
    [connections] = [cause for cause in diagnosis.causes if cause.name == "connections"]
    assert "refused at port 1" in connections.evidence


def test_what_cannot_be_told(found, outside, two, as_the_owner, roles):
    """Without requests nothing is certain; without a grant, or a database, errors are told with what was not answered."""
    diagnosis = found(prometheus_url="")
    assert (diagnosis.causes, diagnosis.is_certain) == ((), False)
    assert "nothing counts requests" in source(diagnosis, "requests").says
    outside.say("deadlock detected")
    assert names(found(prometheus_url="")) == ["deadlocks"]
    as_the_owner(f"REVOKE SELECT ON public.tenants FROM {quoted(roles.observer)}")
    outside.requests({"200": 900.0, "500": 100.0})
    diagnosis = found()
    assert names(diagnosis) == ["deadlocks"]
    open_ = {each.name: each.says for each in diagnosis.sources if each.is_configured and not each.answered}
    assert open_.keys() == {"tenants' names", "registry_catalogue", "structure_equality"}
    assert all("GRANT SELECT ON public.tenants" in says for says in open_.values())
    diagnosis = found(database_url=Secret("postgresql://u@127.0.0.1:1/x"))
    assert "connections" in names(diagnosis)


def test_it_opens_one_connection(found, outside, two, monkeypatch):
    """Also where it looks closer: the session of the first look is kept for it, and closed at the end."""
    opened, connect = [], psycopg.connect

    def counted(*given, **named):
        opened.append(connect(*given, **named))
        return opened[-1]

    outside.requests({"200": 900.0, "500": 100.0})
    monkeypatch.setattr(psycopg, "connect", counted)
    found()
    assert [each.closed for each in opened] == [True]


def test_numbers_that_began_anew():
    """A reset between two reads makes no negative growth, and one read tells none."""
    before, after = Counters(5, 100, 10, 0, 0, 0, 1.0, 60.0), Counters(1, 3, 1, 0, 0, 0, 3.0, 1.0)
    assert growth_between(before, None) is growth_between(None, after) is None
    grown = growth_between(before, after)
    assert (grown.over_s, grown.deadlocks, grown.transactions, grown.deadlocks_before) == (2.0, 1, 4, 0)
    grown = growth_between(before, dataclasses.replace(before, deadlocks=7, commits=110, at_s=3.5))
    assert (grown.over_s, grown.deadlocks, grown.transactions, grown.deadlocks_before) == (2.5, 2, 10, 5)
