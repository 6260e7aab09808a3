"""The verbs of one row: from which status to which, with what in the audit, and what they refuse."""

import itertools
import threading
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from capliquify_ops.configuration.profile import Answer
from capliquify_ops.database import SessionLimits, operator
from capliquify_ops.model.errors import NotVerified, OpsError, TargetUnreachable, TenantConflict, TenantNotFound, UsageError
from capliquify_ops.model.protocols import ProbeAnswer
from capliquify_ops.tenants import expire_trials as expiring
from capliquify_ops.tenants.activate import activate, plan_activate
from capliquify_ops.tenants.audit import audit_of, plan_digest
from capliquify_ops.tenants.cancel import cancel
from capliquify_ops.tenants.change_tier import change_tier, plan_change_tier
from capliquify_ops.tenants.delete import delete, plan_delete
from capliquify_ops.tenants.expire_trials import expire_trials, plan_expire_trials
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.past_due import past_due
from capliquify_ops.tenants.registry import find, list_tenants
from capliquify_ops.tenants.resume import resume
from capliquify_ops.tenants.status import change, set_status
from capliquify_ops.tenants.suspend import Verification, await_refusal, suspend
from capliquify_ops.tenants.transitions import TRANSITIONS

WHO = {"actor": "tester"}
VERBS = {
    "activate": lambda session, roles: activate(session, roles, "acme", **WHO),
    "past-due": lambda session, roles: past_due(session, roles, "acme", **WHO),
    "change-tier": lambda session, roles: change_tier(session, roles, "acme", "enterprise", **WHO),
    "suspend": lambda session, roles: suspend(session, roles, "acme", reason="unpaid", **WHO),
    "resume": lambda session, roles: resume(session, roles, "acme", status="active", **WHO),
    "cancel": lambda session, roles: cancel(session, roles, "acme", **WHO),
    "delete": lambda session, roles: delete(session, roles, "acme", confirm="acme", **WHO),
}
LEADS_TO = {"activate": "active", "past-due": "past_due", "suspend": "suspended", "resume": "active", "cancel": "cancelled"}
STATUSES = ("trial", "active", "past_due", "suspended", "cancelled")


def _set(session, roles, change):
    with session.transaction(), as_owner(session, roles):
        session.execute(f"UPDATE public.tenants SET {change}")


def test_every_verb_from_every_status(session, roles, make, everything):
    """A verb goes where the table says and writes both states; from any other status it names what applies and changes nothing."""
    tenant = make(products=0)
    for verb, status in itertools.product(VERBS, STATUSES):
        _set(session, roles, f"subscription_status = '{status}', subscription_tier = 'starter', deleted_at = NULL")
        if status in TRANSITIONS[verb].starts:
            done = VERBS[verb](session, roles)
            expected = {"change-tier": status, "delete": "cancelled"}.get(verb) or LEADS_TO[verb]
            assert (done.before.subscription_status, done.after.subscription_status) == (status, expected)
            with session.transaction():
                row = audit_of(session, tenant.id)[-1]
            states = (row.before["subscription_status"], row.after["subscription_status"])
            assert (row.verb, row.actor, states) == (f"tenant {verb}", "tester", (status, expected))
        else:
            before = everything()
            with pytest.raises(TenantConflict, match=r"'acme' is .*What applies: tenant"):
                VERBS[verb](session, roles)
            assert everything() == before


def test_a_deleted_tenant_says_so(session, roles, make, everything):
    """No verb touches a deleted tenant; the sentence says since when, and what comes next."""
    make(products=0)
    delete(session, roles, "acme", confirm="acme", **WHO)
    before = everything()
    for verb in VERBS.values():
        with pytest.raises(TenantConflict, match=r"was deleted at .* already.*tenant purge acme"):
            verb(session, roles)
    assert everything() == before


def test_resuming_returns_to_what_the_suspension_recorded(session, roles, make):
    """Whatever happened to the tier meanwhile, a resumed tenant has the status it was suspended from."""
    make(products=0)
    for status in ("trial", "active", "past_due"):
        _set(session, roles, f"subscription_status = '{status}', subscription_tier = 'starter'")
        assert suspend(session, roles, "acme", reason="unpaid", **WHO).noted == {"reason": "unpaid", "recorded_status": status}
        change_tier(session, roles, "acme", "professional", **WHO)
        assert resume(session, roles, "acme", **WHO).after.subscription_status == status


def test_a_suspension_that_nobody_recorded_needs_a_status(session, roles, make):
    """Suspended by hand, after an earlier suspension that was recorded: resume asks for the status instead of guessing."""
    make(products=0)
    suspend(session, roles, "acme", reason="x", **WHO)
    resume(session, roles, "acme", **WHO)
    _set(session, roles, "subscription_status = 'suspended'")
    with pytest.raises(TenantConflict, match=r"nobody knows.*--status active"):
        resume(session, roles, "acme", **WHO)
    with pytest.raises(UsageError, match="cancelled"):
        resume(session, roles, "acme", status="cancelled", **WHO)
    assert resume(session, roles, "acme", status="past_due", **WHO).after.subscription_status == "past_due"


