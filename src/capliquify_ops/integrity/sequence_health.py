"""Do sequences last, and do they give keys that are free? What is nearly used up, what starts over, what lags behind its table.

A sequence that belongs to a column of another schema cannot be made: PostgreSQL keeps the two together. A default that draws
from another tenant's sequence is `cross_references`' business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session
from capliquify_ops.integrity.chunks import select_grant
from capliquify_ops.integrity.faults import Fault, Faults, Question, Rule
from capliquify_ops.integrity.observing import inconclusive, observe
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.integrity.sequence_reading import (
    Next,
    SequenceRows,
    Sequences,
    Usage,
    find_sequences,
    read_sequences,
)
from capliquify_ops.model.errors import PrivilegeMissing, ServerUnsupported, StatementTimedOut
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles

CHECK = check_id("sequence_health")
CRITICAL_RATIO = 0.95
"""From here on it is a matter of days."""
_KEY = "sequence_used_ratio"
_USED_UP, _NEARLY = "sequence used up", "sequence nearly used up"
_TOLD = 20
RULES = MappingProxyType(
    {
        _USED_UP: Rule(
            Severity.CRITICAL,
            "The sequence of {object} in {where} is used up or will be within days, and then every insert fails: {detail}. Widen"
            " it now: column and sequence to bigint, or its MAXVALUE.",
        ),
        _NEARLY: Rule(
            Severity.HIGH,
            "The sequence of {object} in {where} is running out, and then every insert fails: {detail}. Widen it in time: column"
            " and sequence to bigint, or its MAXVALUE.",
        ),
        "sequence behind its keys": Rule(
            Severity.HIGH,
            "The next insert into {object} of {where} fails with a duplicate key: {detail}. Set the sequence to the highest key.",
        ),
        "keys ahead of their sequence": Rule(
            Severity.MEDIUM,
            "Keys of {object} in {where} lie where the sequence has yet to come, and inserts will fail there: {detail}. Set the"
            " sequence to the highest key.",
        ),
        "cycling sequence of a key": Rule(
            Severity.MEDIUM,
            "The sequence of the key {object} in {where} starts over at its end ({detail}), and gives keys then that are taken:"
            " ALTER SEQUENCE ... NO CYCLE.",
        ),
    }
)
_HEALTHY = (
    "All {sequences} sequences of {tenants} tenants have values left, and none is behind one of the {keys} keys drawn from them."
)
_NONE = "The schemas of all {tenants} tenants were looked through: there are 0 sequences, and so none that could run out."


def measure(session: Session, *, profile: Profile, roles: Roles) -> SequenceRows:
    """Read sequences and keys, in transactions of its own. Raises PrivilegeMissing when the registry is not fully readable."""
    with session.transaction():
        found = _find(session, profile, roles)
    return read_sequences(session, found)


def judge(rows: SequenceRows, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per column or sequence at fault and one for what could not be read, or a healthy one."""
    limit = limits[_KEY]
    shares = _shares(rows)
    found = [*_running_out(rows, shares, float(limit.value)), *_lagging(rows.ahead), *_cycling(rows.of.usages)]
    measured = _measured(rows, shares)
    said = (_HEALTHY if rows.of.usages else _NONE).format(tenants=rows.of.tenants, **measured)
    question = Question(CHECK, (), RULES, said)
    findings = [
        replace(finding, measured=measured, limit=limit if _is_of_limit(finding) else None)
        for finding in question.judge(Faults(rows.of.tenants, tuple(found)), limits, evidence)
    ]
    if rows.of.tenants and (unknown := _unknown(rows)):
        findings = [finding for finding in findings if finding.outcome is not Outcome.HEALTHY]
        findings.append(_could_not_tell(rows, unknown, evidence, measured))
    return tuple(findings)


def run(session: Session, limits: Limits, clock: Clock, *, profile: Profile, roles: Roles) -> tuple[Finding, ...]:
    """Measure and judge. What could not be read is INCONCLUSIVE, with the grant."""
    asked = ", ".join([CHECK, *(f"{CHECK}_{part}" for part in ("tenants", "values", "keys", "next"))])
    seen = observe(session, clock, asked, lambda s: _find(s, profile, roles))
    if seen.rows is None:
        return (inconclusive(CHECK, seen.evidence, seen.why_not),)
    started = clock.monotonic()
    try:
        rows = read_sequences(session, seen.rows)
    except (PrivilegeMissing, ServerUnsupported, StatementTimedOut) as fault:
        return (inconclusive(CHECK, seen.evidence, str(fault), eligible=seen.rows.tenants),)
    elapsed = seen.evidence.elapsed_ms + (clock.monotonic() - started) * 1000
    return judge(rows, limits, replace(seen.evidence, elapsed_ms=round(elapsed, 1)))


