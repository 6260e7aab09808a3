"""Which schemas a statement names: none but pg_catalog, and what is shared only to read it."""

import re
from collections.abc import Iterator
from typing import Any

from capliquify_ops.tenants.migration_nodes import Place, kind, strings, walk

Against = tuple[str, str]
"""A rule, and what it is about."""
SHARED = "public"
_READ = {
    ("SelectStmt", "fromClause"),
    ("JoinExpr", "larg"),
    ("JoinExpr", "rarg"),
    ("UpdateStmt", "fromClause"),
    ("DeleteStmt", "usingClause"),
    ("MergeStmt", "sourceRelation"),
    ("TableLikeClause", "relation"),
    ("RangeTableSample", "relation"),
}
"""Where a table stands that is only read."""
_USED = {
    ("TypeName", "names"),
    ("FuncCall", "funcname"),
    ("A_Expr", "name"),
    ("SubLink", "operName"),
    ("IndexElem", "opclass"),
    ("IndexElem", "collation"),
    ("PartitionElem", "opclass"),
    ("PartitionElem", "collation"),
    ("CollateClause", "collname"),
    ("SortBy", "useOp"),
    ("CreateTrigStmt", "funcname"),
    ("Constraint", "exclusions"),
}
"""Where a list of texts is the name of a type, function or operator that is only used."""
_NO_NAMES = {
    ("A_Indirection", "indirection"),
    ("AccessPriv", "cols"),
    ("Alias", "colnames"),
    ("CTECycleClause", "cycle_col_list"),
    ("CTESearchClause", "search_col_list"),
    ("ColumnRef", "fields"),
    ("CommonTableExpr", "aliascolnames"),
    ("Constraint", "fk_attrs"),
    ("Constraint", "fk_del_set_cols"),
    ("Constraint", "including"),
    ("Constraint", "keys"),
    ("Constraint", "pk_attrs"),
    ("CreateEnumStmt", "vals"),
    ("CreateStatsStmt", "stat_types"),
    ("CreateTrigStmt", "args"),
    ("CreateTrigStmt", "columns"),
    ("IntoClause", "colNames"),
    ("JoinExpr", "usingClause"),
    ("ResTarget", "indirection"),
    ("ViewStmt", "aliases"),
}
"""Where a list of texts is columns, labels or arguments. Everywhere else it is taken for a name."""
_TARGETS = {"CommentStmt", "DropStmt"}
_OF_RELATION = {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"}
_WORD = re.compile(r'(?<![\w$])([\w$]++)"?\s*+(\.?)')
_QUOTED = re.compile(r'(?="((?:[^"]|""){1,126})"\s*(\.?))')
"""From each quotation mark on: in the text of a function one may stand in a string and be no beginning."""
_PATH = re.compile(r"search_path([^;]{0,500})", re.IGNORECASE)
_IN_PATH = {"pg_catalog", "pg_temp", SHARED}


def name_rules(tree: Any, tenant_schemas: frozenset[str]) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """Yield what is wrong with the names in a statement."""
    has_lock, reads = False, list[str]()
    for place in walk(tree):
        has_lock = has_lock or kind(place.value) == "LockingClause"
        if kind(place.value) == "RangeVar":
            yield from _relation(place, reads)
        elif name := _name(place):
            is_target = place.at not in _USED and kind(place.value) != "ColumnRef"
            yield from _judged(name, is_changed=is_target)
        elif kind(place.value) == "TypeName" and kind(place.holder) in _TARGETS:
            yield from _judged(strings(place.value.names), is_changed=True)
        elif kind(place.value) == "VariableSetStmt" and kind(place.holder) == "DefElem":
            yield from _function_setting(place.value)
        elif kind(place.value) == "String" and (
            kind(place.holder) in {"A_Const", "DefElem"} or place.at == ("CreateTrigStmt", "args")
        ):
            yield from (("other-schema", found) for found in named_in(place.value.sval or "", tenant_schemas))
    if has_lock and reads:
        yield "shared-table", reads[0]


def named_in(text: str, tenant_schemas: frozenset[str]) -> list[str]:
    """Return which schemas of tenants a text qualifies a name with, or puts into a search_path: function bodies, strings."""
    if not tenant_schemas:
        return []
    found = {name for name, dot in _names(text) if dot}
    for path in _PATH.finditer(text):
        found |= {name for name, _ in _names(path[1])}
    return sorted(found & tenant_schemas)


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Yield what may be a name in a text, and the dot after it, if there is one."""
    for match in _WORD.finditer(text):
        yield match[1], match[2]
        yield match[1].lower(), match[2]
    for match in _QUOTED.finditer(text):
        yield match[1].replace('""', '"'), match[2]


def _relation(place: Place, reads: list[str]) -> Iterator[Against]:
    relation = place.value
    schema, name = relation.schemaname or "", relation.relname or ""
    if relation.catalogname:
        schema = f"{relation.catalogname}.{schema}"
    if schema == SHARED and place.at == ("Constraint", "pktable"):
        yield "foreign-key-to-public", f"{schema}.{name}"
    elif schema:
        if schema == SHARED and place.at in _READ:
            reads.append(f"{schema}.{name}")
        yield from _judged((schema, name), is_changed=place.at not in _READ)


def _judged(name: tuple[str, ...], *, is_changed: bool) -> Iterator[Against]:
    schema, shown = ".".join(name[:-1]), ".".join(name)
    if len(name) > 1 and is_changed and schema == SHARED:
        yield "shared-table", shown
    elif len(name) > 1 and schema not in ({"pg_catalog", SHARED} if not is_changed else ()):
        yield "other-schema", shown


def _name(place: Place) -> tuple[str, ...]:
    """Return the name that a list of texts is, its schema first if it has one; () for what is no name."""
    if kind(place.value) == "ColumnRef":
        fields = tuple(getattr(field, "sval", None) or "*" for field in place.value.fields)
        return (".".join(fields[:-2]), ".".join(fields[-2:])) if len(fields) > 2 else ()  # noqa: PLR2004 -- table and column
    found = strings(place.value)
    if len(found) < 2 or place.at in _NO_NAMES:  # noqa: PLR2004 -- schema and name
        return ()
    return found[:-1] if _ends_with_a_part(place) else found


def _ends_with_a_part(place: Place) -> bool:
    """Whether the last text is a column or the like: the name is that of its relation."""
    match place.at:
        case ("TypeName", "names"):
            return bool(place.holder.pct_type)
        case ("DefElem", "arg"):
            return place.holder.defname in {"owned_by", "as"}
        case ("CommentStmt", "object"):
            return place.holder.objtype.name in _OF_RELATION
        case ("DropStmt", "objects"):
            return place.holder.removeType.name in _OF_RELATION
        case _:
            return False


def _function_setting(setting: Any) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """A function's own settings: its search_path may be what the migration runs with (FROM CURRENT), or nobody's."""
    if (setting.name or "").lower() in {"role", "session_authorization", "app.tenant_id"}:
        yield "session-setting", setting.name
    elif setting.name == "search_path" and setting.kind.name != "VAR_SET_CURRENT":
        named = [getattr(getattr(each, "val", None), "sval", "") for each in setting.args or ()]
        yield from (("other-schema", f"search_path {name}") for name in named if name not in _IN_PATH)
