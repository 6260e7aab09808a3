"""What the tests of checks share: two tenants, and a fault that is made, looked at and undone."""

import uuid

import pytest

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

LIMITS = load_limits()


@pytest.fixture(scope="session")
def profile(tmp_path_factory):
    return load_profile("capliquify", tmp_path_factory.mktemp("profile"))


@pytest.fixture
def two(operator_url, roles):
    """The schemas of two tenants; the second one's name needs quotes."""
    with operator(operator_url, "test") as session:
        made = [
            create(session, roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name), actor="test")
            for slug, name in (("a", ""), ("b", 'T"wo 😀'))
        ]
    return {"a": made[0].schema_name, "b": made[1].schema_name}


@pytest.fixture
def named():
    """Puts names for `:"name"` into a statement, also inside literals, where `fill` leaves them alone."""

    def put(statement, names):
        for name, value in names.items():
            statement = statement.replace(f':"{name}"', quoted(value))
        return composed(statement)

    return put


@pytest.fixture
def as_the_owner(operator_url, roles, named):
    """Runs statements as the owner of all tenants, for good."""

    def run(statement, **names):
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.script(named(statement, names))

    return run


@pytest.fixture
def checked(observer_url, roles, profile):
    """Runs a check as the observer: its findings by subject."""

    def check(module, **given):
        with observer(observer_url, "test") as session:
            found = module.run(session, LIMITS, SystemClock(), profile=profile, roles=roles, **given)
        return {finding.subject.name: finding for finding in found}

    return check


class _Undo(Exception):
    pass


@pytest.fixture
def provoked(superuser_url, roles, profile, two, named):
    """Runs a statement, gives a check's findings before it, with it, and after it was undone. `by` is the owner or a superuser."""
    with operator(superuser_url, "test") as session:

        def check(module):
            found = module.run(session, LIMITS, SystemClock(), profile=profile, roles=roles)
            return {finding.subject.name: finding for finding in found}

        def run_and_undo(module, statement, by="owner", **names):
            with session.transaction():
                before = check(module)
                try:
                    with session.transaction():
                        _script(session, roles if by == "owner" else None, named(statement, {**two, **names}))
                        found = check(module)
                        raise _Undo
                except _Undo:
                    return before, found, check(module)

        yield run_and_undo


def _script(session, roles, statement):
    if roles is None:
        session.script(statement)
    else:
        with as_owner(session, roles):
            session.script(statement)
