"""Tokens of a run must outlast it: some providers' live for one minute."""

import json
import math
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from capliquify_ops.load.plan import Caller, Plan
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.protocols import Clock, TokenRequest, TokenSource
from capliquify_ops.model.secret import Secret

BEGIN_S = 10.0
"""From the last look at the tokens until the first request: the generator starts."""
TO_MAKE_S = 120.0
"""A hundred users' tokens from Clerk, 100 requests in 10 s, take half a minute: the first are older than the last by that."""


def end_of(token: Secret) -> float:
    """Return when a token ends, in seconds since 1970; infinity for one that does not say."""
    try:
        claims = json.loads(urlsafe_b64decode(token.reveal().split(".")[1] + "=="))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return math.inf


@dataclass(frozen=True, slots=True)
class Renewal:
    """Where callers get new tokens: of each, in order, the request that its first was made for."""

    source: TokenSource
    requests: Sequence[TokenRequest]
    callers: Sequence[Caller]
    clock: Clock

    def lasting(self, plan: Plan) -> Plan:
        """Return the plan with tokens that outlast it, new ones where the first would not. Raises ConfigurationInvalid."""
        needed = BEGIN_S + plan.warmup_s + plan.seconds
        if self._left(plan.callers) >= needed:
            return plan
        plan = replace(plan, callers=self._renewed(plan.callers, needed))
        if (left := self._left(plan.callers)) < needed:
            raise ConfigurationInvalid(
                f"Tokens of this identity provider end within the run: {left:.0f} s are left, and {needed:.0f} s are needed.",
                hint="Let the run be shorter, or give an [identity] whose tokens live longer.",
            )
        return plan

    def _left(self, callers: Iterable[Caller]) -> float:
        return min(end_of(caller.token) for caller in callers) - self.clock.now().timestamp()

    def _renewed(self, callers: Sequence[Caller], needed_s: float) -> tuple[Caller, ...]:
        known = {id(caller): request for caller, request in zip(self.callers, self.requests, strict=True)}
        lasting_s = math.ceil(needed_s + TO_MAKE_S)
        tokens = self.source.tokens([replace(known[id(caller)], lasting_s=lasting_s) for caller in callers])
        return tuple(
            replace(caller, token=Secret(token)) if token else caller for caller, token in zip(callers, tokens, strict=True)
        )
