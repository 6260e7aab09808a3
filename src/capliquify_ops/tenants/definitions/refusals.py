"""What a script cannot carry, or leaves out, by name."""

from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions.reading import Read

_KINDS = {"f": "foreign table"}


def refuse(found: Read) -> None:
    """Raise DefinitionsRefused for everything that a script cannot carry, before anything is written."""
    names = list(found.refused)
    names += [f"{_KINDS[row.kind]} {row.name}" for row in found.relations.values() if row.kind in _KINDS]
    names += [f"{'shell' if row.kind == 'p' else 'base'} type {row.name}" for row in found.types if row.kind not in "cder"]
    names += [f"range type {row.name} with a canonical function" for row in found.types if row.has_canonical]
    names += [f"column {one.name} of a pseudo-type" for each in found.columns.values() for one in each if one.is_pseudo]
    if names:
        raise DefinitionsRefused.because(names)


def left_out(found: Read) -> list[str]:
    """Return what is no part of a script, and that nobody would expect in one."""
    names = [f"invalid index {one.name}" for one in found.indexes if not one.is_valid]
    off = (one for one in found.attached if one.class_ == "pg_constraint")
    names += [f"that triggers of the constraint {one.name} are off" for one in off]
    return sorted({*found.left_out, *names})
