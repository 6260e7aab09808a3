"""The token maker of the embedded stack: what `capliquify-ops reference tokens` does for the identity provider `command`.

It holds the stack's signing key, as a real provider would, and speaks to the service and the identity process over HTTP.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from capliquify_ops.http_client import Client
from capliquify_ops.model.protocols import Clock, TokenRequest, TokenVariant
from capliquify_ops.reference import credentials, keys, token_settings
from capliquify_ops.reference.members import Members
from capliquify_ops.reference.token_settings import TokenSettings

LIFETIME = timedelta(hours=12)
"""Longer than any run against an embedded stack, so that no token ends in the middle of a measurement."""
EXPIRED_FOR = timedelta(hours=1)
"""Far beyond the leeway that any service grants to clocks."""
_FOREIGN_KEY_ID = "foreign"
_FOREIGN_ISSUER = "https://identity.foreign.invalid"
_SIGNED_FOR = "org_signed_for_another"
_OK = 200
Claims = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class _Maker:
    """One batch: settings, both keys, and the time that all its tokens share."""

    settings: TokenSettings
    signing: RSAPrivateKey
    foreign: RSAPrivateKey
    now: int
    service: Client

    def token(self, request: TokenRequest) -> str | None:
        """Return the token asked for, None where the service does not let it be made."""
        return _MAKERS[request.variant](self, request)

    def claims(self, request: TokenRequest) -> Claims:
        """Return what a session token says; a platform administrator has no organisation."""
        whole: dict[str, str | int | bool] = {
            "iss": self.settings.issuer,
            "azp": self.settings.authorized_party,
            "sub": request.user_id,
            "sid": f"sess_{credentials.token()}",
            "iat": self.now,
            "nbf": self.now,
            "exp": self.now + max(int(LIFETIME.total_seconds()), request.lasting_s),
        }
        if request.variant is TokenVariant.PLATFORM_ADMIN:
            return whole | {"platform_admin": True}
        return whole | {"org_id": request.organization_id}

    def signed(self, claims: Claims) -> str:
        """Sign as this stack's identity provider."""
        return jwt.encode(dict(claims), self.signing, algorithm="RS256", headers={"kid": keys.KEY_ID})


def make_tokens(run_folder: Path, requests: Sequence[TokenRequest], clock: Clock) -> list[str | None]:
    """Return one session token for each request, None where a variant cannot be made.

    `ensure` first makes the membership in the identity process. Raises UsageError when the folder is not that of a running
    stack, TargetUnreachable or IntegrationFailed when the stack does not answer.
    """
    settings = token_settings.load(run_folder)
    with Members(run_folder, settings) as members:
        for request in requests:
            if request.ensure and request.variant is not TokenVariant.PLATFORM_ADMIN:
                members.put(request)
    with Client(settings.base_url) as service:
        signing, foreign = (_key(run_folder / name) for name in (keys.SIGNING, keys.FOREIGN))
        maker = _Maker(settings, signing, foreign, int(clock.now().timestamp()), service)
        return [maker.token(request) for request in requests]


def _key(path: Path) -> RSAPrivateKey:
    """Return a key that this stack made, read once for a batch of tokens: to check it anew takes longer than to sign."""
    found = load_pem_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(found, RSAPrivateKey)
    return found


def overlaid(run_folder: Path, token: str, claims: Mapping[str, object]) -> str:
    """Return a token with other claims over its own, signed with the stack's own key: what a provider with that key can make."""
    own = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**own, **claims}, _key(run_folder / keys.SIGNING), algorithm="RS256", headers={"kid": keys.KEY_ID})


def forget(run_folder: Path, run: str) -> int:
    """Remove the users and organisations that were ensured here and whose id contains `run`; return how many."""
    with Members(run_folder, token_settings.load(run_folder)) as members:
        return members.forget(run)


def _valid(maker: _Maker, request: TokenRequest) -> str:
    return maker.signed(maker.claims(request))


def _expired(maker: _Maker, request: TokenRequest) -> str:
    ended = maker.now - int(EXPIRED_FOR.total_seconds())
    begun = ended - int(LIFETIME.total_seconds())
    return maker.signed({**maker.claims(request), "iat": begun, "nbf": begun, "exp": ended})


def _tampered(maker: _Maker, request: TokenRequest) -> str:
    """Sign for another organisation, then write the wanted one in: whoever skips the signature lets it pass."""
    wanted = maker.claims(request)
    header, _, signature = maker.signed({**wanted, "org_id": _SIGNED_FOR}).split(".")
    payload = base64.urlsafe_b64encode(json.dumps(wanted).encode()).rstrip(b"=").decode("ascii")
    return f"{header}.{payload}.{signature}"


def _foreign(maker: _Maker, request: TokenRequest) -> str:
    claims = {**maker.claims(request), "iss": _FOREIGN_ISSUER}
    return jwt.encode(claims, maker.foreign, algorithm="RS256", headers={"kid": _FOREIGN_KEY_ID})


def _signed_out(maker: _Maker, request: TokenRequest) -> str | None:
    token = _valid(maker, request)
    headers = {"Authorization": f"Bearer {token}", "X-Organization-ID": request.organization_id}
    answer = maker.service.request("POST", "/api/session/sign-out", headers=headers)
    return token if answer.status == _OK else None


_MAKERS: Mapping[TokenVariant, Callable[[_Maker, TokenRequest], str | None]] = {
    TokenVariant.VALID: _valid,
    TokenVariant.EXPIRED: _expired,
    TokenVariant.TAMPERED: _tampered,
    TokenVariant.FOREIGN_ENVIRONMENT: _foreign,
    TokenVariant.SIGNED_OUT: _signed_out,
    TokenVariant.PLATFORM_ADMIN: _valid,
}
