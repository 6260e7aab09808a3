"""Does everything do its work that seems to be there? Indexes and constraints half made, triggers switched off, indexes twice."""

from types import MappingProxyType

from capliquify_ops.integrity.faults import Question, Rule
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Severity

CHECK = check_id("unfinished_objects")
RULES = MappingProxyType(
    {
        "invalid index": Rule(
            Severity.HIGH,
            "The index {object} is invalid in {where}, left by a build that failed: {detail}. Drop it and build it again.",
        ),
        "unvalidated constraint": Rule(
            Severity.MEDIUM,
            "The constraint {object} of {where} was never validated, so older rows may break it: VALIDATE CONSTRAINT.",
        ),
        "unenforced constraint": Rule(
            Severity.MEDIUM, "The constraint {object} of {where} is NOT ENFORCED: it is a comment, rows may break it at any time."
        ),
        "disabled trigger": Rule(
            Severity.HIGH, "The trigger {object} of {where} is switched off, and what it guards is not guarded: ENABLE TRIGGER."
        ),
        "duplicate index": Rule(
            Severity.LOW,
            "The index {object} of {where} is the same as {detail}: each write pays for both, no query needs it.",
        ),
    }
)
_QUESTION = Question(
    CHECK,
    ("unfinished_objects",),
    RULES,
    "In the schemas of all {tenants} tenants every index, constraint and trigger does its work, and none is there twice.",
)
measure = _QUESTION.measure
judge = _QUESTION.judge
run = _QUESTION.run
