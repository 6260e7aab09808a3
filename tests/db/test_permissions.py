"""The role of docs/how-to/permissions.md, made by the page's own SQL: every check runs as it, and each missing grant is named."""

import dataclasses
import re
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.integrity.fleet_check import CHECKS, check_fleet
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.preflight.doctor import FORETOLD, examine

PAGE = Path(__file__).parents[2] / "docs/how-to/permissions.md"
PASSWORD = "0bserver-of-the-page"


def grants():
    """The statements of the page, without comments."""
    blocks = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("--")]
    return [line for line in lines if line.startswith("GRANT ")]


@pytest.fixture
def role(database, superuser_url, two):
    """A role with the page's grants: its name, and the URL that it connects with."""
    del two
    name = f"{database.name}_observer"
    with operator(superuser_url, "test") as session:
        session.outside_transaction(
            fill("CREATE ROLE :\"role\" LOGIN PASSWORD :'password'", {"role": name, "password": PASSWORD})
        )
        try:
            for grant in grants():
                session.outside_transaction(_for(grant, name, database.name))
            parts = urlsplit(database.observer_url.reveal())
            host = parts.netloc.rpartition("@")[2]
            yield name, Secret(urlunsplit(parts._replace(netloc=f"{name}:{quote(PASSWORD)}@{host}", query="")))
        finally:
            session.outside_transaction(fill('DROP OWNED BY :"role"', {"role": name}))
            session.outside_transaction(fill('DROP ROLE :"role"', {"role": name}))


def _for(statement, role, database):
    named = statement.rstrip(";").replace("fleet_observer", quoted(role)).replace("DATABASE app", f"DATABASE {quoted(database)}")
    return composed(named)


def _outcomes(url, roles, profile):
    with observer(url, "test") as session:
        found = check_fleet(session, load_limits(), SystemClock(), profile=profile, roles=roles)
    return {each.check: each for each in found if each.outcome not in {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}} | {
        "all": {each.check for each in found}
    }


def test_every_check_runs_as_the_role_of_the_page(role, roles, profile):
    """With the page's grants and no others nothing is failing and nothing unknown."""
    assert _outcomes(role[1], roles, profile) == {"all": set(CHECKS)}


@pytest.mark.parametrize(
    ("taken", "unknown", "says"),
    [
        ("SELECT ON public.tenants", set(CHECKS) - {"capacity", "session_pooling"}, "GRANT SELECT ON"),
        ("pg_monitor", {"capacity"}, "GRANT pg_monitor TO"),
    ],
)
def test_a_missing_grant_is_named_and_nothing_passes_for_it(role, roles, profile, superuser_url, taken, unknown, says):
    """Without a grant the checks that need it are inconclusive and say which it is."""
    with operator(superuser_url, "test") as session:
        session.outside_transaction(composed(f"REVOKE {taken} FROM {quoted(role[0])}"))
    found = _outcomes(role[1], roles, profile)
    del found["all"]
    assert set(found) >= unknown
    assert {each.outcome for each in found.values()} == {Outcome.INCONCLUSIVE}
    assert all(says in found[check].why for check in unknown)


def test_the_doctor_foretells_it(role, roles, profile, superuser_url):
    """What a check would say for want of a grant the doctor says before, with the grant; with it there is nothing to say."""

    def foretold():
        target = Target("here", TargetClass.LOOPBACK, profile, role[1], roles=roles)
        answers = {each.subject: each for each in examine(target, load_limits(), SystemClock())}
        return {name: answers[f"check {name}"] for name in FORETOLD}

    assert {name for name, answer in foretold().items() if not answer.good} == set()
    with operator(superuser_url, "test") as session:
        session.outside_transaction(composed(f"REVOKE pg_monitor FROM {quoted(role[0])}"))
    found = foretold()
    assert {name for name, answer in found.items() if not answer.good} == {"capacity"}
    assert "GRANT pg_monitor TO" in found["capacity"].advice


def test_the_doctor_foretells_what_an_audit_lacks(database, roles, profile, superuser_url, two):
    """What steps of a security audit the operator's rights leave out is said with the grant; with these grants all is well."""
    del two

    def foretold(**changes):
        target = Target("here", TargetClass.LOOPBACK, profile, database.observer_url, database.operator_url, roles=roles)
        target = dataclasses.replace(target, base_url="http://127.0.0.1:1", **changes)
        answers = examine(target, load_limits(), SystemClock())
        return {answer.subject: answer for answer in answers if answer.subject.startswith("audit of ")}

    with operator(superuser_url, "test") as session:
        for right in (roles.app, "pg_signal_backend", "pg_read_all_stats"):
            session.outside_transaction(composed(f"REVOKE {quoted(right)} FROM {quoted(roles.operator)}"))
        before = foretold()
        assert len(before) == 3
        assert not any(answer.good for answer in before.values())
        try:
            for answer in before.values():
                assert answer.advice.startswith("GRANT ")
                session.outside_transaction(composed(answer.advice.rstrip(";")))
            assert [answer.good for answer in foretold().values()] == [True] * 3
            assert [answer.advice for answer in foretold().values()] == [""] * 3
        finally:
            for right in (roles.app, "pg_signal_backend", "pg_read_all_stats"):
                session.outside_transaction(composed(f"REVOKE {quoted(right)} FROM {quoted(roles.operator)}"))
    assert foretold(kind=TargetClass.PRODUCTION) == {}
    assert foretold(operator_url=None) == {}