def _find(session: Session, profile: Profile, roles: Roles) -> Sequences:
    require_registry(session, profile.registry, roles.owner)
    return find_sequences(session, profile.registry)


def used_ratio(usage: Usage, last: int) -> float:
    """Return which share of its values a sequence has given: of those that both sequence and column can hold."""
    low, high = usage.bounds
    is_last = not low <= last + usage.increment <= high
    given = last - low + 1 if usage.increment > 0 else high - last + 1
    return 1.0 if is_last else max(0.0, given / (high - low + 1))


def _shares(rows: SequenceRows) -> Mapping[Usage, float]:
    """Return the share of each usage that can run out; a sequence that starts over before its column is full cannot."""
    shares: dict[Usage, float] = {}
    for usage in rows.of.usages:
        last = rows.values.get(usage.oid)
        starts_over = usage.is_cycling and usage.bounds == (usage.lowest, usage.highest)
        if last is not None and not starts_over:
            shares[usage] = used_ratio(usage, last)
    return shares


def _running_out(rows: SequenceRows, shares: Mapping[Usage, float], limit: float) -> Iterator[Fault]:
    for usage, share in sorted(shares.items(), key=lambda each: -each[1]):
        if share >= limit:
            end = usage.bounds[usage.increment > 0]
            detail = f"{share:.1%} of the values up to {end} are given, the last was {rows.values[usage.oid]}"
            yield Fault(usage.tenant, _USED_UP if share >= CRITICAL_RATIO else _NEARLY, usage.object, detail)


def _lagging(ahead: Iterable[tuple[Usage, Next]]) -> Iterator[Fault]:
    for usage, after in ahead:
        if after.furthest is None:
            continue
        detail = f"the next value is {after.value}, the furthest key {after.furthest}"
        if after.is_taken:
            yield Fault(usage.tenant, "sequence behind its keys", usage.object, detail)
        # Steps of more than one are how servers share the numbers: what lies ahead is another's.
        elif abs(usage.increment) == 1 and usage.is_beyond(after.furthest, after.value):
            yield Fault(usage.tenant, "keys ahead of their sequence", usage.object, detail)


def _cycling(usages: Iterable[Usage]) -> Iterator[Fault]:
    for usage in usages:
        if usage.is_cycling and usage.is_key:
            yield Fault(usage.tenant, "cycling sequence of a key", usage.object, f"from {usage.lowest} to {usage.highest}")


def _is_of_limit(finding: Finding) -> bool:
    return finding.outcome is Outcome.HEALTHY or finding.subject.name.startswith((_USED_UP, _NEARLY))


def _unknown(rows: SequenceRows) -> list[str]:
    """Return what was not read, each with the grant that it takes."""
    role = rows.of.role
    blind = {usage.oid: usage for usage in rows.of.usages if not usage.is_readable}.values()
    lines = [select_grant(role, usage.sequence_schema, usage.sequence, "SEQUENCE") for usage in blind]
    for usage in rows.of.usages:
        if usage.is_compared and not usage.may_select:
            lines.append(select_grant(role, usage.table_schema, usage.relation))
        elif usage.is_compared and usage.is_filtered:
            lines.append(f"row security hides rows of {usage.table_schema}.{usage.relation} from {role}: give it BYPASSRLS")
    lines += [select_grant(role, usage.sequence_schema, usage.sequence, "SEQUENCE") for usage in rows.undecided]
    return [*dict.fromkeys(lines), *rows.unread]


def _could_not_tell(rows: SequenceRows, unknown: list[str], evidence: Evidence, measured: Mapping[str, Scalar]) -> Finding:
    blind = {usage.tenant for usage in rows.of.usages if not usage.is_visible} | {usage.tenant for usage in rows.undecided}
    of = "{sequences_examined} of {sequences} sequences and {keys_examined} of {keys} keys could be read".format(**measured)
    why = f"{of}: {unknown[0]}"
    why += f" (and {len(unknown) - 1} more of that kind; all at once: GRANT pg_read_all_data)." if len(unknown) > 1 else "."
    examined = rows.of.tenants - len(blind)
    finding = inconclusive(CHECK, evidence, why, examined=examined, eligible=rows.of.tenants)
    return replace(finding, measured=measured, witness=Witness(tuple(unknown[:_TOLD])))


def _measured(rows: SequenceRows, shares: Mapping[Usage, float]) -> Mapping[str, Scalar]:
    return MappingProxyType(
        {
            "sequences": len({usage.oid for usage in rows.of.usages}),
            "sequences_examined": len(rows.values),
            "keys": sum(usage.is_compared for usage in rows.of.usages),
            "keys_examined": rows.compared - len(rows.undecided),
            "used_ratio_max": round(max(shares.values(), default=0.0), 4),
        }
    )
