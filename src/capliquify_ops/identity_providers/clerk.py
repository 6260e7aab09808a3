"""Tokens from a Clerk development instance, through its Backend API: of users and organisations that are made for the run."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from capliquify_ops.configuration.system import dice
from capliquify_ops.identity_providers.clerk_instance import Instance
from capliquify_ops.identity_providers.tampering import tampered
from capliquify_ops.integrations.caller import Caller, Patience
from capliquify_ops.integrations.clerk import BASE_URL, LIVE, MINUTE, SHORTEST_LIFE, service
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.protocols import Clock, TokenRequest, TokenVariant
from capliquify_ops.model.secret import Secret

ROLES: Mapping[str, str] = {"owner": "org:admin", "admin": "org:admin", "member": "org:member", "viewer": "org:member"}
"""The two roles that every instance has."""
FOREIGN_ORGANIZATION = "org_{}_foreign"
LEEWAY = timedelta(seconds=6)
"""Services grant clocks up to 5 s: a token is over for all of them after this."""
BUDGET_S, TRIES = 45.0, 6
"""A development instance allows 100 requests in 10 s, to all that use its key: that is waited out."""
Role = tuple[str, str]


class ClerkTokens:
    """One session for each token that is asked for. Options: secret_key, foreign_secret_key, base_url, platform_admin, roles."""

    def __init__(
        self,
        options: Mapping[str, object],
        clock: Clock,
        *,
        dice: Callable[[], float] = dice,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        roles, base_url = options.get("roles", {}), str(options.get("base_url") or BASE_URL)
        if not isinstance(roles, Mapping):
            raise ConfigurationInvalid("identity.roles must be a table.")
        patience = Patience(clock, dice, BUDGET_S, TRIES, sleep)
        whole = {**ROLES} | {str(name): str(role) for name, role in roles.items()}

        def instance(key: Secret, name: str) -> Instance:
            told = service(_of_development(key, name), base_url, f"identity.{name}_env")
            return Instance(lambda: Caller(told, patience), whole)

        key, foreign = options.get("secret_key"), options.get("foreign_secret_key")
        if not isinstance(key, Secret) or options.get("missing"):
            raise ConfigurationInvalid(str(options.get("missing") or "identity.secret_key_env is not set."))
        if key == foreign:
            raise ConfigurationInvalid("identity.foreign_secret_key is identity.secret_key: it must be of another instance.")
        self._own = instance(key, "secret_key")
        self._foreign = instance(foreign, "foreign_secret_key") if isinstance(foreign, Secret) else None
        self._platform_admin = str(options.get("platform_admin", ""))
        self._clock = clock
        self._ending: dict[Role, tuple[str, datetime]] = {}

    def enrol(self, run: str, requests: Sequence[TokenRequest]) -> list[TokenRequest]:
        """Make these people in Clerk and return the requests with Clerk's ids and the e-mail addresses that they have there."""
        return [self._own.enrol(run, request) for request in requests]

    def tokens(self, requests: Sequence[TokenRequest]) -> list[str | None]:
        """Return one token for each request, by Clerk's ids; None where Clerk has no such user or variant.

        Raises IntegrationFailed for an expired one that is not over yet.
        """
        return [self._token(request) for request in requests]

    def forget(self, run: str) -> None:
        """Remove the users and organisations that were made for a run, by whatever process."""
        try:
            self._own.forget(run)
        finally:
            if self._foreign is not None:
                self._foreign.forget(run)

    def _token(self, request: TokenRequest) -> str | None:
        match request.variant:
            case TokenVariant.VALID:
                return self._valid(request)
            case TokenVariant.TAMPERED:
                token = self._valid(request)
                return None if token is None else tampered(token)
            case TokenVariant.EXPIRED:
                return self._expired(request)
            case TokenVariant.SIGNED_OUT:
                return self._own.signed_out(request.user_id, self._session_in(request))
            case TokenVariant.FOREIGN_ENVIRONMENT:
                return self._of_another_instance(request)
            case TokenVariant.PLATFORM_ADMIN:
                return self._first(self._own.tokens(self._platform_admin, None, MINUTE)) if self._platform_admin else None

    def _valid(self, request: TokenRequest) -> str | None:
        """The first token of somebody brings one along that ends soon: there is none that has ended when it is made."""
        who = (request.user_id, request.organization_id)
        is_first = request.ensure and who not in self._ending
        life = max(MINUTE, timedelta(seconds=request.lasting_s))
        lives = (life, SHORTEST_LIFE) if is_first else (life,)
        found = self._own.tokens(request.user_id, self._session_in(request), *lives)
        if found and is_first:
            self._ending[who] = found[1], self._clock.now() + SHORTEST_LIFE
        return self._first(found)

    def _expired(self, request: TokenRequest) -> str | None:
        who = (request.user_id, request.organization_id)
        if who not in self._ending:
            return None
        token, end = self._ending[who]
        left = (end + LEEWAY - self._clock.now()).total_seconds()
        if left > 0:
            raise IntegrationFailed(
                f"Clerk's tokens live for {SHORTEST_LIFE.seconds} s or more; the one made at the start is over in {left:.0f} s.",
                hint="Run this check together with others, which take that long.",
            )
        return token

    def _of_another_instance(self, request: TokenRequest) -> str | None:
        """Another instance signs for its own users: one of the same name, in an organisation there."""
        made_for = self._own.made_for(request.user_id)
        if self._foreign is None or made_for is None:
            return None
        run, name = made_for
        named = TokenRequest(name, request.email, FOREIGN_ORGANIZATION.format(run), request.role, ensure=True)
        there = self._foreign.enrol(run, named)
        return self._first(self._foreign.tokens(there.user_id, there.organization_id, MINUTE))

    def _session_in(self, request: TokenRequest) -> str | None:
        """An outsider's session is in no organisation; what the request to the service names is another matter."""
        return None if self._own.is_outsider(request.organization_id, request.user_id) else request.organization_id

    @staticmethod
    def _first(tokens: list[str] | None) -> str | None:
        return tokens[0] if tokens else None


def _of_development(key: Secret, name: str) -> Secret:
    if key.reveal().startswith(LIVE):
        raise ConfigurationInvalid(
            f"identity.{name} is the key of a production instance, in which Clerk opens no sessions for tests.",
            hint='Give the key of a development instance (sk_test_...), or use provider = "command".',
        )
    return key
