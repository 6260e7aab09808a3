"""Clerk's Backend API: who is a member of what, sessions and tokens for test users, and whether a session holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from capliquify_ops.integrations import clerk_records as records
from capliquify_ops.integrations.caller import Answer, Caller, Service
from capliquify_ops.integrations.clerk_records import (
    NAME,
    Membership,
    Memberships,
    Session,
    SigningKey,
    SignInToken,
    TestingToken,
)
from capliquify_ops.integrations.clerk_verification import Verification, verify_offline
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import ConfigurationInvalid, NotThere, RateLimited, UsageError
from capliquify_ops.model.secret import Secret

BASE_URL = "https://api.clerk.com/v1"
SETTING = "integrations.clerk.secret_key_env"
PAGE = 500
"""The most that Clerk gives at once."""
MOST_PAGES = 10
"""A user of more than 5,000 organisations is not one that a diagnosis reads whole."""
SHORTEST_LIFE, LONGEST_LIFE = timedelta(seconds=30), timedelta(seconds=315_360_000)
MINUTE, FIVE_MINUTES = timedelta(minutes=1), timedelta(minutes=5)
LIVE = "sk_live_"
"""How the keys of production instances begin."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A sign before an id would turn a filter round: "-user_1" means everybody else."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What an instance allows: requests in a window of so many seconds, for all that use the same secret key together."""

    requests: int
    window_s: int


@dataclass(frozen=True, slots=True)
class RateState:
    """Whether Clerk refuses us by rate at this moment, and for how many seconds it says that it will."""

    is_limited: bool
    retry_after_s: float | None = None


def service(secret_key: Secret, base_url: str = BASE_URL, setting: str = SETTING) -> Service:
    """Describe Clerk to a Caller. Raises ConfigurationInvalid for text that no header can carry."""
    text = secret_key.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationInvalid(f"The variable that {setting} names holds no secret key.", hint="It begins with sk_.")
    return Service(NAME, base_url, setting, {"Authorization": f"Bearer {text}"}, (text,))


def rate_limit(secret_key: Secret) -> RateLimit:
    """Return what Clerk documents for the kind of instance that the key is of; no request tells it."""
    return RateLimit(1000 if secret_key.reveal().startswith(LIVE) else 100, 10)


class Clerk:
    """Operations on one Clerk instance. All raise IntegrationFailed; ids that cannot be ids raise UsageError."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def membership(self, organization_id: str, user_id: str) -> Membership | None:
        """Return the user's membership of the organisation, None when there is none."""
        path = f"/organizations/{checked_id(organization_id)}/memberships"
        query = [("user_id", checked_id(user_id)), ("limit", "1")]
        page = shape_of("GET /organizations/{id}/memberships", self._caller.get(path, query))
        rows = tuple(page.at("data").items())
        if bool(rows) != bool(page.at("total_count").count()):
            raise page.wrong("counts other members than it lists")
        return records.membership(rows[0], user_id) if rows else None

    def organizations_of(self, user_id: str) -> Memberships:
        """Return the user's memberships of all organisations: at most 5,000 of them, and how many were left."""
        found: dict[str, Membership] = {}
        total = offset = 0
        for _ in range(MOST_PAGES):
            query = [("limit", str(PAGE)), ("offset", str(offset))]
            path = f"/users/{checked_id(user_id)}/organization_memberships"
            page = shape_of("GET /users/{id}/organization_memberships", self._caller.get(path, query))
            rows, total = tuple(page.at("data").items()), page.at("total_count").count()
            # A membership that ends meanwhile moves the rest: none is counted twice.
            found |= {each.id: each for each in (records.membership(row, user_id) for row in rows)}
            offset += len(rows)
            if not rows or offset >= total:
                break
        return Memberships(tuple(found.values()), total)

    def create_session(self, user_id: str, organization_id: str | None = None) -> Session:
        """Sign a test user in, without a browser; Clerk refuses it on production instances.

        Not repeatable: each request makes one more session. End it with `revoke_session`.
        """
        body = {"user_id": checked_id(user_id)} | (
            {} if organization_id is None else {"active_organization_id": checked_id(organization_id)}
        )
        return records.session(shape_of("POST /sessions", self._caller.send("POST", "/sessions", body)))

    def session_token(self, session_id: str, life: timedelta = MINUTE) -> Secret:
        """Return a token of the session, valid for `life` (30 s to 10 years).

        Repeatable: a token is signed and nothing is kept; one that got lost ends by itself.
        """
        body = {"expires_in_seconds": _seconds(life, SHORTEST_LIFE)}
        answer = self._caller.send("POST", f"/sessions/{checked_id(session_id)}/tokens", body, is_repeatable=True)
        return Secret(shape_of("POST /sessions/{id}/tokens", answer).at("jwt").filled())

    def revoke_session(self, session_id: str) -> Session:
        """End a session; its tokens hold until they expire. Repeatable: a session that is revoked stays revoked."""
        answer = self._caller.send("POST", f"/sessions/{checked_id(session_id)}/revoke", is_repeatable=True)
        return records.session(shape_of("POST /sessions/{id}/revoke", answer))

    def sign_in_token(self, user_id: str, life: timedelta = FIVE_MINUTES) -> SignInToken:
        """Make a ticket that signs the user in once, in a browser; for production instances, too.

        Not repeatable: each request makes one more ticket, which is good until it is used or expires (1 s to 10 years).
        """
        body = {"user_id": checked_id(user_id), "expires_in_seconds": _seconds(life, timedelta(seconds=1))}
        return records.sign_in_token(shape_of("POST /sign_in_tokens", self._caller.send("POST", "/sign_in_tokens", body)))

    def testing_token(self) -> TestingToken:
        """Return a token for automated browsers. Repeatable: it ends by itself and gives nobody a session."""
        answer = self._caller.send("POST", "/testing_tokens", is_repeatable=True)
        return records.testing_token(shape_of("POST /testing_tokens", answer))

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return the public keys of the instance's session tokens. Clerk counts these requests towards no limit."""
        return records.signing_keys(shape_of("GET /jwks", self._caller.get("/jwks")))

    def session(self, session_id: str) -> Session:
        """Return a session as it is now."""
        return records.session(shape_of("GET /sessions/{id}", self._caller.get(f"/sessions/{checked_id(session_id)}")))

    def verify_session(self, token: Secret, now: datetime, authorized_parties: Sequence[str] = ()) -> Verification:
        """Check a session token by the instance's keys, and then whether its session is still active.

        Clerk has no operation for the first. `now` is aware. Raises ConfigurationInvalid without pyjwt and cryptography.
        """
        offline = verify_offline(token, self.signing_keys(), now, authorized_parties)
        if not offline.is_valid or offline.session_id is None:
            return offline
        why = self._why_not_active(offline.session_id, offline.user_id)
        return Verification(why, offline.user_id, offline.session_id, offline.organization_id, offline.expires_at)

    def rate_state(self) -> RateState:
        """Ask for little (how many users there are) and say whether that is refused by rate.

        The caller's patience counts: with more than one try, a refusal that a short wait ends is not seen.
        """
        try:
            shape_of("GET /users/count", self._caller.get("/users/count")).at("total_count").count()
        except RateLimited as refusal:
            return RateState(is_limited=True, retry_after_s=refusal.retry_after_s)
        return RateState(is_limited=False)

    def _why_not_active(self, session_id: str, user_id: str | None) -> str:
        try:
            found = self.session(session_id)
        except NotThere:
            return "its session does not exist"
        if found.user_id != user_id:
            return "its session is another user's"
        return "" if found.is_active else f"its session is {found.status}"


def shape_of(operation: str, answer: Answer) -> Shape:
    """Return an answer of Clerk's to read from, by the operation that it answers."""
    return Shape(NAME, operation, answer.json)


def checked_id(text: str) -> str:
    """Return an id that can stand in a path and in a filter as it is."""
    if not _ID.fullmatch(text):
        raise UsageError(f"{text!r} is no id of Clerk's.", hint="Such as user_2abc, org_2abc, sess_2abc.")
    return text


def _seconds(life: timedelta, shortest: timedelta) -> int:
    if not shortest <= life <= LONGEST_LIFE:
        raise UsageError(f"A token cannot be valid for {life}.", hint=f"From {shortest} to {LONGEST_LIFE}.")
    return int(life.total_seconds())
