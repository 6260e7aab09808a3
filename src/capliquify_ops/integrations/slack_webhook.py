"""Slack's incoming webhook: one address that posts into one channel. The address is the secret."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.integrations.caller import Answer, Caller, Service
from capliquify_ops.integrations.slack_message import Message
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, NotThere, OperationForbidden, RateLimited
from capliquify_ops.model.secret import Secret

NAME = "Slack webhook"
SETTING = "integrations.slack.webhook_env"
_PIECES = 5
_SAID = 100
_HINTS = {
    IntegrationFailed: "Slack does not take this message (invalid_payload, user_not_found).",
    OperationForbidden: "The workspace forbids it, or the address is not valid (action_prohibited, invalid_token).",
    NotThere: f"The channel or the webhook is gone (channel_not_found, channel_is_archived): make a new one, set {SETTING}.",
}
"""What the statuses mean: Slack tells the reason as plain text, in these words."""


def slack_webhook_service(url: Secret, *, base_url: str = "") -> Service:
    """Return where the webhook is; only the host stands in the service, the rest of the address is masked in every error.

    Raises ConfigurationInvalid when it is no address of a webhook.
    """
    host, path = _parts(url)
    return Service(NAME, base_url or f"https://{host}", SETTING, secrets=(url.reveal().strip(), path, *path.split("/")[-1:]))


def _parts(url: Secret) -> tuple[str, str]:
    """Return the host and the path of a webhook's address. Raises ConfigurationInvalid."""
    try:
        parts = urlsplit(url.reveal().strip())
    except ValueError:
        parts = urlsplit("")
    pieces = parts.path.split("/")
    if parts.scheme != "https" or "@" in parts.netloc or len(pieces) != _PIECES or not all((parts.netloc, *pieces[1:])):
        hint = "It looks like https://hooks.slack.com/services/T.../B.../..."
        raise ConfigurationInvalid(f"{SETTING} holds no address of a webhook.", hint=hint)
    return parts.netloc, parts.path


class SlackWebhook:
    """Posts into the one channel of a webhook. What it posted can be neither changed nor answered: Slack gives no id for it."""

    def __init__(self, caller: Caller, url: Secret) -> None:
        self._caller = caller
        self._path = Secret(_parts(url)[1])
        self._redactor = Redactor(caller.service.secrets)

    def post(self, message: Message) -> None:
        """Post into the channel. Raises IntegrationFailed.

        Sent twice it stands there twice: it is sent again only where Slack refused it by rate.
        """
        with _quiet(self._redactor):
            answer = self._sent(message)
        if isinstance(answer, IntegrationFailed):
            raise answer
        if answer.text.strip() != "ok":
            said = self._redactor.text(" ".join(answer.text.split()))[:_SAID]
            raise IntegrationFailed(f"{NAME} answered {said!r} instead of 'ok'.", hint=f"Check the address: {SETTING}.")

    def _sent(self, message: Message) -> Answer | IntegrationFailed:
        """Return the fault instead of raising it, so that the one with the address in it is not its context."""
        try:
            return self._caller.send("POST", self._path.reveal(), message.document())
        except RateLimited as fault:
            return RateLimited(self._redactor.text(fault.what), hint=fault.hint, retry_after_s=fault.retry_after_s)
        except IntegrationFailed as fault:
            return type(fault)(self._redactor.text(fault.what), hint=_HINTS.get(type(fault), fault.hint))


@contextmanager
def _quiet(redactor: Redactor) -> Iterator[None]:
    """Mask the address in the log of the HTTP library, which names every address that it asks."""

    def masked(record: logging.LogRecord) -> bool:
        record.msg, record.args = redactor.text(record.getMessage()), ()
        return True

    log = logging.getLogger("httpx")
    log.addFilter(masked)
    try:
        yield
    finally:
        log.removeFilter(masked)
