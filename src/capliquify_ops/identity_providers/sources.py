"""From a target's [identity] table to the source of its tokens."""

from pathlib import Path

from capliquify_ops.configuration import Identity
from capliquify_ops.configuration.secret_file import read_secret_file
from capliquify_ops.identity_providers.clerk import ClerkTokens
from capliquify_ops.identity_providers.command import CommandTokens
from capliquify_ops.identity_providers.static import StaticTokens
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.protocols import Clock, TokenSource


def token_source(identity: Identity, clock: Clock) -> TokenSource:
    """Return the source of tokens that a target configures. Raises ConfigurationInvalid."""
    options = identity.options
    match identity.provider:
        case "command":
            command = options.get("command")
            if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
                raise ConfigurationInvalid("identity.command must be a list of texts.")
            return CommandTokens(command)
        case "static":
            return StaticTokens(options.get("tokens"))
        case "jwt":
            from capliquify_ops.identity_providers.jwt import JwtTokens  # noqa: PLC0415  # needs an extra

            key = read_secret_file(Path(str(options.get("key_file", ""))), "identity.key_file")
            return JwtTokens(key, options, clock)
        case "clerk":
            return ClerkTokens(options, clock)
        case "":
            raise ConfigurationInvalid(
                "The target has no [identity], so no tokens can be had.",
                hint='Set provider = "clerk", "command", "static" or "jwt".',
            )
        case other:
            raise ConfigurationInvalid(
                f"The identity provider {other!r} is unknown.",
                hint='Use provider = "clerk", "command", "static" or "jwt".',
            )
