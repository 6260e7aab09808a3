"""Statements as values: what a plan shows is what is run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.plan import Step


@dataclass(frozen=True, slots=True)
class Act:
    """One statement of a verb: a template for `fill` with its names and values, and how many rows it must concern (None: any)."""

    action: str
    template: str
    names: Mapping[str, str]
    rows: int | None = None

    def step(self) -> Step:
        """Return the act as a plan shows it, values filled in."""
        return Step(self.action, fill(self.template, self.names).as_string(None))


def perform(session: Session, acts: Iterable[Act]) -> None:
    """Run acts within the open transaction. Raises TenantConflict when one concerns more or fewer rows than it must."""
    for act in acts:
        concerned = session.execute(fill(act.template, act.names))
        if act.rows is not None and concerned != act.rows:
            message = f"{act.action.capitalize()}: {concerned} rows instead of {act.rows}, so nothing was changed."
            raise TenantConflict(
                message, hint="Something else changed the row at the same time: look, and run the command again."
            )
