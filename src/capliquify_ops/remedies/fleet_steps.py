"""Remedies that `fleet repair` has already: indexes that some tenants lack or that are invalid, a tenant's missing schema."""

from collections.abc import Callable
from dataclasses import replace

from capliquify_ops.database import observer, operator
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.integrity import registry_catalogue as catalogue
from capliquify_ops.integrity import structure_equality as structure
from capliquify_ops.integrity import unfinished_objects as unfinished
from capliquify_ops.model import plan as model
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.remedies.acting import Acted, Context, Options, Prepared, Remedy, Verified
from capliquify_ops.remedies.measuring import Scope, measured
from capliquify_ops.remedies.repair import repair
from capliquify_ops.remedies.repair_job import Job, Result
from capliquify_ops.remedies.repair_job import State as Became
from capliquify_ops.remedies.repair_plan import Plan, Step
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.waves import Retry

_RETRIES = 5
_INDEX_KINDS = frozenset({"index", "invalid index"})


def _missing_indexes(context: Context, options: Options) -> Prepared:
    del options
    return _prepared(context, "create-missing-indexes", (unfinished.CHECK, structure.CHECK), _is_index)


def _missing_schema(context: Context, options: Options) -> Prepared:
    if len(options.arguments) != 1:
        raise UsageError("One tenant is provisioned at a time.", hint="Such as: provision-schema acme")
    with operator(context.target.changing_url(), "remedy", pooled=context.target.pooled) as session, session.transaction():
        tenant = find(session, options.arguments[0], registry=context.target.profile.registry_table)

    def is_its_own(step: Step) -> bool:
        return step.fact.kind == "missing_schema" and step.fact.schema == tenant.schema_name

    prepared = _prepared(context, "provision-schema", (catalogue.CHECK,), is_its_own, tenant)
    if not prepared.plan.steps:
        raise _not_provided(tenant, prepared.plan)
    return prepared


def _is_index(step: Step) -> bool:
    return step.fact.kind in _INDEX_KINDS


def _prepared(
    context: Context, verb: str, checks: tuple[str, ...], wanted: Callable[[Step], bool], tenant: Tenant | None = None
) -> Prepared:
    url = context.target.changing_url()
    found = _measured(context, checks, wanted)
    shown = found.shown(tenant.slug if tenant else context.target.name)
    plan = replace(shown, verb=f"remedy {verb}")
    job = Job(
        url,
        context.actor,
        context.new_id(),
        Retry(_RETRIES, context.dice),
        context.sleep,
        context.target.pooled,
        max_failures=_RETRIES,
    )

    def act() -> Acted:
        result = repair(
            found, lambda: _measured(context, checks, wanted), job, context.target.roles, context.clock, tell=context.tell
        )
        return _acted(result)

    return Prepared(plan, act, lambda _: _verified(_measured(context, checks, wanted)), tenant)


def _measured(context: Context, checks: tuple[str, ...], wanted: Callable[[Step], bool]) -> Plan:
    target = context.target
    scope = Scope(target.profile, target.roles, context.limits, context.clock, checks, pooled=target.pooled)
    with observer(target.observer_url(), "remedy", pooled=target.pooled) as session:
        found = measured(session, scope)
    return replace(found, steps=tuple(step for step in found.steps if wanted(step)))


def _acted(result: Result) -> Acted:
    done = result.of(Became.REPAIRED, Became.ELSEWHERE)
    left = tuple(
        f"{each.step.fact.finding} in {each.step.fact.schema}: {each.why}" for each in result.of(Became.FAILED, Became.LEFT)
    )
    names: list[Plain] = [f"{each.step.fact.finding} in {each.step.fact.schema}" for each in done]
    return Acted({"repaired": len(names), "what": names} if names else {}, left, is_done=bool(names))


def _verified(now: Plan) -> Verified:
    if now.repairs:
        return Verified(False, f"the check still finds {len(now.repairs)} of them")
    left = f"; {len(now.for_people)} need a person" if now.for_people else ""
    return Verified(True, f"the check finds none of them any more{left}")


def _not_provided(tenant: Tenant, plan: model.Plan) -> TenantConflict:
    why = "; ".join(plan.warnings) or f"the check finds that {tenant.schema_name!r} is there, or that the tenant is too young"
    return TenantConflict(
        f"Nothing was provisioned for {tenant.slug!r}: {why}", hint=f"Look: capliquify-ops tenant verify {tenant.slug}"
    )


CREATE_MISSING_INDEXES = Remedy(
    "create-missing-indexes",
    "build indexes that some tenants lack or that are invalid, beside the work, in waves",
    ("slow-responses",),
    "operator URL",
    _missing_indexes,
)
PROVISION_SCHEMA = Remedy(
    "provision-schema",
    "make the missing schema of a registered tenant, unless there were rows in it",
    ("error-rate",),
    "operator URL",
    _missing_schema,
    wants=frozenset({"arguments"}),
    argument="TENANT",
)
