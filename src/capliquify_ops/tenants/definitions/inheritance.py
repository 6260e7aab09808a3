"""Children of tables whose columns stand where INHERITS would not put them.

A parent that gets a column after its children have some of their own is enough: in the child it stands at the end, and a
child that is made anew would have it further up. Values of the table's row type would then be read in another order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from capliquify_ops.database import quoted
from capliquify_ops.tenants.definitions.rows import Column, Relation
from capliquify_ops.tenants.definitions.table import Table, column_declared, is_late, not_null_text, storage_text

HELPER = "capliquify_ops columns"
OWN_EXPRESSIONS = 16
"""The first server that takes a generation expression for a column that is inherited too."""


def is_stepwise(row: Relation, columns: Sequence[Column], parents: Mapping[int, Iterable[Column]], major: int) -> bool:
    """Say whether a child cannot be declared at once."""
    if not row.parents or row.bound is not None:
        return False
    inherited = list(dict.fromkeys(column.name for oid in row.parent_oids for column in parents[oid]))
    known = set(inherited)
    order = inherited + [column.name for column in columns if column.name not in known]
    is_repeated = any(column.generated and column.is_local and column.name in known for column in columns)
    return order != [column.name for column in columns] or (is_repeated and major < OWN_EXPRESSIONS)


def stepwise(table: Table) -> Iterator[str]:
    """Yield a child column by column: those that it only inherits come through a helping parent, which goes at the end."""
    helper = quoted(table.schema, HELPER)
    # What generates a column may stand behind it: only CREATE TABLE takes them together.
    whole = [column_declared(table, column) for column in table.columns] if _is_whole(table) else []
    unlogged = "UNLOGGED " if table.row.persistence == "u" else ""
    yield f"CREATE TABLE {helper} ()"
    yield f"CREATE {unlogged}TABLE {table.name} ({', '.join(whole)}) INHERITS ({helper}){storage_text(table.row)}"
    yield table.owner
    # Only an owner of both may make one a child of the other.
    yield f"ALTER TABLE {helper} OWNER TO {quoted(table.row.owner)}"
    merged = [one for one in table.constraints if one.kind == "c" and not one.is_local and not is_late(one)]
    for column in [] if whole else table.columns:
        yield from _column(table, column, helper, is_shared=bool(merged))
    yield from (table.add(one) for one in table.checks(late=False))
    yield from (f"ALTER TABLE {helper} ADD CONSTRAINT {quoted(one.name)} {one.definition}" for one in merged)
    if table.may_loosen:
        # INHERIT asks for the parents' NOT NULL, whichever those are; what the child does without is dropped behind it.
        for column in table.columns:
            if not column.not_null:
                yield f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)} SET NOT NULL"
    yield from (f"ALTER TABLE {table.name} INHERIT {parent}" for parent in table.row.parents)
    yield f"ALTER TABLE {table.name} NO INHERIT {helper}"
    yield f"DROP TABLE {helper}"


def _is_whole(table: Table) -> bool:
    is_own = all(one.is_local for one in table.constraints if one.kind == "n" or (one.kind == "c" and not is_late(one)))
    return is_own and all(column.is_local for column in table.columns)


def _column(table: Table, column: Column, helper: str, *, is_shared: bool) -> Iterator[str]:
    """Yield what adds one column; `is_shared` says that the helper needs all of them, for its constraints."""
    named, whole = table.not_null(column), column_declared(table, column)
    bare = whole.removesuffix(not_null_text(table, column))
    has_inherited_not_null = named is not None and not named.is_local
    if column.is_local:
        # Its own column may have an inherited NOT NULL, and an inherited one its own.
        yield f"ALTER TABLE {table.name} ADD COLUMN {bare if has_inherited_not_null else whole}"
        if has_inherited_not_null or is_shared:
            yield f"ALTER TABLE {helper} ADD COLUMN {whole if has_inherited_not_null else bare}"
    elif named is None or not named.is_local:
        yield f"ALTER TABLE {helper} ADD COLUMN {whole}"
    else:
        yield f"ALTER TABLE {helper} ADD COLUMN {bare}"
        if not is_late(named):
            yield table.add(named)
