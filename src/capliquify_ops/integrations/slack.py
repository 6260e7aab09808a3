"""Slack as a bot: post a message, answer in its thread, change it later, and see whose token it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.integrations.caller import Answer, Caller, Service
from capliquify_ops.integrations.shape import SECOND, Shape
from capliquify_ops.integrations.slack_message import Message
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
)
from capliquify_ops.model.secret import Secret

NAME = "Slack"
BASE_URL = "https://slack.com"
SETTING = "integrations.slack.token_env"
_WORD = re.compile(r"[^\w.:,-]")
_KINDS: Mapping[str, type[IntegrationFailed]] = {
    **dict.fromkeys(
        ("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "is_inactive"), CredentialRefused
    ),
    **dict.fromkeys(
        ("missing_scope", "no_permission", "not_in_channel", "restricted_action", "cant_update_message", "edit_window_closed"),
        OperationForbidden,
    ),
    **dict.fromkeys(("channel_not_found", "message_not_found", "is_archived"), NotThere),
    **dict.fromkeys(("ratelimited", "rate_limited"), RateLimited),
    **dict.fromkeys(("fatal_error", "internal_error", "request_timeout", "service_unavailable"), ServiceBroken),
}
"""Slack refuses with status 200 and a word."""
_HINTS: Mapping[type[IntegrationFailed], str] = {
    CredentialRefused: f"Set a token that is valid: {SETTING}.",
    OperationForbidden: "Give the app the right to do this, and invite it into the channel.",
    NotThere: "Check the channel in the configuration.",
    RateLimited: "Try again later.",
    ServiceBroken: "See its status page.",
}


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that stands in a channel: `ts` is its id there, and `at` the time when it was posted."""

    channel: str
    ts: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is."""

    team: str
    team_id: str
    user: str
    user_id: str


def slack_service(token: Secret, *, base_url: str = BASE_URL) -> Service:
    """Return where the Web API is, for a bot's token (xoxb-...)."""
    # Slack warns about each body whose type does not name its charset.
    headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json; charset=utf-8"}
    return Service(NAME, base_url, SETTING, headers)


class Slack:
    """Posts as a bot. Every method raises IntegrationFailed, of the kind that Slack's word for the refusal means."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def post(self, channel: str, message: Message, *, thread: Posted | None = None, is_broadcast: bool = False) -> Posted:
        """Post into a channel, or into a thread of it and with `is_broadcast` into both.

        Sent twice it stands there twice: it is sent again only where Slack refused it by rate.
        """
        place = {"channel": channel, **({"thread_ts": thread.ts, "reply_broadcast": is_broadcast} if thread else {})}
        answer = self._caller.send("POST", "/api/chat.postMessage", {**place, **message.document()})
        return _posted(answer, "chat.postMessage")

    def update(self, posted: Posted, message: Message) -> Posted:
        """Put another message in the place of one. It may be repeated: the same message stands there in the end."""
        # Blocks that are not sent are kept: an empty list takes the old ones away.
        body = {"channel": posted.channel, "ts": posted.ts, "blocks": [], **message.document()}
        return _posted(self._caller.send("POST", "/api/chat.update", body, is_repeatable=True), "chat.update")

    def identity(self) -> Identity:
        """Say whose token it is, which shows that it is valid."""
        row = _success(self._caller.get("/api/auth.test"), "auth.test")
        return Identity(*(row.at(key).text() for key in ("team", "team_id", "user", "user_id")))


def _success(answer: Answer, operation: str) -> Shape:
    """Return the answer of a success. Raises IntegrationFailed."""
    row = Shape(NAME, operation, answer.json)
    if row.at("ok").flag():
        return row
    word, needed = row.at("error").text(), row.at("needed").maybe_text()
    kind = _KINDS.get(word, IntegrationFailed)
    more = f" (it needs {_plain(needed)})" if needed else ""
    raise kind(f"{NAME} refused {operation}: {_plain(word)}{more}.", hint=_HINTS.get(kind, ""))


def _plain(word: str) -> str:
    """Slack's words are letters; whatever else comes in their place is not shown."""
    return _WORD.sub("?", word)[:80]


def _posted(answer: Answer, operation: str) -> Posted:
    row = _success(answer, operation)
    ts = row.at("ts")
    return Posted(row.at("channel").text(), ts.text(), ts.since_1970(ts.figure(), SECOND))
