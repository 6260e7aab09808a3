"""Every kind of fault of the proof at once, each in a tenant of its own; `make proof-integrity` plants them at random, and more."""

import importlib.util
import sys
from pathlib import Path

import pytest

from capliquify_ops.reference import stack as embedded

PROOF = Path(__file__).parents[1] / "proof"


@pytest.fixture
def proof(monkeypatch):
    """The proof's module, which stands beside the tests and not among them."""
    monkeypatch.syspath_prepend(str(PROOF))
    spec = importlib.util.spec_from_file_location("fleet_integrity", PROOF / "fleet_integrity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("planted")


def test_each_fault_is_found_and_none_invented(proof):
    """A fleet with one fault of each kind: every check names what is its own, in the right tenants, and nothing else."""
    count = len([fault for fault in proof.FAULTS if fault.since <= proof.FIRST[0]])
    with embedded.start(service=False) as running:
        view = proof.Server(running, proof.FIRST[0])
        assert proof.one(view, "crowded", 0, 2 * count, lambda schemas: proof.crowded(schemas, view.major, count)) == ""
