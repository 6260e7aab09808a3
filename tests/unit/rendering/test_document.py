"""signoff.json: the shape that programs rely on."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.signoff.report.document import document, document_bytes

HOSTILE = st.text(st.characters(), min_size=1, max_size=40)


def test_shape(build):
    """The document has exactly the agreed keys, verdict words and states."""
    found = document(build.every_state())
    assert set(found) == {"schema", "verdict", "reasons", "target", "boxes", "approvals", "decided_at", "tool_version"}
    assert (found["schema"], found["verdict"], found["approvals"]) == ("capliquify_ops.signoff/1", "not_ready", [])
    assert set(found["reasons"][0]) == {"code", "box", "text"}
    assert [reason["code"] for reason in found["reasons"]] == [11, 10, 20, 17, 13]
    assert set(found["target"]) == {"name", "class", "fingerprint"}
    assert [box["id"] for box in found["boxes"]] == [
        "integration",
        "load",
        "security",
        "monitoring",
        "alerts",
        "runbook",
        "approvals",
    ]
    assert set(found["boxes"][0]) == {"id", "title", "state", "reasons", "records"}
    assert set(found["boxes"][0]["records"][0]) == {
        "id",
        "check",
        "title",
        "state",
        "findings",
        "started_at",
        "finished_at",
        "reason",
    }


def test_a_record_that_never_finished_is_not_run(build):
    """A started record does not count as the state it claims."""
    security = document(build.every_state())["boxes"][2]
    assert {r["check"]: r["state"] for r in security["records"]}["sec_004_expired_token"] == "not_run"


def test_ready(build):
    """A ready decision says so."""
    assert document(build.ready())["verdict"] == "ready"


def test_bytes_are_canonical(build):
    """Keys are sorted, nothing is padded, one newline ends it, and reading gives the document back."""
    content = document_bytes(build.every_state())
    assert content.endswith(b"}\n")
    assert json.loads(content) == document(build.every_state())
    assert content == (json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=12))
def test_any_text_is_written_as_utf8(build, texts):
    """Any text, lone surrogates too, gives JSON in UTF-8."""
    json.loads(document_bytes(build.every_state(build.hostile_mark(tuple(texts)))).decode())