def test_a_trial_that_is_over_is_not_resumed_as_one(session, roles, make):
    """The service would go on refusing it, so the operator has to say what it is now."""
    make(products=0)
    _set(session, roles, "trial_ends_at = now() - interval '1 hour'")
    expire_trials(session, roles, **WHO)
    with pytest.raises(TenantConflict, match="trial of 'acme' is over"):
        resume(session, roles, "acme", **WHO)
    assert resume(session, roles, "acme", status="active", **WHO).after.subscription_status == "active"


def test_cancelling_keeps_the_data_for_thirty_days(session, roles, make):
    """The subscription ends now; until when the data is kept stands in the result and in the audit; activating takes it back."""
    tenant = make(products=0)
    done = cancel(session, roles, "acme", **WHO)
    ends = "SELECT subscription_ends_at FROM public.tenants"
    with session.transaction():
        ended = session.value(ends)
        assert audit_of(session, tenant.id)[-1].after["retained_until"] == done.noted["retained_until"]
    assert abs(datetime.fromisoformat(done.noted["retained_until"]) - ended - timedelta(days=30)) < timedelta(seconds=2)
    assert any("promised until" in warning for warning in plan_delete(session, "acme").warnings)
    activate(session, roles, "acme", **WHO)
    with session.transaction():
        assert session.value(ends) is None


def test_a_tier_brings_its_limits_and_features(session, roles, make):
    """Limits and features are those of tier_defaults; the same tier again is refused, too many users are a warning."""
    tenant = make(tier="enterprise", products=0)
    with session.transaction(), as_owner(session, roles):
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})
        session.execute(
            "INSERT INTO public.users (clerk_user_id, email, tenant_id) SELECT i::text, i::text, %(id)s FROM generate_series(1, 7) i",
            {"id": tenant.id},
        )
    assert plan_change_tier(session, "acme", "starter").warnings == ("The tenant has 8 users; starter allows 5.",)
    after = change_tier(session, roles, "acme", "starter", **WHO).after
    assert (after.max_users, after.max_entities) == (5, 500)
    with session.transaction():
        assert session.value("SELECT features FROM public.tenants") == {"basic_forecasting": True}
    with pytest.raises(TenantConflict, match="starter already"):
        change_tier(session, roles, "acme", "starter", **WHO)
    with pytest.raises(UsageError, match="gold"):
        change_tier(session, roles, "acme", "gold", **WHO)


def test_expiring_trials(session, roles, make, monkeypatch, operator_url):
    """Every expired trial and no other is suspended, in batches, with an audit row each; one that is held waits its turn."""
    expired = sorted((make(f"old{number}", products=0) for number in range(5)), key=lambda tenant: str(tenant.id))
    make("active", status="active", products=0)
    make("gone", products=0)
    delete(session, roles, "gone", confirm="gone", **WHO)
    _set(session, roles, "trial_ends_at = now() - interval '1 second'")
    fresh = make("fresh", products=0)
    monkeypatch.setattr(expiring, "BATCH", 2)
    assert [step.statement.split()[0] for step in plan_expire_trials(session).steps] == ["UPDATE"] * 5 + ["INSERT"]
    with operator(operator_url, "other") as other, other.transaction():
        lock_tenant(other, expired[2].id)
        first = expire_trials(session, roles, **WHO)
    assert first.busy == (expired[2].slug,)
    assert [tenant.id for tenant in first.suspended] == [tenant.id for tenant in expired if tenant != expired[2]]
    second = expire_trials(session, roles, **WHO)
    assert ([tenant.id for tenant in second.suspended], second.busy) == ([expired[2].id], ())
    assert expire_trials(session, roles, **WHO) == expiring.ExpireResult((), ())
    assert plan_expire_trials(session).steps == ()
    with session.transaction():
        assert find(session, "fresh") == fresh
        for tenant in expired:
            last = audit_of(session, tenant.id)[-1]
            assert (last.verb, last.after["reason"], last.before["subscription_status"]) == (
                "tenant expire-trials", "trial_expired", "trial",
            )  # fmt: skip


def test_what_the_plan_shows_is_what_the_audit_remembers(session, roles, make):
    """The digest in the audit is that of the plan shown; its statement is what ran, with every value visible."""
    tenant = make(products=0)
    plan = plan_activate(session, "acme")
    assert "SET subscription_status = 'active'" in plan.steps[0].statement
    assert str(tenant.id) in plan.steps[0].statement
    assert {"status", "schema", "rows of public.users", "tables", "rows_estimated", "bytes_estimated"} <= set(plan.concerns)
    activate(session, roles, "acme", **WHO)
    with session.transaction():
        assert audit_of(session, tenant.id)[-1].plan_digest == plan_digest(plan)


