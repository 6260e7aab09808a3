"""tenant activate · past-due · change-tier · suspend · resume · cancel · expire-trials"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.cli.tenant_output import Key, show_tenant, tenant_row
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, this_actor
from capliquify_ops.database import Session, operator
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.identity_providers import token_source
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.preflight.tenant_probe import tenant_probe
from capliquify_ops.tenants import activate as activation
from capliquify_ops.tenants import cancel as cancellation
from capliquify_ops.tenants import change_tier as tiers
from capliquify_ops.tenants import expire_trials as expiry
from capliquify_ops.tenants import past_due as overdue
from capliquify_ops.tenants import resume as resumption
from capliquify_ops.tenants import suspend as suspension
from capliquify_ops.tenants.members import members
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.status import StatusResult

Reason = Annotated[str, typer.Option("--reason", help="Why; the audit keeps it.")]
Status = Annotated[str | None, typer.Option("--status", help="Instead of the status that the suspension recorded.")]
Tier = Annotated[str, typer.Argument(help="starter, professional or enterprise.")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every command of this file is given."""

    config: Path | None
    target: str | None
    json: bool
    yes: bool
    plan: bool

    def chosen(self) -> Target:
        return target_of(self.config, self.target, observing=False)


def activate(
    key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False, yes: Yes = False, plan: PlanOnly = False
) -> None:
    """Make a trial, past due or cancelled tenant active."""
    asked = _Asked(config, target, json, yes, plan)
    _change(asked, lambda s: activation.plan_activate(s, key), lambda s, r: activation.activate(s, r, key, actor=this_actor()))


def past_due(
    key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False, yes: Yes = False, plan: PlanOnly = False
) -> None:
    """Mark an active tenant as past due: the service goes on reading and refuses to write."""
    asked = _Asked(config, target, json, yes, plan)
    _change(asked, lambda s: overdue.plan_past_due(s, key), lambda s, r: overdue.past_due(s, r, key, actor=this_actor()))


def change_tier(
    key: Key,
    tier: Tier,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Give a tenant another tier with its limits and features."""
    asked = _Asked(config, target, json, yes, plan)
    _change(
        asked,
        lambda s: tiers.plan_change_tier(s, key, tier),
        lambda s, r: tiers.change_tier(s, r, key, tier, actor=this_actor()),
    )


def resume(
    key: Key,
    status: Status = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """End a suspension: back to the status that it recorded."""
    asked = _Asked(config, target, json, yes, plan)
    _change(
        asked,
        lambda s: resumption.plan_resume(s, key, status=status),
        lambda s, r: resumption.resume(s, r, key, status=status, actor=this_actor()),
    )


def cancel(
    key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False, yes: Yes = False, plan: PlanOnly = False
) -> None:
    """End a tenant's subscription; its data is kept for 30 days at least."""
    asked = _Asked(config, target, json, yes, plan)
    _change(asked, lambda s: cancellation.plan_cancel(s, key), lambda s, r: cancellation.cancel(s, r, key, actor=this_actor()))


def suspend(
    key: Key,
    reason: Reason,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Suspend a tenant, and ask the service until it refuses. Ends with 17 when the service goes on serving."""
    chosen = target_of(config, target, observing=False)
    with operator(chosen.changing_url(), "tenant", pooled=chosen.pooled) as session:
        planned = suspension.plan_suspend(session, key, reason=reason)
        if not proceeds(planned, planned.subject, plan_only=plan, yes=yes, json=json):
            return
        how = verification_of(session, chosen, key)
        result = suspension.suspend(session, chosen.roles, key, actor=this_actor(), reason=reason)
    told = _verified(result.after, how)
    if json:
        document({"tenant": tenant_row(result.after), "noted": result.noted, "verification": told})
        return
    show_tenant(result.after, json=False)
    line(
        f"verified: the service refuses it since {told['refused_after_s']} s"
        if told["verified"]
        else f"not verified: {told['why']}"
    )


def expire_trials(
    config: ConfigFile = None, target: TargetName = None, json: AsJson = False, yes: Yes = False, plan: PlanOnly = False
) -> None:
    """Suspend every tenant whose trial is over. Ends with 17 when some are held by another command."""
    chosen = target_of(config, target, observing=False)
    with operator(chosen.changing_url(), "tenant", pooled=chosen.pooled) as session:
        planned = expiry.plan_expire_trials(session)
        if not proceeds(planned, planned.subject, plan_only=plan, yes=yes or not planned.steps, json=json):
            return
        result = expiry.expire_trials(session, chosen.roles, actor=this_actor())
    if json:
        document({"tenants": [tenant_row(tenant) for tenant in result.suspended], "busy": result.busy})
    else:
        line("\n".join(f"suspended {tenant.slug}" for tenant in result.suspended) or "no trial is over")
        for slug in result.busy:
            line(f"held by another command, so left for the next call: {slug}")
    raise typer.Exit(ExitCode.INCONCLUSIVE if result.busy else ExitCode.READY)


def _change(asked: _Asked, plan: Callable[[Session], Plan], act: Callable[[Session, Roles], StatusResult]) -> None:
    chosen = asked.chosen()
    with operator(chosen.changing_url(), "tenant", pooled=chosen.pooled) as session:
        planned = plan(session)
        if not proceeds(planned, planned.subject, plan_only=asked.plan, yes=asked.yes, json=asked.json):
            return
        result = act(session, chosen.roles)
    if asked.json:
        document({"tenant": tenant_row(result.after), "noted": result.noted})
        return
    show_tenant(result.after, json=False)
    for name, value in result.noted.items():
        line(f"{name}: {value}")


def verification_of(session: Session, chosen: Target, key: str) -> suspension.Verification | str:
    """Make ready to ask the service before anything is changed; or say why it cannot be asked."""
    clock = SystemClock()
    try:
        with session.transaction():
            tenant = find(session, key)
            people = members(session, tenant)
        probe = tenant_probe(chosen, token_source(chosen.identity, clock), tenant, people)
    except OpsError as error:
        return error.what
    profile = chosen.profile
    return suspension.Verification(probe, profile.answers["suspended"], profile.suspension_bound_s, clock, time.sleep)


def _verified(tenant: Tenant, how: suspension.Verification | str) -> dict[str, Plain]:
    if isinstance(how, str):
        return {"verified": False, "why": how}
    return {"verified": True, "refused_after_s": round(suspension.await_refusal(tenant, how), 3)}
