"""Errors that some tenants have: a schema that is missing, tables and columns that others have and theirs lacks; pure."""

from collections.abc import Sequence

from capliquify_ops.diagnostics.error_rate_rows import AGAIN, ErrorRows, Weighed, weight_of
from capliquify_ops.diagnostics.error_rate_seen import Seen, by_tenant, counted, of_kinds, since_of, tenants_in
from capliquify_ops.integrity import registry_catalogue, structure_equality
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.observation.error_texts import Kind

MISSING = "missing_schema"
UNDEFINED = frozenset({Kind.TABLE, Kind.COLUMN})
_RELATIONS = ("table", "view")
_LACKING = ("table ", "column ", "view ", "function ")
"""What a statement can name: an index or a constraint that differs gives no such error."""
_LINES = 5
_SEEN, _FITS = 0.6, 0.4


def of_tenants(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return what is wrong with tenants' schemas, and what errors say of it."""
    failing = [each for each in rows.findings or () if each.outcome is Outcome.FAILING]
    missing = [each for each in failing if each.check == registry_catalogue.CHECK and each.subject.name == MISSING]
    differing = [each for each in failing if each.check == structure_equality.CHECK and each.subject.name.startswith(_LACKING)]
    drift = [each for each in differing if each.severity is Severity.HIGH]
    extra = [each for each in differing if each.severity is not Severity.HIGH]
    told = of_kinds(rows.seen, {Kind.SCHEMA, *UNDEFINED})
    no_schema = [
        each
        for each in told
        if each.said.kind is Kind.SCHEMA or (each.said.kind is Kind.TABLE and missing and _may_be_of(each, missing, rows))
    ]
    lacking = [each for each in told if _is_lacking(each, drift) and _may_be_of(each, drift, rows)]
    behind = [each for each in told if each not in lacking and _is_lacking(each, extra) and not _is_named(each, extra, rows)]
    rest = [each for each in told if each not in no_schema and each not in lacking and each not in behind]
    found = [
        _missing(rows, missing, no_schema) if missing or no_schema else None,
        _drift(rows, drift, lacking) if drift else None,
        _behind(rows, extra, behind) if behind else None,
        _undefined(rows, rest) if rest else None,
    ]
    return tuple(each for each in found if each)


def _may_be_of(each: Seen, findings: Sequence[Finding], rows: ErrorRows) -> bool:
    """Whether a text may be of these tenants: it names one of them, or none; those that are not listed cannot be ruled out."""
    spreads = [finding.tenants for finding in findings if finding.tenants]
    named = set(tenants_in([each], rows.names))
    is_listed = all(spread.count == len(spread.sample) for spread in spreads)
    return not named or not is_listed or bool(named & _sampled(findings))


def _is_named(each: Seen, findings: Sequence[Finding], rows: ErrorRows) -> bool:
    return bool(set(tenants_in([each], rows.names)) & _sampled(findings))


def _sampled(findings: Sequence[Finding]) -> set[str]:
    return {name for finding in findings if finding.tenants for name in finding.tenants.sample}


def _is_lacking(each: Seen, drift: Sequence[Finding]) -> bool:
    """Whether what a text misses is what some tenants lack, or may be where it does not say what."""
    lacking = [finding.subject.name.split(" ", 1) for finding in drift]
    if each.said.kind is Kind.COLUMN:
        return any(kind == "column" and each.said.column in {"", name.rpartition(".")[2]} for kind, name in lacking)
    return each.said.kind is Kind.TABLE and any(kind in _RELATIONS and each.said.relation in {"", name} for kind, name in lacking)


def _missing(rows: ErrorRows, findings: Sequence[Finding], seen: Sequence[Seen]) -> Weighed:
    count = sum(finding.tenants.count for finding in findings if finding.tenants)
    named = sorted({each.said.schema for each in seen if each.said.schema})
    if findings:
        why = findings[0].why
        mend = f"capliquify-ops fleet repair {registry_catalogue.CHECK} --plan"
    else:
        known = (
            "" if rows.findings is None else " The registry and the catalogue agree now: it was made since, or no tenant has it."
        )
        why = f"Statements name a schema that is not there.{known}"
        mend = f"capliquify-ops fleet check {registry_catalogue.CHECK}"
    lines = [*_errors(rows, seen), *(f"named: {name!r}" for name in named[:_LINES])]
    lines += [line for finding in findings if finding.witness for line in finding.witness.lines[:_LINES]]
    tenants = _tenants(rows, findings, seen)
    return Weighed(
        weight_of(seen, rows, _SEEN),
        Cause(
            f"missing schema of {count} tenants" if count > 1 else "missing schema",
            why,
            tuple(lines),
            f"{mend}. {AGAIN}",
            tenants=tenants,
            since_s=since_of(seen),
            level=max([rows.level, *(each.escalation for each in findings if each.escalation)]),
        ),
    )


def _drift(rows: ErrorRows, findings: Sequence[Finding], seen: Sequence[Seen]) -> Weighed:
    many = max(len(_sampled(findings)), *(finding.tenants.count if finding.tenants else 0 for finding in findings))
    objects = ", ".join(finding.subject.name for finding in findings[:_LINES])
    why = f"Schemas of some tenants are not built as the others are ({objects}): what asks for it there fails."
    lines = [*_errors(rows, seen), *(finding.why for finding in findings[:_LINES])]
    return Weighed(
        weight_of(seen, rows, _FITS),
        Cause(
            f"drift of {many} tenants" if many > 1 else "drift of a tenant",
            why,
            tuple(lines),
            f"capliquify-ops fleet repair {structure_equality.CHECK} --plan. {AGAIN}",
            tenants=_tenants(rows, findings, seen),
            since_s=since_of(seen),
            level=rows.level,
        ),
    )


def _behind(rows: ErrorRows, extra: Sequence[Finding], seen: Sequence[Seen]) -> Weighed:
    """Only some tenants have what errors miss: a migration of the fleet that stands half-way, and code ahead of it."""
    objects = ", ".join(finding.subject.name for finding in extra[:_LINES])
    return Weighed(
        weight_of(seen, rows, 0.0),
        Cause(
            "unfinished migration",
            f"Only some tenants have what statements ask for ({objects}): in all others they fail.",
            (*_errors(rows, seen), *(finding.why for finding in extra[:_LINES])),
            f"Run it again, it goes on where it stopped: capliquify-ops fleet migrate FILE.sql. {AGAIN}",
            tenants=tuple(sorted(tenants_in(seen, rows.names))),
            since_s=since_of(seen),
            level=rows.level,
        ),
    )


def _undefined(rows: ErrorRows, seen: Sequence[Seen]) -> Weighed:
    names = sorted({each.said.column or each.said.relation for each in seen} - {""})
    checked = any(each.check == structure_equality.CHECK and each.outcome is Outcome.HEALTHY for each in rows.findings or ())
    fits = (
        "all tenants are built alike, so the code asks for what none has: it is newer than the schemas"
        if checked
        else "whether only some tenants lack them was not told"
    )
    return Weighed(
        weight_of(seen, rows, 0.0),
        Cause(
            "undefined names",
            f"Statements name tables or columns that are not there; {fits}.",
            (*_errors(rows, seen), *(f"named: {name!r}" for name in names[:_LINES])),
            f"capliquify-ops fleet check {structure_equality.CHECK}. {AGAIN}",
            tenants=tuple(sorted(tenants_in(seen, rows.names))),
            since_s=since_of(seen),
            level=rows.level,
        ),
    )


def _errors(rows: ErrorRows, seen: Sequence[Seen]) -> tuple[str, ...]:
    return (f"errors of it: {counted(seen)}", *by_tenant(seen, rows.names)) if seen else ()


def _tenants(rows: ErrorRows, findings: Sequence[Finding], seen: Sequence[Seen]) -> tuple[str, ...]:
    """Return the tenants, those whom errors name first, by how often."""
    by_errors = [name for name, _ in tenants_in(seen, rows.names).most_common()]
    return tuple(dict.fromkeys([*by_errors, *(name for each in findings if each.tenants for name in each.tenants.sample)]))
