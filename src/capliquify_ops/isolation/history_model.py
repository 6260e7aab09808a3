"""A recorded history of concurrent operations, and what can be wrong about it. Pure data; checked by history.py.

Tokens are secrets of a run: no `repr` here shows one.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from capliquify_ops.model.outcome import Grade

SHARED = ""
"""The owner of tokens that everybody may read, and the key of the schema `public`."""


class Result(StrEnum):
    """What is known of an operation's effect: it happened, it did not, or nobody knows (a timeout, an aborted socket)."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one principal. `start` and `end` are of one monotonic clock, in any unit.

    Its effect, if any, was at one moment from `start` to `end`; that of an INFO one at any moment from `start` on, or never.
    `written` and `deleted` are the token of the row made and of the row removed: a change of a row has both.
    `read` holds the tokens in the answer, those in an error or in the echo of a write too; None where no answer came.
    `is_complete`: the answer lists every row of the collection. `expected`: the token of the one row that was asked for.
    `label` says what was asked, as in a report ("GET /items").
    """

    start: float
    end: float
    tenant: str
    principal: str
    process: str
    outcome: Result
    written: str | None = field(default=None, repr=False)
    deleted: str | None = field(default=None, repr=False)
    read: Collection[str] | None = field(default=None, repr=False)
    is_complete: bool = False
    expected: str | None = field(default=None, repr=False)
    collection: str = ""
    label: str = ""


class Kind(StrEnum):
    """What an anomaly is, the worst first."""

    WRONG_SCHEMA = "row in a wrong schema"
    FOREIGN_READ = "foreign read"
    LOST_WRITE = "lost write"
    GARBAGE_READ = "garbage read"
    ABORTED_READ = "aborted read"
    FUTURE_READ = "read from the future"
    RESURRECTED_READ = "resurrected read"

    @property
    def grade(self) -> Grade:
        """How strongly one anomaly of this kind speaks: content of another tenant is a proof, whatever the order."""
        return Grade.PROOF if self in {Kind.WRONG_SCHEMA, Kind.FOREIGN_READ} else Grade.STRONG


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One token that is where it must not be, or is not where it must be.

    `tenants`: whose answer or schema shows it, then whose token it is where that is another one.
    `operations`: the shortest witness, in order of start. `schema`: the tenant whose schema the final scan found or missed
    the token in ("" is `public`), None where an answer shows the anomaly.
    """

    kind: Kind
    tenants: tuple[str, ...]
    token: str = field(repr=False)
    operations: tuple[Operation, ...]
    schema: str | None = None

    @property
    def grade(self) -> Grade:
        """How strongly this speaks."""
        return self.kind.grade
