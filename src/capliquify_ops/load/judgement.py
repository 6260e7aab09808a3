"""What both load checks share: the order of the questions asked of a run, and the finding made of the answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.corroboration import doubt
from capliquify_ops.load.fairness import worst_served
from capliquify_ops.load.figures import cohorts, figures, latencies, of_kinds
from capliquify_ops.load.health import trouble
from capliquify_ops.load.limiting import NOTHING, limited_by
from capliquify_ops.load.plan import arrivals
from capliquify_ops.load.result import LoadRun, Side, Stretch
from capliquify_ops.load.shortage import late_by_shortage, overlaps, short_stretches, untouched
from capliquify_ops.model.finding import Evidence, Finding, Limit, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Grade, Outcome, Severity


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a check compares: (figure, limit) pairs, the p95 limit among them, and how much load its claim needs."""

    compared: tuple[tuple[str, str], ...]
    p95: str
    rate: str
    seconds: str
    sustained: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome with its reason and the limit that decided it."""

    outcome: Outcome
    why: str
    limit: Limit | None = None
    severity: Severity = Severity.HIGH


@dataclass(frozen=True, slots=True)
class Case:
    """One run with its figures, to be judged by these bounds."""

    run: LoadRun
    figures: Mapping[str, Scalar]
    limits: Limits
    bounds: Bounds
    short: Sequence[Stretch]
    trouble: str


def finding_of(check: CheckId, run: LoadRun, limits: Limits, bounds: Bounds, raw: str) -> Finding:
    """Judge a run: wrong rows are wrong whatever the generator did; speed is judged only when it was well."""
    measured = figures(run)
    case = Case(run, measured, limits, bounds, short_stretches(run, limits), trouble(run, measured, limits, bounds.p95))
    questions: tuple[Callable[[Case], Answer | None], ...] = (
        _wrong_rows,
        _no_data,
        _stopped,
        _generator,
        _missed,
        _unserved,
        _doubted,
        _too_little,
    )
    answer = next((found for ask in questions if (found := ask(case))), None) or _healthy(case)
    held = not case.trouble and not run.cut and next(_misses(case), None) is None
    return Finding(
        check=check,
        subject=Subject(SubjectKind.SERVICE, run.base_url),
        outcome=answer.outcome,
        severity=answer.severity,
        evidence=Evidence(_asked(run), run.base_url, run.started_at, run.elapsed_s * 1000, raw),
        why=answer.why,
        examined=len(run.samples),
        eligible=arrivals(run.rate, run.seconds),
        measured={**case.figures, "limited_by": NOTHING if held else limited_by(run, limits, case.trouble)},
        limit=answer.limit,
        witness=Witness(run.witnesses) if run.witnesses else None,
        grade=Grade.STRONG,
    )


def _asked(run: LoadRun) -> str:
    return (
        f"{', '.join(each.name for each in run.operations)} at {run.rate:g} requests/s for {run.seconds:g} s "
        f"after {run.warmup_s:g} s of warm-up, open arrivals, {run.tenants} tenants, {run.connections} connections"
    )


def _wrong_rows(case: Case) -> Answer | None:
    foreign, empty = case.figures["foreign"], case.figures["empty"]
    if foreign:
        why = f"{foreign} of {case.run.offered} answers held another tenant's rows."
        return Answer(Outcome.FAILING, why, severity=Severity.CRITICAL)
    if empty:
        why = f"{empty} of {case.run.offered} answers were 200 without the tenant's own rows."
        return Answer(Outcome.FAILING, why)
    return None


def nothing_measured(run: LoadRun) -> str:
    """Return why a run has not a single request, "" where it has: such a run did not take place."""
    if len(run.samples):
        return ""
    return f"No request was measured: {run.cut.why}." if run.cut else "No request was measured."


def _no_data(case: Case) -> Answer | None:
    why = nothing_measured(case.run)
    return Answer(Outcome.INCONCLUSIVE, why) if why else None


def _stopped(case: Case) -> Answer | None:
    cut = case.run.cut
    if not cut or cut.by is not Side.TARGET:
        return None
    why = f"Under {case.run.rate:g} requests/s {cut.why}: what was measured until then is kept, and says nothing of the rest."
    return Answer(Outcome.INCONCLUSIVE, why)


def _generator(case: Case) -> Answer | None:
    if not case.trouble:
        return None
    return Answer(Outcome.INCONCLUSIVE, f"The generator, not the service, decided this run: {case.trouble}.")


def _missed(case: Case) -> Answer | None:
    found = [*_misses(case), *_unsustained(case), *_starved(case)]
    return next((answer for answer in found if answer.outcome is Outcome.FAILING), found[0] if found else None)


def _misses(case: Case) -> Iterator[Answer]:
    for key, limit_key in case.bounds.compared:
        limit = case.limits[limit_key]
        if key not in case.figures:
            yield Answer(Outcome.INCONCLUSIVE, f"{key} is not known: no such request was measured.", limit)
            continue
        if holds(case.figures[key], limit):
            continue
        said = f"At {case.run.rate:g} requests/s {_words(case, key)}; the limit is {limit.operator} {limit.value}"
        without = case.figures.get(key.replace("_ms", "_without_slip_ms"))
        if without is not None and holds(without, limit):
            yield Answer(Outcome.INCONCLUSIVE, f"{said}, but the generator's own delay made the difference.", limit)
        elif _holds_without_shortage(case, key, limit):
            yield Answer(Outcome.INCONCLUSIVE, f"{said}, but {_shortage(case)}.", limit)
        else:
            yield Answer(Outcome.FAILING, f"{said}.", limit)


def _words(case: Case, key: str) -> str:
    if key == "error_ratio":
        return f"{case.figures['failed']} of {case.run.offered} requests failed"
    return f"{key.removesuffix('_ms')} was {case.figures[key]} ms"


def _unsustained(case: Case) -> Iterator[Answer]:
    limit = case.limits["load_in_time_ratio"]
    least = case.figures["least_in_time_ratio"]
    if case.bounds.sustained and not holds(least, limit):
        why = f"The load was not sustained: of one second's arrivals only {float(least):.1%} were answered within 1 s."
        rest = [row for row in cohorts(case.run) if not overlaps(case.short, row.second, row.second + 1)]
        if all(holds(row.in_time / row.offered, limit) for row in rest):
            yield Answer(Outcome.INCONCLUSIVE, f"{why[:-1]}, but {_shortage(case)}.", limit)
        else:
            yield Answer(Outcome.FAILING, why, limit)


def _starved(case: Case) -> Iterator[Answer]:
    """A tenant of whose own arrivals too few were answered in time, though the whole is within limits."""
    limit, run = case.limits["load_in_time_ratio"], case.run
    worst = worst_served(run) if case.bounds.sustained else None
    if worst is None or holds(worst.ratio, limit):
        return
    said = f"Of the {worst.offered} arrivals of tenant {worst.tenant!r} only {worst.ratio:.1%} were rightly answered within 1 s"
    short = {second for second in range(int(run.seconds) + 1) if overlaps(case.short, second, second + 1)}
    rest = worst_served(run, lambda index: int(index / run.rate) not in short) if short else worst
    if rest is None or holds(rest.ratio, limit):
        yield Answer(Outcome.INCONCLUSIVE, f"{said}, but {_shortage(case)}.", limit)
    else:
        yield Answer(Outcome.FAILING, f"{said}.", limit)


def _holds_without_shortage(case: Case, key: str, limit: Limit) -> bool:
    """Whether a limit was missed only by requests that were under way while the machine was short of time."""
    if not case.short:
        return False
    if key == "error_ratio":
        late = late_by_shortage(case.run, case.short)
        return holds((int(case.figures["failed"]) - late) / case.run.offered, limit)
    samples = untouched(case.run, case.short)
    rest = latencies(samples) | of_kinds(case.run, samples)
    return key not in rest or holds(rest[key], limit)


def _shortage(case: Case) -> str:
    seconds = sum(each.end_s - each.begin_s for each in case.short)
    return f"for {seconds:.0f} s the machine that the service shares with the generator and others had no time to spare"


def _unserved(case: Case) -> Answer | None:
    served, all_ = case.figures["tenants_served"], case.figures["tenants"]
    if served == all_:
        return None
    return Answer(Outcome.INCONCLUSIVE, f"Only {served} of {all_} tenants were served at all.")


def _doubted(case: Case) -> Answer | None:
    if not case.bounds.sustained or not (reason := doubt(case.run, case.figures, case.limits)):
        return None
    return Answer(Outcome.INCONCLUSIVE, f"Within limits, but {reason}.")


def _too_little(case: Case) -> Answer | None:
    rate, seconds = case.limits[case.bounds.rate], case.limits[case.bounds.seconds]
    driven = float(case.figures["seconds"])
    short = []
    if not holds(case.run.rate, rate):
        short.append((f"{case.run.rate:g} of {float(rate.value):g} requests/s", rate))
    if not holds(driven, seconds):
        short.append((f"{driven:g} of {float(seconds.value):g} s", seconds))
    if not short:
        return None
    parts = " and ".join(text for text, _ in short)
    return Answer(Outcome.INCONCLUSIVE, f"Within limits so far, but driven with {parts} only.", short[0][1])


def _healthy(case: Case) -> Answer:
    shown = ", ".join(_words(case, key) for key, _ in case.bounds.compared)
    limit = case.limits[case.bounds.p95]
    return Answer(Outcome.HEALTHY, f"At {case.run.rate:g} requests/s for {case.run.seconds:g} s {shown}.", limit)
