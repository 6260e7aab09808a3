"""What a statement does to live tables, and which statements have no place in a migration of every tenant."""

from collections.abc import Callable, Iterator
from typing import Any

from capliquify_ops.tenants.migration_columns import Seen, altered
from capliquify_ops.tenants.migration_names import Against
from capliquify_ops.tenants.migration_nodes import kind, walk, words

_HARMLESS = words(
    "AlterEnumStmt AlterFunctionStmt AlterPolicyStmt AlterSeqStmt AlterStatsStmt CommentStmt CompositeTypeStmt ConstraintsSetStmt"
    " CreateDomainStmt CreateEnumStmt CreateFunctionStmt CreatePolicyStmt CreateRangeStmt CreateSeqStmt CreateStatsStmt"
    " CreateTrigStmt DefineStmt DeleteStmt InsertStmt MergeStmt UpdateStmt ViewStmt"
)
_REFUSED = {
    "ClusterStmt": "maintenance",
    "ReindexStmt": "maintenance",
    "RefreshMatViewStmt": "maintenance",
    "CopyStmt": "copy",
    "DoStmt": "do-block",
    "CallStmt": "do-block",
    "DiscardStmt": "session-setting",
    "TransactionStmt": "transaction-nesting",
    "AlterObjectSchemaStmt": "other-schema",
    **dict.fromkeys(
        words(
            "AlterDatabaseRefreshCollStmt AlterDatabaseSetStmt AlterDatabaseStmt AlterDefaultPrivilegesStmt AlterExtensionStmt"
            " AlterOwnerStmt AlterRoleSetStmt AlterRoleStmt AlterSystemStmt CreateEventTrigStmt CreateExtensionStmt"
            " CreateRoleStmt CreateSchemaStmt CreateTableSpaceStmt CreatedbStmt DropOwnedStmt DropRoleStmt DropdbStmt"
            " GrantRoleStmt ReassignOwnedStmt"
        ),
        "database-wide",
    ),
}
_GUARDED = words(
    "search_path role session_authorization lock_timeout statement_timeout idle_in_transaction_session_timeout"
    " transaction_timeout standard_conforming_strings session_replication_role row_security app.tenant_id"
)
"""Settings that the run itself lives by; the last one decides whose rows the shared tables show."""
_LEAVING = words(
    "set_config pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_advisory_unlock"
    " pg_advisory_unlock_shared pg_advisory_unlock_all"
)
"""Functions whose effect may outlive the transaction, and meet the next tenant."""
_DROPPED_WITH_DATA = {"OBJECT_TABLE", "OBJECT_SEQUENCE"}
_OF_SCHEMA = words(
    "OBJECT_AGGREGATE OBJECT_COLLATION OBJECT_COLUMN OBJECT_DOMAIN OBJECT_DOMCONSTRAINT OBJECT_FUNCTION OBJECT_INDEX"
    " OBJECT_MATVIEW OBJECT_OPERATOR OBJECT_POLICY OBJECT_PROCEDURE OBJECT_ROUTINE OBJECT_RULE OBJECT_SEQUENCE"
    " OBJECT_STATISTIC_EXT OBJECT_TABCONSTRAINT OBJECT_TABLE OBJECT_TRIGGER OBJECT_TYPE OBJECT_VIEW"
)
_NAMED_BY_NOBODY = {"OBJECT_INDEX", "OBJECT_POLICY", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_DOMCONSTRAINT"}
_PARTS = {"OBJECT_COLUMN", "OBJECT_ATTRIBUTE"}
_LOCKING = {"AlterPolicyStmt": "table", "CreatePolicyStmt": "table", "CreateTrigStmt": "relation", "RenameStmt": "relation"}
"""What locks a table until the transaction ends, beside ALTER TABLE, and where it names it."""
_OF_TABLE = {"OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TRIGGER"}


def lock_rules(tree: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    """Yield what is wrong with a statement's effect, and take note in `seen` of what the next ones must know."""
    what = kind(tree)
    if what in _REFUSED:
        yield _REFUSED[what], ""
    elif judge := _JUDGES.get(what):
        yield from judge(tree, seen)
    elif what not in _HARMLESS:
        yield "other-statement", what.removesuffix("Stmt")
    locked = getattr(tree, _LOCKING[what]) if what in _LOCKING else None
    if locked and locked.relname not in seen.created:
        seen.altered.add(locked.relname)
    for place in walk(tree):
        yield from _inside(place.value, seen)


def _inside(node: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node or a list
    """Judge what may stand anywhere in a statement."""
    match kind(node):
        case "FuncCall" if (name := node.funcname[-1].sval) in _LEAVING:
            yield "session-setting", name
        case "UpdateStmt" if node.relation.relname == "pg_settings":
            yield "session-setting", "pg_settings"
        case "UpdateStmt" | "DeleteStmt" | "MergeStmt" if seen.altered - seen.created:
            if (name := node.relation.relname) not in seen.created:
                yield "backfill-under-lock", name
        case "CreateStmt" if node.relation.relpersistence == "t" and node.oncommit.name != "ONCOMMIT_DROP":
            yield "temporary-table", node.relation.relname
        case "IntoClause" if node.rel.relpersistence == "t" and node.onCommit.name != "ONCOMMIT_DROP":
            yield "temporary-table", node.rel.relname
        case "CreateSeqStmt" if node.sequence.relpersistence == "t":
            yield "temporary-table", node.sequence.relname
        case "ViewStmt" if node.view.relpersistence == "t":
            yield "temporary-table", node.view.relname


def _create(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    parents = [each.relname for each in statement.inhRelations or ()] if statement.partbound else []
    yield from (("rewriting-table", name) for name in parents if name not in seen.created)
    # With IF NOT EXISTS it may have been there, and in use.
    if not statement.if_not_exists:
        _made(statement.relation, seen)


def _made(relation: Any, seen: Seen) -> None:  # noqa: ANN401 -- a node
    (seen.temporary if relation.relpersistence == "t" else seen.created).add(relation.relname)


def _create_as(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    if not statement.if_not_exists:
        _made(statement.into.rel, seen)
    yield from ()


def _select(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    if statement.intoClause:
        _made(statement.intoClause.rel, seen)
    yield from ()


def _index(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    table = statement.relation.relname
    if statement.concurrent:
        yield "ban-concurrent-index-creation-in-transaction", table
    elif table not in seen.created | seen.temporary:
        yield "require-concurrent-index-creation", table
        seen.altered.add(table)


def _drop(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    what = statement.removeType.name
    if statement.concurrent:
        yield "ban-concurrent-index-creation-in-transaction", ""
    if what not in _OF_SCHEMA:
        yield "database-wide", what.removeprefix("OBJECT_").lower()
        return
    if what in _OF_TABLE:
        seen.altered |= {each[-2].sval for each in statement.objects} - seen.created
    if what in _DROPPED_WITH_DATA:
        names = [each[-1].sval for each in statement.objects]
        yield from (("ban-drop-table", name) for name in names if name not in seen.created)
    if statement.behavior.name == "DROP_CASCADE":
        yield "ban-drop-cascade", ""


def _rename(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    what = statement.renameType.name
    relation = statement.relation.relname if statement.relation else ""
    if what in _NAMED_BY_NOBODY or relation in seen.created:
        if what not in _PARTS | _NAMED_BY_NOBODY:
            seen.created.add(statement.newname)
    elif what in _PARTS:
        yield "renaming-column", f"{relation}.{statement.subname}"
    elif what in _OF_SCHEMA:
        yield "renaming-table", relation
    else:
        yield "database-wide", what.removeprefix("OBJECT_").lower()


def _truncate(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    names = [each.relname for each in statement.relations]
    yield from (("ban-truncate", name) for name in names if name not in seen.created)


def _lock(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    names = [each.relname for each in statement.relations]
    yield from (("lock-table", name) for name in names if name not in seen.created)


def _vacuum(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    del seen
    if statement.is_vacuumcmd:  # else ANALYZE
        yield "maintenance", "VACUUM"
    elif not statement.rels:
        yield "database-wide", "ANALYZE without a table"


def _setting(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    del seen
    if not statement.is_local or (statement.name or "").lower() in _GUARDED or statement.kind.name != "VAR_SET_VALUE":
        yield "session-setting", statement.name or "all"


def _grant(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    del seen
    if statement.is_grant and any(each.roletype.name == "ROLESPEC_PUBLIC" for each in statement.grantees):
        yield "grant-to-public", ""
    if statement.targtype.name != "ACL_TARGET_OBJECT":
        yield "other-schema", "all in a schema"
    elif statement.objtype.name not in _OF_SCHEMA:
        yield "database-wide", statement.objtype.name.removeprefix("OBJECT_").lower()


def _comment(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    del seen
    if statement.objtype.name not in _OF_SCHEMA:
        yield "database-wide", statement.objtype.name.removeprefix("OBJECT_").lower()


def _domain(statement: Any, seen: Seen) -> Iterator[Against]:  # noqa: ANN401 -- a node
    name = statement.typeName[-1].sval
    if statement.subtype == "O":
        yield "adding-not-nullable-field", name
    elif statement.subtype == "C" and not statement.def_.skip_validation:
        yield "constraint-missing-not-valid", name
    elif statement.subtype == "C":
        seen.unvalidated.add((name, statement.def_.conname))
    elif statement.subtype == "V" and (name, statement.name) in seen.unvalidated:
        yield "validate-in-same-transaction", name


_JUDGES: dict[str, Callable[[Any, Seen], Iterator[Against]]] = {
    "AlterTableStmt": altered,
    "AlterDomainStmt": _domain,
    "CommentStmt": _comment,
    "CreateStmt": _create,
    "CreateTableAsStmt": _create_as,
    "DropStmt": _drop,
    "GrantStmt": _grant,
    "IndexStmt": _index,
    "LockStmt": _lock,
    "RenameStmt": _rename,
    "SelectStmt": _select,
    "TruncateStmt": _truncate,
    "VacuumStmt": _vacuum,
    "VariableSetStmt": _setting,
}
