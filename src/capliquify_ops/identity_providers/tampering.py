"""Tokens that were changed after they were signed."""


def tampered(token: str) -> str:
    """Change the payload and keep the signature: swap two different neighbouring characters of the payload."""
    head, payload, signature = token.split(".")
    at = next(i for i in range(8, len(payload) - 1) if payload[i] != payload[i + 1])
    return ".".join((head, payload[:at] + payload[at + 1] + payload[at] + payload[at + 2 :], signature))
