"""A fixed sample of the interruption matrix; `make proof-lifecycle` runs the whole."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

SAMPLE = 40


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
    cases = matrix.cases()
    assert len(cases) > 400
    assert {case.scenario for case in cases} >= {"create", "purge --now", "purge --undo", "suspend"}
    ended = [matrix.run(case) for case in random.Random(3).sample(cases, SAMPLE)]
    assert [each for each in ended if each.wrong] == []
    assert {each.settled for each in ended} == {"finished", "had happened", "undone"}
