"""Slack as it answers: status 200 whatever happens for a bot, plain text for a webhook, and messages that stand in channels."""

import json
from datetime import UTC, datetime
from functools import cache

from openapi_schema_validator import OAS31Validator

from .published import FOLDER, published

TOKEN = "xoxb-only-for-this-test"
WEBHOOK = "https://hooks.slack.com/services/T0TEAM/B0HOOK/onlyForThisTest"
CHANNEL = "C0123456789"
_BLOCKS = "slack-blocks.schema.json"


def opened(document):
    """Success and error schemas are closed, of 2020: real answers have newer fields (warning, response_metadata) and words."""
    for responses in (operation["responses"] for item in document["paths"].values() for operation in item.values()):
        success, refusal = (responses[status]["schema"] for status in ("200", "default"))
        for schema in (success, refusal):
            schema["additionalProperties"] = True
        refusal.get("properties", {}).get("error", {}).pop("enum", None)
        # Blocks are a list, of which the answer to chat.update says that it is an object.
        success.get("properties", {}).get("message", {}).get("properties", {}).pop("blocks", None)
        # A refusal comes with status 200 as well.
        responses["200"]["schema"] = {"anyOf": [success, refusal]}
    document["definitions"]["objs_message"]["additionalProperties"] = True


@cache
def documents():
    """The published document of the Web API, and the schema of a message; None for each that is not here."""
    web = published("slack.json", patch=opened) if (FOLDER / "slack.json").is_file() else None
    path = FOLDER / _BLOCKS
    return web, OAS31Validator(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def wrong_in(message):
    """What Slack would refuse of a message."""
    _, blocks = documents()
    if blocks is None:
        return [] if message.get("text") and len(message.get("blocks", [])) <= 50 else ["no text, or too many blocks"]
    return [error.message[:200] for error in blocks.iter_errors(message)]


class FakeSlack:
    """Keeps messages by ts; `answers` are all (method, path, status, document), `problems` what nobody may send."""

    def __init__(self):
        self.messages, self.answers, self.problems = {}, [], []
        self.channels, self.archived, self.scopes = {CHANNEL}, set(), {"chat:write"}
        self._document, _ = documents()

    def answer(self, asked):
        if asked.path.startswith("/services/"):
            return self._webhook(asked)
        path = asked.path.removeprefix("/api")
        try:
            if self._document:
                self._document.check_request(asked, path)
                self._check_names(asked, path)
            body = self._called(asked, path)
        except AssertionError as problem:
            self.problems.append(str(problem))
            body = {"ok": False, "error": "invalid_arguments"}
        self.answers.append((asked.method, path, 200, body))
        return 200, body

    def _check_names(self, asked, path):
        """The document has the body as form fields; as JSON their names are the same."""
        if asked.method == "POST":
            _, parameters, _ = self._document.operation("POST", path)
            known = {each["name"]: each for each in parameters if each["in"] == "formData"}
            assert set(asked.body) <= set(known), f"{path} knows no {set(asked.body) - set(known)}"
            assert {name for name, each in known.items() if each.get("required")} <= set(asked.body)

    def _called(self, asked, path):
        assert asked.headers.get("content-type") == "application/json; charset=utf-8"
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        if path == "/auth.test":
            names = {
                "url": "https://example.slack.com/",
                "team": "Example",
                "team_id": "T0TEAM",
                "user": "ops",
                "user_id": "U0OPS",
            }
            return {"ok": True, **names, "bot_id": "B0123456789", "is_enterprise_install": False, "brand_new": 1}
        if "chat:write" not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "chat:read"}
        body = asked.body
        if body["channel"] not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        if body["channel"] in self.archived:
            return {"ok": False, "error": "is_archived"}
        return self._posted(body) if path == "/chat.postMessage" else self._updated(body)

    def _posted(self, body):
        if wrong := wrong_in(body):
            self.problems += wrong
            return {"ok": False, "error": "invalid_blocks"}
        ts = f"{datetime(2030, 1, 1, tzinfo=UTC).timestamp():.0f}.{len(self.messages) + 1:06}"
        self.messages[ts] = dict(body)
        message = {"type": "message", "subtype": "bot_message", "text": body["text"], "ts": ts}
        return {"ok": True, "channel": body["channel"], "ts": ts, "message": message, "warning": "brand_new_warning"}

    def _updated(self, body):
        if body["ts"] not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        # Blocks that are not sent are kept; an empty list takes them away.
        shown = {key: value for key, value in body.items() if key != "ts" and value != []}
        if wrong := wrong_in(shown):
            self.problems += wrong
            return {"ok": False, "error": "invalid_blocks"}
        kept = {key: value for key, value in self.messages[body["ts"]].items() if key not in body}
        self.messages[body["ts"]] = kept | shown
        return {
            "ok": True,
            "channel": body["channel"],
            "ts": body["ts"],
            "text": body["text"],
            "message": {"text": body["text"], "blocks": shown.get("blocks", [])},
        }

    def _webhook(self, asked):
        """Plain text for success and refusal alike, and no ts."""
        if not WEBHOOK.endswith(asked.path):
            return 404, b"no_service"
        if CHANNEL in self.archived:
            return 410, b"channel_is_archived"
        wrong = wrong_in(asked.body) + [f"{name} is not a webhook's" for name in ("channel", "ts") if name in asked.body]
        if wrong or "authorization" in asked.headers or asked.headers.get("content-type") != "application/json":
            self.problems += wrong or ["a webhook has no credential but its address"]
            return 400, b"invalid_payload"
        self.messages[str(len(self.messages))] = asked.body
        return 200, b"ok"
