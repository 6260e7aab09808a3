"""What a killed audit left in two tenants that were given to it: seen and removed through the service, as their owners."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from capliquify_ops.configuration import Target
from capliquify_ops.http_client import Client
from capliquify_ops.isolation.addressing import Addressing
from capliquify_ops.isolation.canary import RUN
from capliquify_ops.isolation.exchange import Caller
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.isolation.people import Wallet
from capliquify_ops.isolation.run_removal import remove_rows
from capliquify_ops.isolation.world import CONNECTIONS, use_existing
from capliquify_ops.isolation.world_model import World
from capliquify_ops.isolation.world_people import person_named, stand_ins
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError, UsageError
from capliquify_ops.model.protocols import Clock, TokenSource


@contextmanager
def given_world(target: Target, tokens: TokenSource, run: str, clock: Clock, given: Mapping[str, str]) -> Iterator[World]:
    """Open a world of two given tenants, by key, in which their owners alone act and nothing is made.

    Raises UsageError for what is no run's id, TargetForbids, ConfigurationInvalid, TenantNotFound, TargetUnreachable.
    """
    target.require_harmless("Removing what an audit left")
    if RUN.fullmatch(run) is None:
        raise UsageError(f"{run[:80]!r} is no run's id.", hint="The audit's first line of output names it.")
    if not target.base_url or not target.profile.has_http:
        raise ConfigurationInvalid(f"Target {target.name!r} has no base_url or no HTTP profile, so no row can be looked for.")
    with Client(target.base_url, connections=CONNECTIONS) as client:
        pace = Pace(target.profile.rate_limit, clock, time.sleep)
        caller = Caller(client, Wallet(tokens, clock), pace, Addressing.of(target.profile), run, sleep=time.sleep)
        world = World(target, run, clock, caller)
        use_existing(world, dict(given))
        _owners(world)
        yield world


def remove_from_given(target: Target, tokens: TokenSource, run: str, clock: Clock, given: Mapping[str, str]) -> tuple[str, ...]:
    """Remove a run's rows from given tenants, and return what stays.

    `remove_run` comes after it: that ends the owners' tokens.
    """
    try:
        with given_world(target, tokens, run, clock, given) as world:
            return remove_rows(world).leftovers
    except OpsError as error:
        return (f"rows of run {run}: {error}",)


def _owners(world: World) -> None:
    """Have the tokens of the audit's owners again, or of the deployment's own; a first login that was undone is made again."""
    owners = [person_named(world.run, key, "owner", one.organization_id) for key, one in world.tenants.items()]
    world.people |= {owner.name: owner for owner in world.caller.wallet.enrolled(world.run, owners)}
    world.caller.wallet.fill(world.people.values(), ensure=True)
    stand_ins(world)
    for name, person in world.people.items():
        try:
            world.caller.wallet.token(person)
        except OpsError as error:
            world.missing[name] = str(error)
