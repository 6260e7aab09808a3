"""Set an environment variable through Render. Its value comes from a file or a variable, and is never shown."""

import re
from types import MappingProxyType

from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_deploys import POLL_S as DEPLOY_POLL_S
from capliquify_ops.integrations.render_deploys import WAIT_S, when_ended
from capliquify_ops.integrations.render_records import Deploy, RenderService
from capliquify_ops.model.errors import IntegrationFailed, UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies.acting import Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified
from capliquify_ops.remedies.platform import NEEDS, rendering, what_may_be

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIVE = "live"
_WAITS = "waits behind another deploy"


def _set_variable(context: Context, options: Options) -> Prepared:
    if len(options.arguments) != 1 or not _KEY.fullmatch(options.arguments[0]):
        raise UsageError("One environment variable is set at a time: letters, digits and _.", hint="Such as: DATABASE_POOL_SIZE")
    key, value = options.arguments[0], options.value or Secret("")
    with rendering(context) as (render, service_id):
        service, was = render.service(service_id), _value_of(render, service_id, key)
        live = next(iter(render.deploys(service_id, statuses=(_LIVE,), at_most=1).items), None)
    within_s = options.within_s or WAIT_S
    is_same = was == value
    steps = (
        [] if is_same else [Step(f"{'add' if was is None else 'replace'} {key}", f"PUT /services/{service_id}/env-vars/{key}")]
    )
    if options.deploy_now:
        steps += [_deploy_step(service_id, live), Step(f"wait for it for at most {within_s:g} s")]
    warnings = [f"{key} has this value already"] if is_same else []
    if not options.deploy_now:
        warnings.append("what runs does not see it before the next deploy: add --deploy-now, or deploy it yourself")
    plan = Plan(
        "remedy set-environment-variable",
        service.name,
        tuple(steps),
        MappingProxyType({"key": key, "is_set_now": was is not None}),
        tuple(warnings),
    )
    return Prepared(
        plan,
        lambda: _done(context, service, key, None if is_same else value, live, deploys=options.deploy_now, within_s=within_s),
        lambda acted: _verified(context, acted, key, value),
    )


def _value_of(render: Render, service_id: str, key: str) -> Secret | None:
    return next((each.value for each in render.environment_variables(service_id).items if each.key == key), None)


def _commit(live: Deploy | None) -> str | None:
    """Return the commit that is live: deploying without one would take the newest, which nobody asked for."""
    return live.revision if live and live.message is not None else None


def _deploy_step(service_id: str, live: Deploy | None) -> Step:
    commit = _commit(live)
    body = f' {{"commitId": "{commit}"}}' if commit else ""
    what = f"deploy the commit that is live, {commit}" if commit else "deploy what the service is set up with"
    return Step(what, f"POST /services/{service_id}/deploys{body}")


def _done(
    context: Context,
    service: RenderService,
    key: str,
    value: Secret | None,
    live: Deploy | None,
    *,
    deploys: bool,
    within_s: float,
) -> Acted:
    changed: dict[str, Plain] = {"service": service.name}
    may = f"{key} may have been set"
    with rendering(context) as (render, service_id):
        try:
            if value is not None:
                render.set_environment_variable(service_id, key, value)
                changed["set"] = key
            may = "A deploy may have begun"
            deploy = render.deploy_again(service_id, commit_id=_commit(live)) if deploys else None
        except IntegrationFailed as fault:
            told = f"{what_may_be(fault, may)}{f' {key} was set before.' if 'set' in changed else ''}"
            raise PartlyDone(fault, changed if "set" in changed else {}, may=told) from None
        if deploys:
            changed |= {
                "deploy": deploy.id if deploy else None,
                "ended_as": _ended(context, render, service_id, deploy, within_s),
            }
    return Acted(changed)


def _ended(context: Context, render: Render, service_id: str, deploy: Deploy | None, within_s: float) -> str:
    if deploy is None:
        return _WAITS
    try:
        return when_ended(
            lambda: render.deploy(service_id, deploy.id), context.clock, context.sleep, timeout_s=within_s, every_s=DEPLOY_POLL_S
        ).status
    except IntegrationFailed as fault:
        return f"not known: {fault.what}"


def _verified(context: Context, acted: Acted, key: str, value: Secret) -> Verified:
    try:
        with rendering(context) as (render, service_id):
            is_set = _value_of(render, service_id, key) == value
    except IntegrationFailed as fault:
        return Verified(None, f"it could not be read back: {fault.what}")
    if not is_set:
        return Verified(False, f"Render has another value for {key}")
    ended = acted.changed.get("ended_as")
    if ended is None:
        return Verified(True, f"{key} is set; a deploy is needed before the service sees it")
    if ended in {_LIVE, _WAITS}:
        return Verified(True if ended == _LIVE else None, f"{key} is set; the deploy: {ended}")
    return Verified(None if str(ended).startswith("not known") else False, f"{key} is set, but the deploy ended as: {ended}")


SET_ENVIRONMENT_VARIABLE = Remedy(
    "set-environment-variable",
    "set a variable of the service; the value comes from a file or a variable here",
    ("failed-deployment",),
    NEEDS,
    _set_variable,
    frozenset({"deploy_now", "within_s"}),
    frozenset({"arguments", "value"}),
    "KEY",
)
