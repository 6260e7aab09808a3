"""The runbook's procedures 1 to 4 as commands, on 18 and on 15, and psql alone with one of the archives."""

import json
from pathlib import Path

import pytest
from tests.db.archive.conftest import script

from capliquify_ops.database import fill, operator
from capliquify_ops.tenants.ownership import as_owner


@pytest.fixture(params=[18, 15])
def place(request):
    """A database with the product installed: URLs and roles."""
    made = request.getfixturevalue("database" if request.param == 18 else "database_15")
    return {"observer": made.observer_url, "operator": made.operator_url, "superuser": made.superuser_url, "roles": made.roles}


@pytest.fixture
def run(command_on, place):
    made = command_on(place["observer"], place["operator"], place["roles"])
    return lambda *arguments, code=0: made(*arguments, code=code).out


def test_a_life_by_the_runbook(run, place, tmp_path, psql):
    """Create, fill, suspend, resume, delete, purge with its archive, restore whole; then the archive through psql alone."""
    created = json.loads(run("tenant", "create", "acme", "--organization", "org_a", "--company", "Acme", "--yes", "--json"))[
        "tenant"
    ]
    with operator(place["operator"], "test") as session, session.transaction(), as_owner(session, place["roles"]):
        names = fill(
            "INSERT INTO :\"s\".companies (name) SELECT 'c' || g FROM generate_series(1, 99) AS g", {"s": created["schema_name"]}
        )
        session.execute(names)
    assert (
        json.loads(run("tenant", "suspend", "acme", "--reason", "payment failed", "--yes", "--json"))["tenant"][
            "subscription_status"
        ]
        == "suspended"
    )
    assert json.loads(run("tenant", "resume", "acme", "--yes", "--json"))["tenant"]["subscription_status"] == "trial"
    run("tenant", "delete", "acme", "--yes")
    run("tenant", "purge", "acme", "--yes")
    assert "quarantine_" in run("tenant", "verify", "acme", code=1)
    purged = json.loads(run("tenant", "purge", "acme", "--now", "--yes", "--json"))
    assert purged["purged"]
    [archive] = [Path(each["path"]) for each in purged["archives"]]
    run("tenant", "show", "acme", code=64)
    run("tenant", "restore", str(archive), "--drill")
    run("tenant", "restore", str(archive), "--yes")
    back = json.loads(run("tenant", "show", "acme", "--json"))["tenant"]
    assert {**back, "deleted_at": None, "subscription_status": "trial"} == created
    with operator(place["operator"], "test") as session, session.transaction(), as_owner(session, place["roles"]):
        one = {"s": created["schema_name"]}
        assert session.value(fill('SELECT count(*) FROM :"s".companies', one)) == 100
        session.execute(fill('DROP SCHEMA :"s" CASCADE', one))
        session.execute("DELETE FROM public.tenants")
    done = psql(place["superuser"], script(archive))
    assert done.returncode == 0, done.stderr
    with operator(place["operator"], "test") as session, session.transaction(), as_owner(session, place["roles"]):
        assert session.value(fill('SELECT count(*) FROM :"s".companies', {"s": created["schema_name"]})) == 100
