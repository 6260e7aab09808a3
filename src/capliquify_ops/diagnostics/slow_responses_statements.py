"""Causes in statements and their tables: a missing index, a result that is too large, stale statistics, dead rows."""

import re
from collections.abc import Callable, Iterator, Sequence

from capliquify_ops.configuration import Limits
from capliquify_ops.database import quoted
from capliquify_ops.diagnostics.slow_responses_now import Slowness
from capliquify_ops.diagnostics.slow_responses_suspects import Seen, Since, Suspect, Tables, is_large
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.observation.plans import Plan, Step
from capliquify_ops.observation.tables import Missing, Table

_QUERY = 200
_NAMED = 3
_WORD = re.compile(r"[^\W\d]\w*")
_AGAIN = "capliquify-ops diagnose slow-responses"
_REPAIR = "capliquify-ops fleet repair structure_equality --plan"


def statement_causes(suspects: Sequence[Suspect], seen: Seen) -> tuple[Cause, ...]:
    """Return a cause for each suspect, then those of their tables: analyze that did not come, dead rows that did not go."""
    limits, tables, found = seen.limits, seen.tables.tables if suspects else (), seen.found
    rows, ratio, dead = (limits.number(key) for key in ("scanned_rows", "stale_statistics_ratio", "dead_rows_ratio"))
    named = tuple(_of_statement(each, seen) for each in suspects)
    stale = [each for each in tables if each.rows >= rows and _is_stale(each, ratio)]
    bloated = [each for each in tables if each.dead_rows >= rows and each.dead_rows > dead * (each.rows + each.dead_rows)]
    return (*named, *_of_tables(stale, found, _stale), *_of_tables(bloated, found, _bloat))


def _of_statement(suspect: Suspect, seen: Seen) -> Cause:
    plan = seen.plans.get(suspect.text)
    missing = _missing(suspect, seen.tables, plan)
    name, why, command = _told(suspect, missing, _scanned(suspect, seen, plan), seen.limits)
    return Cause(
        name,
        f"{why}; {_took(suspect)}.",
        (*_seen(suspect, seen.since), *((_missing_line(missing),) if missing else ()), *_planned(plan)),
        command,
        tenants=missing.schemas if missing else suspect.schemas,
        since_s=max((each.state_s or 0.0 for each in suspect.running), default=None),
        level=seen.found.level,
    )


def _told(suspect: Suspect, missing: Missing | None, scanned: Step | None, limits: Limits) -> tuple[str, str, str]:
    """Return the cause's name, its sentence's beginning and the next command."""
    if missing:
        return "missing index", *_why_missing(missing)
    if suspect.line and is_large(suspect.line, limits):
        why = f"A call gives {suspect.line.rows_per_call:,.0f} rows: more than anybody reads at once"
        return "large result", why, f"Give the route pages (LIMIT, and a key to go on from). Then: {_AGAIN}"
    if scanned:
        why = f"The whole table {scanned.table} is read to find some of its rows"
        command = f"See which condition drops the rows: {_AGAIN} --analyze; then an index on its columns, for every tenant."
        return "sequential scan", why, command
    return "slow statement", "A statement takes long", f"See what its plan does: {_AGAIN} --analyze"


def _took(suspect: Suspect) -> str:
    kind = "a statement of it has run for" if suspect.running else "a call took"
    return f"{kind} {suspect.worst_ms:,.0f} ms"


def _seen(suspect: Suspect, since: Since | None) -> Iterator[str]:
    """Yield the statement, what it took between the reads, whom it was for, and what is known of the time before."""
    yield suspect.text if len(suspect.text) <= _QUERY else f"{suspect.text[:_QUERY]}…"
    for each in suspect.running[:_NAMED]:
        yield f"pid {each.pid} of {each.role} runs it for {age(each.state_s)}, waits for {each.wait_event or 'nothing'}"
    line = suspect.line
    if not line or not since:
        return
    many = f"{line.rows_per_call:,.0f} rows a call"
    yield f"in {since.over_s:.1f} s: {line.calls:,} calls, {line.total_ms:,.0f} ms, mean {line.mean_ms:,.1f} ms, {many}"
    yield _spread(suspect, since)
    before = next((each for each in since.history if each.text == line.text and each.is_app == line.is_app), None)
    if before and before.calls > line.calls:
        yield f"history, since {age(since.age_s)} ago: {before.calls:,} calls, mean {before.mean_ms:,.1f} ms"


