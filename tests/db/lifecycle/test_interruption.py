"""A fixed sample of the interruption matrix; `make proof-lifecycle` runs the whole."""

import importlib.util
import random
import sys
import uuid
from pathlib import Path

import pytest

from capliquify_ops.database import fill
from capliquify_ops.tenants.ownership import as_owner

SAMPLE = 4
ALWAYS = ("create", "purge --now", "purge --undo", "suspend")
"""Of the other scenarios a sample: to count the points of one it has to be run."""


def _matrix():
    spec = importlib.util.spec_from_file_location("matrix", Path(__file__).with_name("matrix.py"))
    module = sys.modules["matrix"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def matrix(database, tmp_path):
    urls = (database.operator_url.reveal(), database.superuser_url.reveal())
    with _matrix().Matrix(*urls, database.roles, tmp_path) as running:
        yield running


def test_a_sample_of_the_matrix(matrix):
    """Whatever ends a verb after whichever of its statements, nothing is lost or half done, and the next call finishes or goes back."""
    from scenarios import SCENARIOS

    dice = random.Random(3)
    others = sorted(set(SCENARIOS) - set(ALWAYS))
    cases = matrix.cases((*ALWAYS, *dice.sample(others, len(others) // 4)))
    assert len(cases) > 150
    last = list({case.scenario: case for case in cases}.values())
    ended = [matrix.run(case) for case in (*dice.sample(cases, SAMPLE), *dice.sample(last, SAMPLE // 2))]
    # Between the quarantine and the drop the matrix goes back instead of on, every third time.
    between = [case for case in cases if case.scenario.startswith("purge") and case.at % 3 == 0]
    for case in dice.sample(between, len(between)):
        if "undone" in {each.settled for each in ended}:
            break
        ended.append(matrix.run(case))
    assert [each for each in ended if each.wrong] == []
    assert {each.settled for each in ended} == {"finished", "had happened", "undone"}


PLANTED = {
    "a registered tenant has no schema": 'DROP SCHEMA :"s" CASCADE',
    "a schema of a tenant has no row": "DELETE FROM public.tenants",
    "a quarantined schema is not written down": 'ALTER SCHEMA :"s" RENAME TO quarantine_x',
    "a quarantine without a schema": (
        "INSERT INTO capliquify_ops.quarantine (schema_name, original_name, tenant_id, reason)"
        " SELECT 'quarantine_x', 'x', id, 'restore' FROM public.tenants"
    ),
    "the audit does not know the status": "UPDATE public.tenants SET subscription_status = 'active'",
    "rows are lost": 'DELETE FROM :"s".products',
    "a tenant is gone and nobody buried it": 'DELETE FROM public.tenants; DROP SCHEMA :"s" CASCADE',
}


def test_what_is_looked_for_is_found_when_it_is_planted(matrix, session, roles, tmp_path):
    """Each kind of half tenant that the matrix looks for is reported when somebody makes one by hand, and no other is before."""
    from scenarios import SCENARIOS, Stage, clear, content, wrong

    for what, statement in PLANTED.items():
        number = uuid.uuid4()
        stage = Stage(session, roles, f"t-{number.hex[:12]}", number, tmp_path)
        SCENARIOS["suspend"].prepare(stage)
        before = content(stage)
        assert wrong(stage, before) == []
        with session.transaction(), as_owner(session, roles):
            session.script(fill(statement, {"s": f"tenant_{number.hex}"}))
        assert any(found.startswith(what) for found in wrong(stage, before)), what
        clear(stage)
