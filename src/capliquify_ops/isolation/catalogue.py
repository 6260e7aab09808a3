"""The three tables: 18 scenarios, 20 controls and the families, each with its check id, severity and measuring function."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from capliquify_ops.configuration.nearest import nearest
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import CheckId, check_id
from capliquify_ops.model.outcome import Severity


@dataclass(frozen=True, slots=True)
class Control:
    """One row of a table. `measure` is `module.function` of this package. `is_quick`: also part of a quick audit.

    `is_read_only`: it only reads, so that a production target whose owner names it is measured too.
    `surfaces`: where the profile says of each of them why the service has none, there is nothing to measure.
    """

    id: str
    check: CheckId
    severity: Severity
    measure: str
    is_quick: bool = True
    surfaces: tuple[str, ...] = ()
    is_read_only: bool = False


@cache
def controls() -> tuple[Control, ...]:
    """Return the security controls, in their order."""
    return _table("controls")


@cache
def scenarios() -> tuple[Control, ...]:
    """Return the integration scenarios, in their order."""
    return _table("scenarios")


@cache
def families() -> tuple[Control, ...]:
    """Return the families of attacks, in their order."""
    return _table("families")


def named(check: str, table: tuple[Control, ...]) -> Control:
    """Return one row by its check id. Raises UsageError for an unknown one."""
    for row in table:
        if row.check == check:
            return row
    raise UsageError(f"There is no check {check!r} in this table.", hint=nearest(check, [row.check for row in table]))


def _table(name: str) -> tuple[Control, ...]:
    text = resources.files("capliquify_ops.isolation").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)[name]
    return tuple(
        Control(
            id=row["id"],
            check=check_id(row["check"]),
            severity=Severity(row["severity"]),
            measure=row["measure"],
            is_quick=row.get("depth", "quick") == "quick",
            surfaces=tuple(row.get("surfaces", ())),
            is_read_only=row.get("read_only", False),
        )
        for row in rows
    )
