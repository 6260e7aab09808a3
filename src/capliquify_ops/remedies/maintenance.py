"""Vacuum or analyze chosen tables, one after another, without waiting for a lock that somebody else holds."""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from capliquify_ops.database import Session, SessionLimits, fill, load, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import OpsError, TargetForbids, UsageError
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.remedies.acting import Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified

LOCK_MS = 2_000
_PART = r'(?:"(?:[^"]|"")+"|[^".]+)'
_NAME = re.compile(rf"({_PART})\.({_PART})")
_STATEMENTS = {"vacuum": "VACUUM (ANALYZE, SKIP_LOCKED)", "analyze": "ANALYZE (SKIP_LOCKED)"}
_SEEN_S = 3.0
_POLL_S = 0.1


class Table(NamedTuple):
    """A table: what kind of relation it is, its size when last analysed, how often it was vacuumed and analysed by hand.

    `parts` are the tables below a partitioned one, one where it is none; the last two are sums over them.
    """

    schema: str
    name: str
    kind: str
    bytes: int
    parts: int
    vacuums: int
    analyses: int

    def statement(self, verb: str) -> str:
        """Return what is run for it."""
        return f"{_STATEMENTS[verb]} {quoted(self.schema, self.name)}"


def _planner(verb: str) -> Callable[[Context, Options], Prepared]:
    return lambda context, options: _prepared(context, options, verb)


def _prepared(context: Context, options: Options, verb: str) -> Prepared:
    target = context.target
    if target.pooled:
        raise TargetForbids(
            "Nothing was changed: it runs outside a transaction, which takes a direct connection, and the target is pooled.",
            hint="Give the target an operator URL that goes past the pooler, and set pooled = false.",
        )
    wanted = dict.fromkeys(parsed(each) for each in options.arguments)
    with operator(target.changing_url(), "remedy") as session:
        found = _tables(session, list(wanted))
    for one in found:
        if one.kind not in {"table", "partitioned table", "materialized view"}:
            raise UsageError(f"Nothing was changed: {one.schema}.{one.name} is {one.kind}, which is not maintained here.")
    steps = tuple(Step(f"{verb} {one.schema}.{one.name}, about {one.bytes:,} bytes", one.statement(verb)) for one in found)
    warnings = ("what somebody else has locked is skipped, and said", "reading and writing go on meanwhile, slower")
    concerns: dict[str, Scalar] = {"tables": len(found), "as_role": target.roles.owner}
    plan = Plan(f"remedy {verb}-tables", target.name, steps, MappingProxyType(concerns), warnings)
    return Prepared(plan, lambda: _done(context, found, verb), lambda acted: _verified(context, acted, found, verb))


def parsed(text: str) -> tuple[str, str]:
    """Return schema and table of `schema.table`, either of them in double quotes or not. Raises UsageError."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} does not name a schema and a table.", hint='Such as: tenant_1.products, or "my.schema"."t"')
    schema, table = (part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found.groups())
    return schema, table


def _tables(session: Session, names: list[tuple[str, str]]) -> tuple[Table, ...]:
    """Return the tables in the order that was asked. Raises UsageError for one that is not there."""
    values = {"schemas": [schema for schema, _ in names], "tables": [table for _, table in names]}
    with session.transaction():
        found = session.rows(load("capliquify_ops.remedies", "maintained_tables"), Table, values)
    by_name = {(one.schema, one.name): one for one in found}
    for schema, table in names:
        if (schema, table) not in by_name:
            raise UsageError(
                f"Nothing was changed: there is no table {schema}.{table} here.", hint="Names are as the catalogue has them."
            )
    return tuple(by_name[each] for each in names)


def _done(context: Context, tables: tuple[Table, ...], verb: str) -> Acted:
    """Run the statements as the owner, each by itself; one that fails does not keep the others back."""
    done, left = list[str](), list[str]()
    limits = SessionLimits(statement_ms=0, lock_ms=LOCK_MS, idle_ms=0)
    with operator(context.target.changing_url(), "remedy", limits=limits) as session:
        _become(session, context.target.roles.owner)
        for one in tables:
            name = f"{one.schema}.{one.name}"
            try:
                session.outside_transaction(composed(one.statement(verb)))
                is_done = _is_done(context, session, one, verb)
            except OpsError as fault:
                if not done and not left and len(tables) == 1:
                    raise PartlyDone(fault, {}) from None
                left.append(f"{name}: {fault.what}")
                continue
            if is_done:
                done.append(name)
            else:
                which = "" if one.parts == 1 else f" or some of its {one.parts} parts"
                left.append(f"{name}{which}: skipped, somebody else holds a lock on it, or the owner may not")
    changed: dict[str, Plain] = {f"{verb}d" if verb.endswith("e") else f"{verb}ed": list[Plain](done)}
    return Acted(changed if done else {}, tuple(left), is_done=bool(done))


def _become(session: Session, owner: str) -> None:
    """Be the owner, and wait for no lock; outside a transaction no other limits hold."""
    session.outside_transaction(fill('SET ROLE :"owner"', {"owner": owner}))
    session.outside_transaction(f"SET lock_timeout = {LOCK_MS}")
    session.outside_transaction("SET statement_timeout = 0")
    session.outside_transaction("SET search_path = pg_catalog, pg_temp")
    session.outside_transaction("SET application_name = 'capliquify_ops remedy'")


def _is_done(context: Context, session: Session, one: Table, verb: str) -> bool:
    """Whether the server has counted it: what it skips it only remarks on. Its statistics come a moment later."""
    end = context.clock.monotonic() + _SEEN_S
    while True:
        [now] = _tables(session, [(one.schema, one.name)])
        counted = now.vacuums - one.vacuums if verb == "vacuum" else now.analyses - one.analyses
        if counted >= one.parts:
            return True
        if context.clock.monotonic() > end:
            return False
        context.sleep(_POLL_S)


def _verified(context: Context, acted: Acted, tables: tuple[Table, ...], verb: str) -> Verified:
    del context
    if acted.left:
        return Verified(None, f"{len(tables) - len(acted.left)} of {len(tables)} tables")
    return Verified(True, f"the server has counted the {verb} of each table")


def _remedy(verb: str, text: str) -> Remedy:
    name = f"{verb}-tables"
    return Remedy(
        name, text, ("slow-responses",), "operator URL", _planner(verb), wants=frozenset({"arguments"}), argument="TABLE ..."
    )


VACUUM_TABLES = _remedy("vacuum", "vacuum and analyze tables, each as SCHEMA.TABLE")
ANALYZE_TABLES = _remedy("analyze", "make the planner's numbers of tables anew, each as SCHEMA.TABLE")
