"""Canonical JSON: the same value always gives the same bytes, so that a digest means something.

Sorted keys, no spaces, UTF-8, no NaN. Model values become plain tables through `plain`, and come back through `record_from`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.finding import Evidence, Finding, Level, Limit, Spread, Subject, SubjectKind, Witness
from capliquify_ops.model.names import RemedyId, check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity, State
from capliquify_ops.model.record import RECORD_SCHEMA, Record, TargetRef, Tool

T = TypeVar("T")
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def plain(value: object) -> Plain:
    """Turn a model value into tables, lists and scalars."""
    # Nearly every value is one of these; an enumeration of texts is not.
    if type(value) is str or type(value) is int:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be evidence")


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a model value, with a final line break. Unpaired surrogates are replaced."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace") + b"\n"


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def record_from(content: bytes, where: str) -> Record:
    """Read a record back. Raises EvidenceDamaged for anything that is not one of our version."""
    try:
        table = json.loads(content)
        if table["schema"] != RECORD_SCHEMA:
            raise EvidenceDamaged(f"{where} has the format {str(table['schema'])[:60]!r}, not {RECORD_SCHEMA!r}.")
        return _record(table)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceDamaged(f"{where} is not a whole record ({type(error).__name__}).") from None


def _record(table: dict[str, Any]) -> Record:
    row = dict(table)
    row["check"] = check_id(str(row["check"]))
    row["state"] = State(row["state"])
    row["target"] = TargetRef(**row["target"])
    row["tool"] = Tool(**row["tool"])
    row["raw"] = tuple(row["raw"])
    row["findings"] = tuple(_finding(found) for found in row["findings"])
    return Record(**row)


def _finding(table: dict[str, Any]) -> Finding:
    row = dict(table)
    row["check"] = check_id(str(row["check"]))
    row["subject"] = _part(row["subject"], lambda kind, name: Subject(SubjectKind(kind), name))
    row["outcome"], row["severity"] = Outcome(row["outcome"]), Severity(row["severity"])
    row["evidence"] = _part(row["evidence"], Evidence)
    row["limit"] = _part(row["limit"], Limit)
    row["tenants"] = _part(row["tenants"], lambda count, sample, digest: Spread(count, tuple(sample), digest))
    row["witness"] = _part(row["witness"], lambda lines, look: Witness(tuple(lines), look))
    row["grade"] = None if row["grade"] is None else Grade(row["grade"])
    row["escalation"] = None if row["escalation"] is None else Level(row["escalation"])
    row["remedy"] = None if row["remedy"] is None else RemedyId(str(row["remedy"]))
    return Finding(**row)


def _part(table: dict[str, Any] | None, make: Callable[..., T]) -> T | None:
    return None if table is None else make(**table)
