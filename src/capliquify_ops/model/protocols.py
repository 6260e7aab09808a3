"""What lower layers are given from outside, so that they can be strangers to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Gives the time: aware UTC for stamps, monotonic seconds for durations."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


class RawSink(Protocol):
    """Keeps raw bytes by content and returns their SHA-256 in hexadecimal."""

    def keep(self, content: bytes) -> str: ...


class TokenVariant(StrEnum):
    """Which kind of session token is wanted."""

    VALID = "valid"
    EXPIRED = "expired"
    TAMPERED = "tampered"
    FOREIGN_ENVIRONMENT = "foreign_environment"
    SIGNED_OUT = "signed_out"
    PLATFORM_ADMIN = "platform_admin"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """For whom a token is wanted; `ensure` makes user, organisation and membership where they are missing.

    `lasting_s`: for how long it has to be good; 0 leaves that to the provider. Who cannot say so much gives what it has.
    """

    user_id: str
    email: str
    organization_id: str
    role: str
    variant: TokenVariant = TokenVariant.VALID
    ensure: bool = False
    lasting_s: int = 0


class TokenSource(Protocol):
    """Makes session tokens, in the order asked; None where this source cannot make that variant."""

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]: ...
    def forget(self, run: str) -> None: ...


@runtime_checkable
class Enrolling(Protocol):
    """A token source whose provider gives ids itself: people are made before anything else knows them.

    Ids and addresses of the requests hold the run, but for organisations that are there already. What comes back has the
    provider's ids, and it is those that tokens are then asked for with; the same again makes nothing new.
    """

    def enrol(self, run: str, requests: Sequence[TokenRequest]) -> list[TokenRequest]: ...


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What the service answered: HTTP status, and the error code of its body ("" without one)."""

    status: int
    code: str


class ServiceProbe(Protocol):
    """Asks the service once, over a connection of its own and with a tenant's own identity. Raises OpsError without an answer."""

    def ask(self) -> ProbeAnswer: ...
