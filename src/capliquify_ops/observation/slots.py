"""Free connection slots: a look at a full server must not take the last one from whoever mends it."""

from dataclasses import dataclass

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import TargetUnreachable


@dataclass(frozen=True, slots=True)
class Slots:
    """Free slots beside this session, and how many of all are kept: for superusers, and for roles with the right to them."""

    free: int
    for_superusers: int
    for_reserved: int
    is_superuser: bool

    @property
    def is_from_reserve(self) -> bool:
        """Whether this session got in where an ordinary role would have been refused."""
        return self.free < self.for_superusers + self.for_reserved

    @property
    def left(self) -> int:
        """How many more sessions of this role's kind would get in."""
        return self.free if self.is_superuser else self.free - self.for_superusers


def require_slot_to_spare(session: Session) -> None:
    """Raise TargetUnreachable where this session took the last slot of a reserve: it is left at once."""
    with session.transaction():
        [slots] = session.rows(load("capliquify_ops.observation", "connection_slots"), Slots)
    if slots.is_from_reserve and slots.left < 1:
        raise TargetUnreachable(
            "The server has no free connection slot but the last reserved one, which was left again.",
            hint="Free one, or try again later.",
        )
