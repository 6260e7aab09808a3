"""What the service recorded, who is let in without being a member, and when rights were changed: planted, named, gone."""

import dataclasses
import uuid

import psycopg
import pytest
from tests.unit.integrations.conftest import Fake
from tests.unit.integrations.fake_clerk import SECRET_KEY, FakeClerk

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, operator, quoted
from capliquify_ops.diagnostics import cross_tenant_access
from capliquify_ops.diagnostics import cross_tenant_access_log as log
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded

RECORDED = "unauthorized access in the audit log"
UNKNOWN = "members of no such organisation"


@pytest.fixture
def target(database, roles, tmp_path):
    return Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), database.observer_url, roles=roles)


@pytest.fixture
def found(target):
    def run(**changes):
        inquiry = Inquiry(dataclasses.replace(target, **changes), load_limits(), SystemClock(), lambda: 0.5)
        [diagnosis] = diagnose(inquiry, [cross_tenant_access.NAME])
        return diagnosis

    return run


@pytest.fixture
def as_service(database, two):
    """Runs a statement as the service does, as one tenant: row security shows and takes that tenant's rows alone."""

    def run(slug, statement, **params):
        with psycopg.connect(database.superuser_url.reveal()) as connection:
            [tenant] = connection.execute("SELECT id FROM public.tenants WHERE schema_name = %s", [two[slug]]).fetchone()
        with psycopg.connect(database.app_url.reveal()) as connection:
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant)])
            connection.execute(statement, {"tenant": tenant, **params})

    return run


RECORD = (
    "INSERT INTO public.audit_logs (tenant_id, action, created_at, metadata) VALUES (%(tenant)s, %(action)s,"
    ' now() - %(ago)s::interval, \'{"card": "4111-1111"}\')'
)
LET_IN = (
    "INSERT INTO public.users (clerk_user_id, email, tenant_id, created_at) VALUES (%(user)s, %(user)s || '@secret.example', %(tenant)s,"
    " now() - %(ago)s::interval)"
)


def source(diagnosis, name):
    return next(each for each in diagnosis.sources if each.name == name)


def test_what_the_service_recorded_is_named(found, as_service, two):
    """Refused attempts and old records are none; two tenants' records are told with both tenants, their age, and no contents."""
    as_service("a", RECORD, action="not_organization_member", ago="1 hour")
    as_service("b", RECORD, action="unauthorized_access", ago="30 hours")
    diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True)
    as_service("a", RECORD, action="unauthorized_access", ago="2 hours")
    as_service("a", RECORD, action="unauthorized_access", ago="1 hour")
    as_service("b", RECORD, action="cross_tenant_access", ago="5 minutes")
    [cause] = found().causes
    assert (cause.name, cause.level, set(cause.tenants)) == (RECORDED, Level.L3, set(two.values()))
    assert "3 times" in cause.why
    assert 7100 < cause.since_s < 7300
    assert any("unauthorized_access" in line and two["a"] in line and "2 times" in line for line in cause.evidence)
    assert "4111" not in repr(cause)


def test_without_row_security_the_same_is_named(found, as_service, two, database):
    """A role that row security does not bind reads all at once, and finds the same."""
    assert found(database_url=database.superuser_url).causes == ()
    as_service("b", RECORD, action="unauthorized_access", ago="1 hour")
    causes = found(database_url=database.superuser_url).causes
    assert [(cause.name, cause.tenants) for cause in causes] == [(RECORDED, (two["b"],))]


def test_a_record_of_no_known_tenant_counts(found, two, database, monkeypatch):
    """Of a tenant that is gone, or never was one: seen all the same. Where there are more than are read, it is said."""
    del two
    with psycopg.connect(database.superuser_url.reveal()) as connection:
        connection.execute("ALTER TABLE public.audit_logs DROP CONSTRAINT audit_logs_tenant_id_fkey")
        connection.execute(RECORD, {"tenant": uuid.uuid4(), "action": "unauthorized_access", "ago": "1 hour"})
    diagnosis = found(database_url=database.superuser_url)
    assert [(cause.name, cause.tenants) for cause in diagnosis.causes] == [(RECORDED, ())]
    assert "of no known tenant by user unknown" in diagnosis.causes[0].evidence[0]
    assert source(diagnosis, cross_tenant_access.AUDIT_LOG).says.startswith("1 records")
    monkeypatch.setattr(log, "MOST_ALARMS", 1)
    diagnosis = found(database_url=database.superuser_url)
    assert source(diagnosis, cross_tenant_access.AUDIT_LOG).says.startswith("at least 1 records")


def test_what_may_not_be_read_is_said(found, two, operator_url, roles):
    """Without the grant the audit log is no all-clear: the line has the exact grant."""
    del two
    grant = f"SELECT ON public.audit_logs FROM {quoted(roles.observer)}"
    with operator(operator_url, "test") as session, session.transaction():
        session.execute(f"SET LOCAL ROLE {quoted(roles.owner)}")
        session.execute(f"REVOKE {grant}")
    diagnosis = found()
    assert diagnosis.is_certain is False
    assert "GRANT SELECT ON public.audit_logs TO" in source(diagnosis, cross_tenant_access.AUDIT_LOG).says


@pytest.fixture
def clerk():
    state = FakeClerk()
    running = Fake(state.answer)
    yield state, Integration({"base_url": f"{running.url}/v1"}, {"secret_key": Secret(SECRET_KEY)})
    running.close()


def test_a_member_who_is_none_is_named(found, as_service, clerk, two):
    """A row planted for somebody of another organisation is named with its tenant; a member's row, and an old one, are not."""
    state, integration = clerk
    state.join("user_1", "org_a")
    as_service("a", LET_IN, user="user_1", ago="1 hour")
    as_service("b", LET_IN, user="user_2", ago="3 days")
    diagnosis = found(integrations={"clerk": integration})
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    as_service("b", LET_IN, user="user_1", ago="10 minutes")
    [cause] = found(integrations={"clerk": integration}).causes
    assert (cause.name, cause.tenants, cause.level) == (UNKNOWN, (two["b"],), Level.L3)
    assert 590 < cause.since_s < 700
    assert "secret.example" not in repr(cause)
    diagnosis = found()
    assert (diagnosis.causes, source(diagnosis, cross_tenant_access.PROVIDER).is_configured) == ((), False)


def test_when_rights_were_changed():
    """A server that keeps commit times tells what was changed of rights since a table was made, not that it was made."""
    settings = {"track_commit_timestamp": "on"}
    with (
        embedded.start(service=False, postgres_settings=settings) as stack,
        observer(Secret(stack.database_url), "test") as session,
    ):
        before = log.read_changes(session)[1]
        with psycopg.connect(stack.superuser_url) as other:
            other.execute("GRANT SELECT ON public.subscriptions TO PUBLIC")
        changes, says = log.read_changes(session)
    assert "subscriptions" not in before
    assert changes[0].what == "rights or definition of public.subscriptions"
    assert (0 <= changes[0].ago_s < 600, "public.subscriptions" in says) == (True, True)


def test_a_server_that_keeps_no_times_says_so(observer_url):
    """Without track_commit_timestamp there is nothing to tell, and the setting is named."""
    with observer(observer_url, "test") as session:
        changes, says = log.read_changes(session)
    assert (changes, "track_commit_timestamp" in says) == ((), True)


def test_a_database_without_an_audit_log(found, two, as_the_owner):
    """A service that keeps none is told so, and nothing is missing for that."""
    del two
    as_the_owner("DROP TABLE public.audit_logs")
    diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True)
    assert "there is no audit_logs" in source(diagnosis, cross_tenant_access.AUDIT_LOG).says
