"""What a script cannot carry, or leaves out, by name."""

from collections.abc import Iterator

from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions.inheritance import OWN_EXPRESSIONS
from capliquify_ops.tenants.definitions.reading import Read

_KINDS = {"f": "foreign table"}


def refuse(found: Read, major: int) -> None:
    """Raise DefinitionsRefused for everything that a script cannot carry, before anything is written."""
    names = list(found.refused)
    names += [f"{_KINDS[row.kind]} {row.name}" for row in found.relations.values() if row.kind in _KINDS]
    names += [f"{'shell' if row.kind == 'p' else 'base'} type {row.name}" for row in found.types if row.kind not in "cder"]
    names += [f"range type {row.name} with a canonical function" for row in found.types if row.has_canonical]
    names += [f"column {one.name} of a pseudo-type" for each in found.columns.values() for one in each if one.is_pseudo]
    names += _conflicting(found) if major < OWN_EXPRESSIONS else []
    if names:
        raise DefinitionsRefused.because(names)


def _conflicting(found: Read) -> Iterator[str]:
    """Yield columns that are generated otherwise than the parent's, where a server takes that only by mistake."""
    for row in found.relations.values():
        own = {column.name: column for column in found.columns.get(row.oid, []) if column.generated}
        for above in (column for oid in row.parent_oids for column in found.columns.get(oid, []) if column.name in own):
            if above.generated and above.default_value != own[above.name].default_value:
                yield f"column {above.name} of {row.name}, generated otherwise than its parent's"


def left_out(found: Read) -> list[str]:
    """Return what is no part of a script, and that nobody would expect in one."""
    names = [f"invalid index {one.name}" for one in found.indexes if not one.is_valid]
    off = (one for one in found.attached if one.class_ == "pg_constraint")
    names += [f"that triggers of the constraint {one.name} are off" for one in off]
    return sorted({*found.left_out, *names})
