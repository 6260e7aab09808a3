"""Suspend a tenant through the lifecycle's own verb, and ask the service until it refuses."""

from capliquify_ops.database import operator
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import NotVerified, UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.remedies.acting import Acted, Context, Options, Prepared, Remedy, Verified
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.suspend import Verification, await_refusal, plan_suspend, suspend


def _suspend(context: Context, options: Options) -> Prepared:
    if len(options.arguments) != 1:
        raise UsageError("One tenant is suspended at a time.", hint="Such as: suspend-tenant acme --reason breach")
    target, key, reason = context.target, options.arguments[0], options.reason or ""
    with operator(target.changing_url(), "tenant", pooled=target.pooled) as session:
        shown = plan_suspend(session, key, reason=reason)
        with session.transaction():
            tenant = find(session, key)
        how = context.verification(session, key)
    plan = Plan("remedy suspend-tenant", shown.subject, shown.steps, shown.concerns, shown.warnings, shown.destructive)
    return Prepared(plan, lambda: _suspended(context, tenant, reason), lambda _: _verified(tenant, how), tenant)


def _suspended(context: Context, tenant: Tenant, reason: str) -> Acted:
    target = context.target
    with operator(target.changing_url(), "tenant", pooled=target.pooled) as session:
        result = suspend(session, target.roles, str(tenant.id), actor=context.actor, reason=reason)
    changed: dict[str, Plain] = {"suspended": tenant.slug, **result.noted}
    return Acted(changed)


def _verified(tenant: Tenant, how: Verification | str) -> Verified:
    if isinstance(how, str):
        return Verified(None, f"the service was not asked: {how}")
    try:
        return Verified(True, f"the service refuses it since {await_refusal(tenant, how):.2f} s")
    except NotVerified as fault:
        return Verified(False, str(fault))


SUSPEND_TENANT = Remedy(
    "suspend-tenant",
    "suspend a tenant, and ask the service until it refuses",
    ("cross-tenant-access",),
    "operator URL",
    _suspend,
    wants=frozenset({"arguments", "reason"}),
    argument="TENANT",
)
