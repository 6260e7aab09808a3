"""What Clerk answers, as records: memberships, sessions, tokens, signing keys. Credentials are Secret; metadata is never read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from capliquify_ops.integrations.shape import MILLISECOND, SECOND, Shape
from capliquify_ops.model.secret import Secret

NAME = "Clerk"
_PUBLIC_PARTS = MappingProxyType({"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")})
"""RFC 7517 and 8037. Whatever else a key carries, such as its private part, is left where it is."""


@dataclass(frozen=True, slots=True)
class Membership:
    """One user in one organisation; `role` is a key such as "org:admin"."""

    id: str
    organization_id: str
    user_id: str
    role: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memberships:
    """Memberships in the service's order; `total` is how many it counts, `left` how many of them were not read."""

    found: tuple[Membership, ...]
    total: int

    @property
    def left(self) -> int:
        """How many memberships the service has beyond those that were read."""
        return max(0, self.total - len(self.found))


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session. `status` is the service's own word, also one that is not known here."""

    id: str
    user_id: str
    status: str
    organization_id: str | None
    created_at: datetime
    expires_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether the service would let this session in."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class SignInToken:
    """A ticket that signs its user in once: whoever holds `token` or `url` is that user."""

    id: str
    user_id: str
    status: str
    token: Secret
    url: Secret | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TestingToken:
    """What lets automated browsers past bot protection, for `__clerk_testing_token` of the Frontend API."""

    __test__ = False  # a record, though its name begins as those of test classes do
    token: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The public half of a key that signs session tokens, in the parts that JSON Web Keys name."""

    id: str
    kind: str
    algorithm: str
    parts: Mapping[str, str]


def membership(shape: Shape, user_id: str) -> Membership:
    """Read a membership of the user that was asked for. Raises IntegrationFailed when it is another user's."""
    user = shape.at("public_user_data")
    if not user.is_missing and user.at("user_id").filled() != user_id:
        raise shape.wrong("is about another user")
    return Membership(
        id=shape.at("id").filled(),
        organization_id=shape.at("organization").at("id").filled(),
        user_id=user_id,
        role=shape.at("role").filled(),
        permissions=tuple(each.text() for each in shape.at("permissions").items()),
    )


def session(shape: Shape) -> Session:
    """Read a session. Raises IntegrationFailed, as all that follow do."""
    return Session(
        id=shape.at("id").filled(),
        user_id=shape.at("user_id").filled(),
        status=shape.at("status").filled(),
        organization_id=shape.at("last_active_organization_id").maybe_text(),
        created_at=_time(shape.at("created_at"), MILLISECOND),
        expires_at=_time(shape.at("expire_at"), MILLISECOND),
    )


def sign_in_token(shape: Shape) -> SignInToken:
    """Read a sign-in token."""
    return SignInToken(
        id=shape.at("id").filled(),
        user_id=shape.at("user_id").filled(),
        status=shape.at("status").filled(),
        token=Secret(shape.at("token").filled()),
        url=Secret(url) if (url := shape.at("url").maybe_text()) else None,
        created_at=_time(shape.at("created_at"), MILLISECOND),
    )


def testing_token(shape: Shape) -> TestingToken:
    """Read a testing token, whose end alone of all times is counted in seconds."""
    return TestingToken(Secret(shape.at("token").filled()), _time(shape.at("expires_at"), SECOND))


def signing_keys(shape: Shape) -> tuple[SigningKey, ...]:
    """Read the public keys of a JSON Web Key Set; symmetric keys and those of unknown kinds verify nothing and are left out."""
    known = [row for row in shape.at("keys").items() if row.at("kty").maybe_text() in _PUBLIC_PARTS]
    return tuple(_signing_key(row, row.at("kty").text()) for row in known)


def _signing_key(row: Shape, kind: str) -> SigningKey:
    parts = MappingProxyType({name: row.at(name).filled() for name in _PUBLIC_PARTS[kind]})
    return SigningKey(row.at("kid").filled(), kind, row.at("alg").filled(), parts)


def _time(shape: Shape, unit: timedelta) -> datetime:
    return shape.since_1970(shape.count(), unit)
