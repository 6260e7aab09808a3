"""Messages of e-mail as a test sink keeps them: to whom, about what, and each of their parts decoded. Pure."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message as Mime
from email.utils import getaddresses

RECIPIENTS = frozenset(
    {
        "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "apparently-to", "delivered-to", "envelope-to",
        "x-original-to", "x-envelope-to", "x-forwarded-to", "x-rcpt-to", "x-rcptto", "x-recipient", "x-recipients",
    }
)  # fmt: skip
"""Headers that say who gets a message, the sink's own record of the envelope among them."""
_TRACE = "received"
"""What transports write on the way; it may repeat the recipients."""
_MBOX_START = b"From "
_MBOX_LINE = re.compile(rb"(?m)^From \S+ .*\d{4}\r?$")
_RULE = re.compile(rb"(?m)^-{79}\r?$")
"""The line between the messages of one connection where a framework writes them into one file."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `headers` are the decoded ones that name no recipient, `parts` the decoded bodies and attachments."""

    recipients: frozenset[str]
    subject: str
    headers: Mapping[str, str] = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)


def messages_of(content: bytes) -> tuple[Message, ...]:
    """Return the messages that a file holds: one, as a rule; those without any recipient are left out."""
    found = (_message(message_from_bytes(piece)) for piece in _pieces(content))
    return tuple(one for one in found if one.recipients)


def _pieces(content: bytes) -> list[bytes]:
    separator = _MBOX_LINE if content.startswith(_MBOX_START) else _RULE
    return [piece.lstrip(b"\r\n") for piece in separator.split(content) if piece.strip()]


def _message(mime: Mime) -> Message:
    recipients = [str(value) for name, value in mime.items() if name.lower() in RECIPIENTS]
    headers: dict[str, str] = {}
    for name, value in mime.items():
        if name.lower() not in RECIPIENTS and name.lower() != _TRACE:
            headers[name.lower()] = f"{headers.get(name.lower(), '')} {_decoded(value)}".lstrip()
    addresses = {address.strip().lower() for _, address in getaddresses(recipients)}
    return Message(frozenset(one for one in addresses if "@" in one), headers.get("subject", ""), headers, tuple(_parts(mime)))


def _decoded(value: object) -> str:
    """Return a header's value as it is read, encoded words (RFC 2047) opened; one that is malformed as it stands."""
    text = str(value)
    with suppress(MessageError, LookupError, ValueError):
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())


def _parts(mime: Mime) -> Iterator[bytes]:
    """Yield what the parts hold, and what they and messages inside the message are called."""
    for text in (mime.preamble, mime.epilogue):
        if text:
            yield text.encode("utf-8", "surrogateescape")
    for part in mime.walk():
        if part is not mime:
            yield "\n".join(_decoded(value) for value in (*part.values(), part.get_filename() or "")).encode("utf-8", "replace")
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content
