"""Tokens written down in the configuration: for deployments whose identity provider cannot be asked."""

from collections.abc import Mapping, Sequence

from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.protocols import TokenRequest, TokenVariant


class StaticTokens:
    """Looks tokens up by user id; only valid ones can be written down."""

    def __init__(self, table: object) -> None:
        if not isinstance(table, Mapping) or not all(isinstance(token, str) for token in table.values()):
            raise ConfigurationInvalid("identity.tokens must be a table of user id = token.")
        self._table: Mapping[str, str] = dict(table)

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return the token of each user, None where none is written down or another variant is wanted."""
        return [self._table.get(wanted.user_id) if wanted.variant is TokenVariant.VALID else None for wanted in requests]

    def forget(self, run: str) -> None:
        """Nothing was made, so nothing is removed."""