def _spread(suspect: Suspect, since: Since) -> str:
    line = suspect.line
    if since.shares_ids and not suspect.running:
        return "tenants: not told, the server counts the statement of all tenants as one (PostgreSQL 18)"
    if line and line.schemas:
        return f"tenants: {len(line.schemas)} in {line.ids} of the server's statements, most time for {line.schemas[0]}"
    return f"tenants: not named in its text; {line.ids if line else 0} of the server's statements, one for each tenant"


def _missing(suspect: Suspect, tables: Tables, plan: Plan | str | None) -> Missing | None:
    """Return the index that would serve this statement: on its table, by a column that it speaks of, where the plan reads all."""
    words = {word.lower() for word in _WORD.findall(suspect.text)}
    scans = {step.table for step in plan.steps if step.kind == "Seq Scan"} if isinstance(plan, Plan) else None
    for each in tables.missing:
        serves = each.table in suspect.tables and bool(each.columns & words)
        if serves and (scans is None or each.table in scans or not set(each.schemas) & set(suspect.schemas or each.schemas)):
            return each
    return None


def _why_missing(missing: Missing) -> tuple[str, str]:
    """Return the sentence's beginning and the next command."""
    many = len(missing.schemas)
    whom = missing.schemas[0] if many == 1 else f"{many} tenants"
    first = missing.statements[0]
    command = first if first and many == 1 else f"{first}; all of them: {_REPAIR}" if first else _REPAIR
    return f"The index {missing.index} of {missing.table} is missing for {whom}, and the whole table is read instead", command


def _missing_line(missing: Missing) -> str:
    return f"{missing.table}.{missing.index}: {missing.have} of {missing.sampled} tenants looked at have it"


def _scanned(suspect: Suspect, seen: Seen, plan: Plan | str | None) -> Step | None:
    """Return the step that reads a large table whole to find some of its rows."""
    rows = seen.limits.number("scanned_rows")
    large = {each.name for each in seen.tables.tables if each.rows >= rows and each.name in suspect.tables}
    steps = plan.steps if isinstance(plan, Plan) else ()
    return next((step for step in steps if step.reads_all and step.table in large), None)


def _planned(plan: Plan | str | None) -> tuple[str, ...]:
    if plan is None:
        return ()
    if isinstance(plan, str):
        return (plan,)
    ran = "plan" if plan.ran_ms is None else f"plan, run again in {plan.ran_ms:,.0f} ms"
    return (f"{ran}:", *(f"  {line}" for line in plan.told()))


def _of_tables(tables: Sequence[Table], found: Slowness, cause: Callable[[Table, int], tuple[str, str, str]]) -> Iterator[Cause]:
    """Yield one cause for the tables of one name."""
    for name in dict.fromkeys(each.name for each in tables):
        alike = [each for each in tables if each.name == name]
        kind, why, command = cause(alike[0], len(alike))
        yield Cause(
            kind,
            why,
            tuple(_table_line(each) for each in alike[:_NAMED]),
            command,
            tenants=tuple(each.schema for each in alike if each.is_tenant),
            level=found.level,
        )


def _is_stale(table: Table, ratio: float) -> bool:
    return table.is_new or table.changed_rows > ratio * table.rows


def _stale(table: Table, many: int) -> tuple[str, str, str]:
    since = "was never analysed" if table.is_new else f"changed by {table.changed_rows:,} rows since it was analysed"
    why = f"The planner guesses: {table.name} {since}{_elsewhere(many)}."
    return "stale statistics", why, f"ANALYZE {quoted(table.schema, table.name)}"


def _bloat(table: Table, many: int) -> tuple[str, str, str]:
    why = f"Of {table.name}, {table.dead_rows:,} rows are dead and {table.rows:,.0f} are not: each scan reads past them"
    return "dead rows", f"{why}{_elsewhere(many)}.", f"VACUUM (ANALYZE) {quoted(table.schema, table.name)}"


def _elsewhere(many: int) -> str:
    return "" if many == 1 else f", and so in {many - 1} more schemas of those looked at"


def _table_line(table: Table) -> str:
    analysed = "never analysed" if table.analysed_s is None else f"analysed {age(table.analysed_s)} ago"
    counted = f"{table.rows:,.0f} rows, {table.dead_rows:,} dead, {table.changed_rows:,} changed since analyze"
    return f"{table.schema}.{table.name}: {counted}, {analysed}; {table.scans:,} scans of {table.scanned_rows:,} rows in all"