def test_deleting_tells_what_is_needed_from_outside(session, roles, make):
    """Who else is affected stands among the plan's warnings."""
    tenant = make(products=0)
    with session.transaction(), as_owner(session, roles):
        session.execute(f"CREATE VIEW public.peek AS SELECT 1 AS one FROM {tenant.schema_name}.companies")
    assert any("view public.peek" in warning for warning in plan_delete(session, "acme").warnings)


def test_an_update_of_no_row_is_an_error(session, roles, make, everything):
    """Somebody changed the status between looking and changing: the verb says so and nothing is changed or audited."""
    make(products=0)

    def prepare(session, tenant):
        with as_owner(session, roles):
            session.execute("UPDATE public.tenants SET subscription_status = 'past_due'")
        from capliquify_ops.tenants.status import Change

        return Change((set_status(tenant, "active", "set the status active"),))

    before = everything()
    with pytest.raises(TenantConflict, match="0 rows instead of 1"):
        change(session, roles, "activate", "acme", prepare, **WHO)
    assert everything() == before


def test_two_operators_at_once(session, operator_url, roles, make):
    """Of two verbs at the same moment both happen one after the other, or the later one learns what the first one did."""
    tenant = make(products=0)
    for pair in (("suspend", "suspend"), ("suspend", "cancel"), ("change-tier", "change-tier"), ("delete", "delete")):
        _set(session, roles, "subscription_status = 'trial', subscription_tier = 'starter'")
        with session.transaction():
            before = len(audit_of(session, tenant.id))
        outcome = _at_once(operator_url, roles, pair)
        refused = [each for each in outcome if isinstance(each, OpsError)]
        assert len(outcome) == 2
        assert all(isinstance(each, TenantConflict) for each in refused)
        with session.transaction():
            trail = audit_of(session, tenant.id)
            last = list_tenants(session, deleted=None)[0].subscription_status
        assert len(trail) == before + 2 - len(refused)
        assert trail[-1].after["subscription_status"] == last
        assert len(refused) == 1 or pair == ("suspend", "cancel")


def _at_once(operator_url, roles, verbs):
    barrier, outcome = threading.Barrier(len(verbs)), []

    def act(verb):
        with operator(operator_url, "one of two", limits=SessionLimits(lock_ms=20_000)) as own:
            barrier.wait()
            try:
                outcome.append(VERBS[verb](own, roles))
            except OpsError as error:
                outcome.append(error)

    threads = [threading.Thread(target=act, args=(verb,)) for verb in verbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcome


class _Time:
    """A clock that moves when somebody sleeps or asks."""

    def __init__(self):
        self.t = 0.0

    def monotonic(self):
        return self.t

    def sleep(self, seconds):
        self.t += seconds


class _Service:
    """Answers what it is told to, by turns; the last answer for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def ask(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OpsError):
            raise answer
        return ProbeAnswer(*answer)


REFUSES, SERVES = (403, "subscription_suspended"), (200, "")


def _await(tenant, *answers):
    time = _Time()
    how = Verification(_Service(*answers), Answer((403,), ("subscription_suspended",)), 5.0, time, time.sleep)
    return await_refusal(tenant, how)


def test_a_service_is_asked_until_it_refuses():
    """How long it took is told; one process of several that still serves is waited for."""
    tenant = SimpleNamespace(slug="acme")
    assert _await(tenant, REFUSES) == 0
    assert _await(tenant, SERVES, SERVES, REFUSES) == pytest.approx(0.1)
    assert _await(tenant, REFUSES, REFUSES, SERVES, REFUSES) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([SERVES], "suspended in the database, but after 5 s the service still serves it"),
        ([REFUSES, SERVES, REFUSES, SERVES] * 200, "still serves"),
        ([(401, "session_verification_failed")], "answers 401 session_verification_failed, which says nothing"),
        ([TargetUnreachable("It does not answer.")], "is not known: It does not answer"),
    ],
)
def test_a_service_that_does_not_refuse_in_time_is_an_error(answers, says):
    """The row is suspended and the service is not: that is told with exit code 17, whatever the service says instead."""
    with pytest.raises(NotVerified, match=says) as caught:
        _await(SimpleNamespace(slug="acme"), *answers)
    assert caught.value.exit_code == 17


def test_a_suspension_does_not_wait_for_somebodys_ddl(session, roles, make, operator_url):
    """While a migration holds a table of the tenant, the tenant can be suspended all the same."""
    tenant = make()
    with operator(operator_url, "migration") as other, other.transaction(), as_owner(other, roles):
        other.execute(f"LOCK TABLE {tenant.schema_name}.products IN ACCESS EXCLUSIVE MODE")
        assert suspend(session, roles, "acme", reason="breach", **WHO).after.subscription_status == "suspended"


def test_an_unknown_tenant_is_unknown_to_every_verb(session, roles, make):
    """Each verb has the same error for a key that names nobody."""
    for verb in VERBS.values():
        with pytest.raises(TenantNotFound):
            verb(session, roles)
