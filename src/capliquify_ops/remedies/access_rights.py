"""Repairs of access_rights: what PUBLIC and roles of nobody's knowledge were granted in tenants' schemas is revoked; pure.

What the application has by way of PUBLIC alone it would lose: then a person grants it by name first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capliquify_ops.database import quoted
from capliquify_ops.integrity.access_rights import CHECK
from capliquify_ops.integrity.faults import Fault
from capliquify_ops.remedies.repair_plan import Fact, Plan, Stage, Step, for_person

RANK = 6
PUBLIC = ("open schema", "open relation")
ROLE = "foreign role"
_WHY = "Whether something counts on it is not known here."
_INDIRECT = "It holds rights by membership, by ownership or by default privileges: take it out where they come from."
_GIVEN_ON = "It has given rights on {} to others, who would lose them with it: see whose they are, and grant them by name first."
_LOST = "The application's role has it by way of PUBLIC alone, and would lose it: grant it by name first."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role holds on a schema (`relation` empty), a relation or a column; `role` is empty for PUBLIC.

    `is_needed`: the application's role holds some of it in no other way; `is_given_on`: the role granted it to somebody else.
    """

    schema: str
    role: str
    relation: str
    column: str
    rights: str
    is_needed: bool
    is_given_on: bool

    @property
    def target(self) -> str:
        """What it is on, as GRANT takes it."""
        return f"TABLE {quoted(self.schema, self.relation)}" if self.relation else f"SCHEMA {quoted(self.schema)}"

    @property
    def object(self) -> str:
        """What the check calls it, of what PUBLIC holds."""
        return f"{self.relation}.{self.column}" if self.column else self.relation or self.rights


def steps(faults: Iterable[Fault], found: Iterable[Grant], app: str) -> tuple[Step, ...]:
    """Return a step for each fault; `found` are the grants of the schemas and roles at fault."""
    open_: dict[tuple[str, str, str], list[Grant]] = defaultdict(list)
    held: dict[tuple[str, str], list[Grant]] = defaultdict(list)
    for one in found:
        if one.role:
            held[one.schema, one.role].append(one)
        else:
            open_[one.schema, PUBLIC[bool(one.relation)], one.object].append(one)
    return tuple(_step(fault, held, open_, app) for fault in faults)


def strangers(plan: Plan) -> frozenset[tuple[str, str]]:
    """Return the schemas and the roles that a plan takes their rights from."""
    found = (step.fact for step in plan.repairs if step.fact.check == CHECK and step.fact.kind == ROLE)
    return frozenset((fact.schema, fact.object) for fact in found)


def _step(
    fault: Fault, held: Mapping[tuple[str, str], list[Grant]], open_: Mapping[tuple[str, str, str], list[Grant]], app: str
) -> Step:
    fact = Fact(CHECK, fault.kind, fault.object, fault.schema)
    if fault.kind == ROLE and fault.schema:
        return _revoked(fact, held.get((fault.schema, fault.object), []), app)
    if fault.kind in PUBLIC and fault.schema:
        return _revoked(fact, open_.get((fault.schema, fault.kind, fault.object), []), app)
    return for_person(fact, _WHY)


def _revoked(fact: Fact, grants: list[Grant], app: str) -> Step:
    if not grants:
        return for_person(fact, _INDIRECT)
    if needed := [one for one in grants if one.is_needed]:
        given = f"GRANT {_rights(needed[0])} ON {needed[0].target} TO {quoted(app)}"
        return for_person(fact, _LOST, given)
    if given_on := [one.target for one in grants if one.is_given_on]:
        return for_person(fact, _GIVEN_ON.format(given_on[0]))
    whose = quoted(fact.object) if fact.kind == ROLE else "PUBLIC"
    statements = [f"REVOKE {_rights(one)} ON {one.target} FROM {whose}" for one in grants]
    locks = "nothing: who begins a query afterwards is asked for its own rights"
    return Step(fact, (Stage(tuple(statements)),), locks=locks, order=(RANK, 0))


def _rights(grant: Grant) -> str:
    if not grant.column:
        return grant.rights
    return ", ".join(f"{right} ({quoted(grant.column)})" for right in grant.rights.split(", "))
