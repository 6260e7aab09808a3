"""Compare a measured number with a limit by the limit's own operator."""

import operator

from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.finding import Limit, Scalar

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def holds(measured: Scalar, limit: Limit) -> bool:
    """Whether `measured <operator> limit`. Raises ConfigurationInvalid for an operator that is none of < <= > >=."""
    if limit.operator not in _OPERATORS:
        raise ConfigurationInvalid(f"{limit.operator!r} is not an operator of a limit.", hint="Use < <= > or >=.")
    return bool(_OPERATORS[limit.operator](float(measured), float(limit.value)))
