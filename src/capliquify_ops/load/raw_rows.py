"""Raw evidence that is one dataclass: written as JSON, and read back into figures by whoever does not trust them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.finding import Scalar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def raw_rows(kind: str, rows: "DataclassInstance") -> bytes:
    """Return rows as JSON: the same rows give the same bytes."""
    return json.dumps({"kind": kind, **asdict(rows)}, sort_keys=True, separators=(",", ":")).encode()


def recomputed(
    content: bytes, kind: str, what: str, figures: Callable[[Mapping[str, Any]], Mapping[str, Scalar]]
) -> Mapping[str, Scalar]:
    """Return the figures of what `raw_rows` made. Raises EvidenceDamaged for anything else; `what` says what it should be."""
    try:
        return figures(_of_kind(json.loads(content), kind))
    except (ValueError, KeyError, TypeError) as error:
        message = f"The raw data is not a {what}: {type(error).__name__}: {error}."
        raise EvidenceDamaged(message, hint="Run the load check again.") from None


def _of_kind(document: object, kind: str) -> dict[str, Any]:
    if not isinstance(document, dict) or document.pop("kind") != kind:
        raise ValueError(f"its kind is not {kind}")
    return document
