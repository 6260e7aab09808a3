"""The diagnosis: what a person on call is told of one issue, on one screen."""

from dataclasses import dataclass

from capliquify_ops.model.finding import Level


@dataclass(frozen=True, slots=True)
class Cause:
    """One probable cause. `tenants` are schemas; `since_s` is how many seconds ago it began, None where nothing tells.

    `why` is a sentence, `evidence` the lines that were seen, `next_command` what to run next.
    """

    name: str
    why: str
    evidence: tuple[str, ...]
    next_command: str
    tenants: tuple[str, ...] = ()
    since_s: float | None = None
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that was asked: whether it answered, and what it said or why it did not.

    What is not `is_configured` was not asked: that is said, and is no fault of anything.
    """

    name: str
    answered: bool
    says: str
    elapsed_ms: float
    is_configured: bool = True


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer about one issue of the runbook, its most probable cause first. No cause, and answers from all: nothing is wrong.

    `headline` is one sentence. What was not answered is in `sources`, never left out.
    """

    issue: str
    headline: str
    causes: tuple[Cause, ...]
    sources: tuple[Source, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether something was found."""
        return bool(self.causes)

    @property
    def is_certain(self) -> bool:
        """Whether all that were asked have answered, and any was: without that, nothing found is no all-clear."""
        asked = [source for source in self.sources if source.is_configured]
        return bool(asked) and all(source.answered for source in asked)

    @property
    def level(self) -> Level | None:
        """Whom to wake: the highest of the causes'."""
        return max((cause.level for cause in self.causes if cause.level), default=None)
