"""A plan of repairs: one step for each fault, either statements and how to run them or the reason why a person is needed."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from capliquify_ops.model import plan as model
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.names import CheckId, TenantId
from capliquify_ops.tenants.audit import AUDIT_STEP

_SAMPLE = 3
UNMEASURED = frozenset({"rule"})
"""What comes with a missing table and no check looks at by itself."""
Expected = tuple[tuple[str, str, str], ...]
"""Kind, object and neutral definition of what has to be there before a structural repair is committed."""


class Manner(StrEnum):
    """How a step is carried out: by its own statements, or by a function of the library."""

    STATEMENTS = "statements"
    PROVISION = "provision"
    PUT_AWAY = "put away"


class Fact(NamedTuple):
    """What is at fault where, as a check names it. `schema` is empty outside of every schema."""

    check: CheckId
    kind: str
    object: str
    schema: str

    @property
    def finding(self) -> str:
        """The id of the finding that tells of it, whatever tenants have it."""
        return f"{self.check}:{self.kind} {self.object}".rstrip()


@dataclass(frozen=True, slots=True)
class Stage:
    """Statements of one transaction, or one that refuses to run in any (`is_outside`). A weak stage blocks no reads or writes.

    `undo` takes back, when the stage fails, what earlier ones did and what without this one is worse than nothing.
    """

    statements: tuple[str, ...]
    is_outside: bool = False
    is_weak: bool = False
    undo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Whose:
    """The tenant of a schema; nobody's, and by the schema's name, where the registry knows none or its ids are no UUIDs."""

    id: TenantId | None
    slug: str
    schema_name: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The repair of one fault. Where `needs_person` says why nothing is done, `advice` is what that person might run.

    What another check of the plan repairs is `covered_by` it, and at fault all the same. Statements are SQL whose names are
    quoted; `about` is said when they fail. `order` is within one tenant: the rank of the check, then what needs what.
    """

    fact: Fact
    stages: tuple[Stage, ...] = ()
    manner: Manner = Manner.STATEMENTS
    locks: str = ""
    about: str = ""
    needs_person: str = ""
    advice: str = ""
    covered_by: str = ""
    expected: Expected = ()
    order: tuple[int, int] = (0, 0)
    whose: Whose | None = None

    @property
    def is_outside(self) -> bool:
        """Whether any of it runs outside a transaction."""
        return any(stage.is_outside for stage in self.stages)

    @property
    def statements(self) -> tuple[str, ...]:
        """All statements, in order."""
        return tuple(statement for stage in self.stages for statement in stage.statements)

    def left(self, why: str, advice: str = "") -> "Step":
        """Return a repair as a step that a person has to take; what is none stays as it is."""
        if self.needs_person or self.covered_by:
            return self
        return replace(self, stages=(), expected=(), locks="", needs_person=why, advice=advice or "; ".join(self.statements))


def for_person(fact: Fact, why: str, advice: str = "") -> Step:
    """Return the step of a fault that nothing repairs by itself."""
    return Step(fact, needs_person=why, advice=advice)


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, and what was compared with. `accepted` counts the faults that a suppression holds back."""

    steps: tuple[Step, ...] = ()
    baseline: str = ""
    accepted: int = 0

    @property
    def repairs(self) -> tuple[Step, ...]:
        """Steps that can be taken, in their order within each schema."""
        found = (step for step in self.steps if not (step.needs_person or step.covered_by))
        return tuple(sorted(found, key=lambda step: step.order))

    @property
    def for_people(self) -> tuple[Step, ...]:
        """Steps that need a person."""
        return tuple(step for step in self.steps if step.needs_person)

    def facts(self) -> set[Fact]:
        """Return everything that is at fault."""
        return {step.fact for step in self.steps}

    def by_schema(self) -> dict[str, tuple[Step, ...]]:
        """Return the repairs of each schema: first the one that shows most of them, the canary, the others by name."""
        found: dict[str, list[Step]] = defaultdict(list)
        for step in self.repairs:
            found[step.fact.schema].append(step)
        order = sorted(found, key=lambda schema: (-len(found[schema]), schema))
        return {schema: tuple(found[schema]) for schema in order[:1] + sorted(order[1:])}

    def only(self, findings: Collection[str]) -> "Plan":
        """Return the plan without repairs of other findings than these: what nobody saw in the plan is not done."""
        kept = (step for step in self.steps if step.needs_person or step.covered_by or step.fact.finding in findings)
        return replace(self, steps=tuple(kept))

    def without(self, accepted: Collection[str]) -> "Plan":
        """Return the plan without what is accepted for a while."""
        kept = tuple(step for step in self.steps if step.fact.finding not in accepted)
        return replace(self, steps=kept, accepted=self.accepted + len(self.steps) - len(kept))

    def shown(self, subject: str) -> model.Plan:
        """Return the plan as people see it: one line for each logical object, and what needs a person as warnings."""
        steps = tuple(_repair_line(steps) for steps in _grouped(self.repairs))
        warnings = tuple(_person_line(steps) for steps in _grouped(self.for_people))
        concerns: dict[str, Scalar] = {
            "schemas": len(self.by_schema()),
            "repairs": len(self.repairs),
            "for_people": len(self.for_people),
        }
        concerns |= {"baseline": self.baseline} if self.baseline else {}
        concerns |= {"accepted": self.accepted} if self.accepted else {}
        done = (*steps, AUDIT_STEP) if steps else ()
        return model.Plan("fleet repair", subject, done, MappingProxyType(concerns), warnings)


def _grouped(steps: Sequence[Step]) -> list[list[Step]]:
    """Return steps by logical object, those of most schemas first."""
    found: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in steps:
        found[step.fact.finding, step.needs_person].append(step)
    return sorted(found.values(), key=lambda each: (each[0].order, -len(each), each[0].fact))


def _repair_line(steps: Sequence[Step]) -> model.Step:
    first = steps[0]
    how = f", locking {first.locks}" if first.locks else ""
    said = "" if first.manner is Manner.STATEMENTS else f"{first.manner.value}: "
    return model.Step(f"{said}{first.fact.finding}, {_where(steps)}{how}", "; ".join(first.statements))


def _person_line(steps: Sequence[Step]) -> str:
    first = steps[0]
    advice = f" A person might run: {first.advice}" if first.advice else ""
    return f"needs a person: {first.fact.finding}, {_where(steps)}. {first.needs_person}{advice}"


def _where(steps: Sequence[Step]) -> str:
    schemas = sorted({step.fact.schema for step in steps} - {""})
    if not schemas:
        return "in the database"
    more = f" and {len(schemas) - _SAMPLE} more" if len(schemas) > _SAMPLE else ""
    return f"in {len(schemas)} schema{'s' if len(schemas) > 1 else ''}: {', '.join(map(repr, schemas[:_SAMPLE]))}{more}"


def by_whom(steps: Sequence[Step], tenants: Mapping[str, Whose], owner: str) -> tuple[Step, ...]:
    """Say of each step whose schema it is about; where somebody else than the owner owns it, a person is needed."""
    return tuple(_owned(step, tenants.get(step.fact.schema), owner) for step in steps)


def _owned(step: Step, whose: Whose | None, owner: str) -> Step:
    if whose is None:
        return step
    found = replace(step, whose=whose)
    if whose.owner in {None, owner}:
        return found
    return found.left(f"The schema is owned by {whose.owner!r}, not by {owner!r}: nothing can be repaired there.")
