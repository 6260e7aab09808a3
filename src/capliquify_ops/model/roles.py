"""The four roles of a deployment."""

from dataclasses import asdict, dataclass


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

    def names(self) -> dict[str, str]:
        """Return the four names by role: what scripts with `:"owner"` and the like are filled with."""
        return asdict(self)
