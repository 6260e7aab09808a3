"""What one diagnosis may ask, and what an issue is made of: its questions, its closer look, its explanation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.model.diagnosis import Cause, Source
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock

Question = Callable[[], tuple[Any, str]]
"""Gives what it found and one line that says it. Raises OpsError."""
DatabaseQuestion = Callable[[Session], tuple[Any, str]]
"""The same over the one read-only session of a diagnosis; it opens its own transactions."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Who is asked, by which limits it is judged, and how the time goes by.

    `dice` gives numbers from 0 to 1. `may_analyze`: plans may be made by running the statement. `watch_s`: for how many seconds
    to watch what only shows with time, such as a leak.
    """

    target: Target
    limits: Limits
    clock: Clock
    dice: Callable[[], float]
    may_analyze: bool = False
    watch_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What one source gave: a value, or the fault of why there is none (None where it stayed silent or was not asked)."""

    source: Source
    value: Any
    fault: OpsError | None = None


Answers = Mapping[str, Asked]


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask, by the name of the source: issues that ask the same by the same name share one answer.

    In place of a question to the outside may stand why it cannot be asked: what is not configured.
    """

    outside: Mapping[str, Question | str] = field(default_factory=lambda: MappingProxyType({}))
    database: Mapping[str, DatabaseQuestion] = field(default_factory=lambda: MappingProxyType({}))

    def __or__(self, other: "Questions") -> "Questions":
        """Return the questions of both."""
        return Questions({**self.outside, **other.outside}, {**self.database, **other.database})

    def without(self, names: Answers) -> "Questions":
        """Return those that were not asked yet."""
        return Questions(
            {name: each for name, each in self.outside.items() if name not in names},
            {name: each for name, each in self.database.items() if name not in names},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The sources, in the order in which they are shown."""
        return (*self.outside, *self.database)


def nothing_closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Ask nothing more."""
    del answers, inquiry
    return Questions()


def sources_of(answers: Answers) -> tuple[Source, ...]:
    """Return the sources of these answers."""
    return tuple(asked.source for asked in answers.values())


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of the runbook, `tell` how its sources are shown.

    `closer` is asked only where the first answers say that something is wrong: it may cost more.
    """

    name: str
    question: str
    ask: Callable[[Inquiry], Questions]
    explain: Callable[[Answers, Inquiry], tuple[Cause, ...]]
    closer: Callable[[Answers, Inquiry], Questions] = nothing_closer
    tell: Callable[[Answers], tuple[Source, ...]] = sources_of


def value_of(answers: Answers, name: str) -> Any:  # noqa: ANN401 -- of the type that this source gives
    """Return what a source gave, None where it was not asked or did not answer."""
    return answers[name].value if name in answers else None
