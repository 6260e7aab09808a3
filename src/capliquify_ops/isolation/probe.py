"""Probes: what was tried, what was expected, what came back. The rows between measuring and judging."""

from collections.abc import Generator
from dataclasses import dataclass

from capliquify_ops.configuration import Profile
from capliquify_ops.isolation.sensor import Sighting
from capliquify_ops.model.errors import OpsError

SUCCESS_STATUSES = frozenset(range(200, 300))
REFUSAL_STATUSES = frozenset(range(400, 500)) - {429}


MOST_NAMED = 3
"""Secrets that one line names; what was seen in all is counted."""


class CannotTell(OpsError):
    """What a measure needs is not there (a tenant, a token variant, a privilege): its check is inconclusive."""

    exit_code = 17


@dataclass(frozen=True, slots=True)
class Expectation:
    """Allowed answers: statuses, and error codes where any are named. `says` is for people."""

    says: str
    statuses: frozenset[int]
    codes: frozenset[str] = frozenset()

    def why_not(self, status: int, code: str) -> str:
        """Return what is wrong about an answer, "" when it is allowed."""
        if status not in self.statuses:
            return f"expected {self.says}"
        if self.codes and code not in self.codes:
            return f"expected {self.says}, not the code {code!r}"
        return ""


SUCCESS = Expectation("success (2xx)", SUCCESS_STATUSES)
REFUSED = Expectation("a refusal (4xx)", REFUSAL_STATUSES)
OWN_OR_REFUSED = Expectation("own data only, or a refusal", SUCCESS_STATUSES | REFUSAL_STATUSES)
NO_SUCCESS = Expectation("anything but success or a server error", REFUSAL_STATUSES | frozenset(range(300, 400)))


def answers(profile: Profile, *situations: str) -> Expectation:
    """Return the expectation of one or more situations of the profile. Raises CannotTell for one it does not describe."""
    for name in situations:
        if name not in profile.answers:
            raise CannotTell(f"The profile {profile.name!r} has no [answers.{name}].", hint="Add it to the profile.")
    found = [profile.answers[name] for name in situations]
    statuses = frozenset(status for answer in found for status in answer.statuses)
    codes = frozenset(code for answer in found for code in answer.codes)
    says = f"{' or '.join(str(status) for status in sorted(statuses))} {' or '.join(sorted(codes))}".rstrip()
    return Expectation(says, statuses, codes)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing tried.

    `request` is redacted: method, path, who, organisation. `status` is None when nothing was asked; `untried` then says why,
    and `is_optional` that the check can do without. `needs` names the positive control without which the probe proves
    nothing. `problem` is a fault of content that the status does not show; `is_change` marks the one that counts as proof:
    somebody else's data was changed. `story` is told below it in a witness: who did what, when. `part`: of the measure.
    """

    name: str
    request: str = ""
    expected: Expectation = SUCCESS
    status: int | None = None
    code: str = ""
    foreign: tuple[Sighting, ...] = ()
    problem: str = ""
    is_change: bool = False
    is_control: bool = False
    needs: str = ""
    untried: str = ""
    is_optional: bool = False
    story: tuple[str, ...] = ()
    part: str = ""

    def violation(self) -> str:
        """Return what contradicts the expectation, "" when nothing does."""
        if self.foreign:
            seen = "; ".join(f"{one.label} ({one.form} in {one.place})" for one in self.foreign[:MOST_NAMED])
            more = f"; and {len(self.foreign) - MOST_NAMED} more" if len(self.foreign) > MOST_NAMED else ""
            return f"holds another tenant's secret: {seen}{more}"
        if self.problem:
            return self.problem
        return "" if self.status is None else self.expected.why_not(self.status, self.code)

    def is_proof(self) -> bool:
        """Whether a violation of this probe needs no other probe to count."""
        return bool(self.foreign) or (self.is_change and bool(self.problem))

    def line(self) -> str:
        """Return the probe as one line of a witness."""
        if self.status is None:
            return (
                f"{self.name}: not tried, {self.untried}" if self.untried else f"{self.name}: {self.violation() or 'as expected'}"
            )
        answer = f"{self.status} {self.code}".rstrip()
        return f"{self.name}: {self.request} -> {answer}: {self.violation() or 'as expected'}"


Probes = Generator[Probe, None, None]
"""What a measure yields. It is closed where it stands when a positive control fails."""


def untried(name: str, why: str, *, is_optional: bool = False) -> Probe:
    """Return the row of something that could not be tried."""
    return Probe(name, untried=why, is_optional=is_optional)


def noted(
    name: str, problem: str, *, request: str = "", needs: str = "", is_change: bool = False, is_control: bool = False
) -> Probe:
    """Return the row of something looked up afterwards: `problem` is "" when all is as it was."""
    return Probe(name, request, problem=problem, needs=needs, is_change=is_change, is_control=is_control)
