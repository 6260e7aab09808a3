"""The four roles of a deployment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Roles:
    """Role names.

    owner (NOLOGIN) owns tables, tenant schemas and functions; the service connects as app; observer only reads;
    operator may become owner.
    """

    owner: str = "capliquify_owner"
    app: str = "capliquify_app"
    observer: str = "capliquify_observer"
    operator: str = "capliquify_operator"
