"""A structure kept in a file: what every tenant must equal, whatever database is looked at and whatever most of it looks like."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from capliquify_ops.database import Session
from capliquify_ops.model.errors import UsageError
from capliquify_ops.tenants.fingerprint import definitions
from capliquify_ops.tenants.structure import Definition

FORMAT = 1
_HOW = "Write one with: capliquify-ops fleet structure SCHEMA > FILE"


@dataclass(frozen=True, slots=True)
class Template:
    """A structure: `name` is what findings call it. Servers of another major version deparse the same thing otherwise."""

    name: str
    server_major: int
    definitions: tuple[Definition, ...]

    def require_server(self, major: int) -> None:
        """Refuse a server whose definitions read differently. Raises UsageError."""
        if major != self.server_major:
            raise UsageError(
                f"{self.name} was written on PostgreSQL {self.server_major}, and the server is {major}: they word definitions"
                " differently.",
                hint=_HOW,
            )


def template_of(session: Session, schema: str) -> Mapping[str, object]:
    """Return a schema's structure as the document that `read_template` takes, within the open transaction.

    Holds no row and no name of the schema. Raises TenantConflict when it does not exist.
    """
    rows = sorted(astuple(one) for one in definitions(session, schema))
    return {"format": FORMAT, "server_major": session.server_major, "definitions": rows}


def read_template(path: Path) -> Template:
    """Read such a document. Raises UsageError when it is none."""
    try:
        return _parsed(path.name, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint=_HOW) from None
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is no structure that this version wrote.", hint=_HOW) from None


def _parsed(name: str, document: dict[str, Any]) -> Template:
    if document["format"] != FORMAT:
        raise ValueError(document["format"])
    rows = tuple(Definition(*map(_text, row)) for row in document["definitions"])
    return Template(name, int(document["server_major"]), rows)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
