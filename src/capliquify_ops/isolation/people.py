"""The people of an audit and their session tokens."""

import base64
import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock, Enrolling, TokenRequest, TokenSource, TokenVariant

RENEW_BEFORE_S = 15
"""A token this close to its end is replaced: some providers' session tokens live for one minute only."""


@dataclass(frozen=True, slots=True)
class Person:
    """One user in one organisation. `name` is `<tenant>.<role>`, as reports show it; `tenant` the tenant's key."""

    name: str
    tenant: str
    user_id: str
    email: str
    organization_id: str
    role: str
    is_member: bool = True

    def request(self, variant: TokenVariant = TokenVariant.VALID, *, ensure: bool = False) -> TokenRequest:
        """Return what to ask a token source for."""
        return TokenRequest(self.user_id, self.email, self.organization_id, self.role, variant, ensure)


@runtime_checkable
class ClaimSource(Protocol):
    """A token source that also signs, properly, a valid session's claims overlaid with others; None where it cannot."""

    def signed(self, request: TokenRequest, claims: Mapping[str, object]) -> str | None: ...


class Wallet:
    """Session tokens by person and variant: asked for in batches, kept until shortly before they expire."""

    def __init__(self, source: TokenSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[Person, TokenVariant], str | None] = {}

    def enrolled(self, run: str, people: Sequence[Person]) -> list[Person]:
        """Return these people as the provider knows them, made where it gives ids of its own; else as they are named here."""
        if not isinstance(self._source, Enrolling):
            return list(people)
        with self._lock:
            found = self._source.enrol(run, [person.request(ensure=person.is_member) for person in people])
        pairs = zip(people, found, strict=True)
        return [replace(one, user_id=own.user_id, email=own.email, organization_id=own.organization_id) for one, own in pairs]

    def fill(self, people: Iterable[Person], *, ensure: bool) -> None:
        """Ask at once for the valid tokens not had yet; `ensure` makes the members among these people where missing."""
        with self._lock:
            wanted = [person for person in people if (person, TokenVariant.VALID) not in self._kept]
            found = self._source.tokens([person.request(ensure=ensure and person.is_member) for person in wanted])
            for person, token in zip(wanted, found, strict=True):
                self._kept[person, TokenVariant.VALID] = token

    def has(self, person: Person) -> bool:
        """Whether a valid token of this person was had."""
        return self._kept.get((person, TokenVariant.VALID)) is not None

    def token(self, person: Person, variant: TokenVariant = TokenVariant.VALID) -> str:
        """Return a token. Raises CannotTell where the source cannot make it."""
        with self._lock:
            kept = self._kept.get((person, variant))
            if (person, variant) not in self._kept or (variant is TokenVariant.VALID and self._is_ending(kept)):
                kept = self._kept[person, variant] = self._source.tokens([person.request(variant)])[0]
        if kept is None:
            raise CannotTell(f"The identity provider makes no {variant.value.replace('_', ' ')} token for {person.name}.")
        return kept

    def another_session(self, person: Person) -> str:
        """Return a valid token of a session of its own, which may be ended. Raises CannotTell where there is only one."""
        token = self._source.tokens([person.request()])[0]
        if token is None or _session_of(token) == _session_of(self.token(person)):
            raise CannotTell(f"The identity provider makes no second session for {person.name}.")
        return token

    def signed(self, person: Person, claims: Mapping[str, object]) -> str:
        """Return a token that the identity provider signed, with these claims in place of its own.

        Raises CannotTell where the source signs no claims of ours, or signed others.
        """
        token = self._source.signed(person.request(), claims) if isinstance(self._source, ClaimSource) else None
        if token is None or any(parts_of(token)[1].get(name) != value for name, value in claims.items()):
            raise CannotTell(f"The identity provider signs no token with {' and '.join(claims)} of the audit's choice.")
        return token

    def ending(self, person: Person, seconds: int, patience_s: int) -> str:
        """Return a valid token that ends soon: in so many seconds where the source can, else within the patience."""
        end = int(self._clock.now().timestamp()) + seconds
        try:
            return self.signed(person, {"exp": end})
        except OpsError:
            token = self._source.tokens([person.request()])[0] or ""
            if not 0 < seconds_left(token, self._clock) <= patience_s:
                raise CannotTell(f"The identity provider makes no token that ends within {patience_s} s.") from None
            return token

    def _is_ending(self, token: str | None) -> bool:
        return seconds_left(token or "", self._clock) < RENEW_BEFORE_S


def seconds_left(token: str, clock: Clock) -> float:
    """Return how long a token is still good, infinity where it does not say."""
    end = parts_of(token)[1].get("exp")
    return end - clock.now().timestamp() if isinstance(end, int | float) else math.inf


def _session_of(token: str) -> object:
    return parts_of(token)[1].get("sid", token)


def parts_of(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return header and claims of a token without verifying it; empty where it is no JSON web token."""
    pieces = token.split(".")
    if len(pieces) != 3:  # noqa: PLR2004 -- header, payload, signature
        return {}, {}
    return _decoded(pieces[0]), _decoded(pieces[1])


def _decoded(piece: str) -> dict[str, object]:
    try:
        value = json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
