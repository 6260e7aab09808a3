"""A source of tokens that tells the redactor each token it hands out."""

from collections.abc import Mapping, Sequence

from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.protocols import Enrolling, TokenRequest, TokenSource


class Remembering:
    """Passes requests on; a token that was handed out is never written anywhere, whatever it looks like."""

    def __init__(self, source: TokenSource, redactor: Redactor) -> None:
        self._source = source
        self._redactor = redactor

    def enrol(self, run: str, requests: Sequence[TokenRequest]) -> list[TokenRequest]:
        """Have people made where the provider gives ids of its own; else nothing is done and nothing changes."""
        return self._source.enrol(run, requests) if isinstance(self._source, Enrolling) else list(requests)

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return the tokens asked for."""
        found = self._source.tokens(requests)
        for token in found:
            if token is not None:
                self._redactor.learn(token)
        return found

    def signed(self, request: TokenRequest, claims: Mapping[str, object]) -> str | None:
        """Return a token with these claims over its own, None where the source signs none of ours."""
        sign = getattr(self._source, "signed", None)
        token: str | None = sign(request, claims) if sign is not None else None
        if token is not None:
            self._redactor.learn(token)
        return token

    def forget(self, run: str) -> None:
        """Remove what a run made."""
        self._source.forget(run)
