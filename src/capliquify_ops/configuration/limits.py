"""Every threshold once: value, operator, unit, source."""

import math
import operator
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.finding import Limit, Scalar

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds in force, by key."""

    by_key: Mapping[str, Limit]

    def __getitem__(self, key: str) -> Limit:
        return self.by_key[key]

    def number(self, key: str) -> float:
        """Return a threshold's value as a number."""
        return float(self.by_key[key].value)


def require_tightened(overrides: Mapping[str, object], source: str) -> None:
    """Refuse an override that is looser than the packaged limit: a claim of the sign-off sheet names the packaged number."""
    packaged = load_limits()
    for key, limit in load_limits(overrides, source).by_key.items():
        ours, theirs = packaged.number(key), float(limit.value)
        looser = theirs > ours if limit.operator in {"<", "<="} else theirs < ours
        if looser:
            raise ConfigurationInvalid(
                f"{source}: limits.{key} = {limit.value} is looser than {limit.operator} {packaged[key].value}.",
                hint="A limit can be tightened here, not loosened.",
            )


def load_limits(overrides: Mapping[str, object] | None = None, source: str = "") -> Limits:
    """Return the packaged thresholds with a deployment's own numbers over them. Raises ConfigurationInvalid."""
    text = resources.files("capliquify_ops.configuration").joinpath("thresholds.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    found = {key: Limit(row["value"], row["operator"], row["source"]) for key, row in table.items()}
    for key, value in (overrides or {}).items():
        if key not in found:
            raise unknown("limit", key, found, source)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigurationInvalid(f"{source}: limits.{key} must be a finite number that is not negative.")
        found[key] = Limit(value, found[key].operator, f"{source} [limits]")
    return Limits(found)


def holds(measured: Scalar, limit: Limit) -> bool:
    """Whether `measured <operator> limit`. Raises ConfigurationInvalid for an operator that is none of < <= > >=."""
    if limit.operator not in _OPERATORS:
        raise ConfigurationInvalid(f"{limit.operator!r} is not an operator of a limit.", hint="Use < <= > or >=.")
    return bool(_OPERATORS[limit.operator](float(measured), float(limit.value)))
