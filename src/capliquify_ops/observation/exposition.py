"""What a service shows of itself at its metrics address, in Prometheus' text format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from capliquify_ops.model.errors import IntegrationFailed

MOST_SAMPLES = 200_000
"""A service with a label for each tenant shows that many; more is no page for a person on call."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number with its labels; it may be infinite, never NaN."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_exposition(text: str) -> tuple[Sample, ...]:
    """Return the samples of a page, without those that are no number. Raises IntegrationFailed for what is no such page."""
    found: list[Sample] = []
    try:
        for family in text_string_to_metric_families(text):
            found += [Sample(each.name, each.labels, each.value) for each in family.samples if not math.isnan(each.value)]
            if len(found) > MOST_SAMPLES:
                raise IntegrationFailed(f"The metrics page has more than {MOST_SAMPLES} numbers.", hint="Drop a label from it.")
    except (ValueError, KeyError, IndexError):
        raise IntegrationFailed("The metrics page is not in Prometheus' text format.", hint="Check routes.metrics.") from None
    if not found:
        raise IntegrationFailed("The metrics page shows no number.", hint="Check routes.metrics of the profile.")
    return tuple(found)
