"""Set an environment variable through Render. Its value comes from a file or a variable, and is never shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_deploys import WAIT_S
from capliquify_ops.integrations.render_records import Deploy, RenderService
from capliquify_ops.model.errors import IntegrationFailed, UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies.acting import Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified
from capliquify_ops.remedies.platform import NEEDS, rendering, what_may_be
from capliquify_ops.remedies.platform_deploys import how_it_ended, live_deploy, superseded, went_well

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WAITS = "waits behind another deploy"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is to be set, and what there was when the plan was made: the variable's value and the deploy that was live."""

    service: RenderService
    key: str
    value: Secret
    was: Secret | None
    live: Deploy | None

    @property
    def is_same(self) -> bool:
        """Whether it has this value already."""
        return self.was == self.value


def _set_variable(context: Context, options: Options) -> Prepared:
    if len(options.arguments) != 1 or not _KEY.fullmatch(options.arguments[0]):
        raise UsageError("One environment variable is set at a time: letters, digits and _.", hint="Such as: DATABASE_POOL_SIZE")
    key, value, deploys = options.arguments[0], options.value or Secret(""), options.deploy_now
    with rendering(context) as (render, service_id):
        was, live = _value_of(render, service_id, key), live_deploy(render, service_id)
        seen = _Seen(render.service(service_id), key, value, was, live)
    within_s = options.within_s or WAIT_S
    plan = Plan(
        "remedy set-environment-variable",
        seen.service.name,
        tuple(_steps(seen, service_id, within_s if deploys else None)),
        MappingProxyType({"key": key, "is_set_now": was is not None}),
        tuple(_warnings(seen, deploys=deploys)),
    )
    return Prepared(plan, lambda: _done(context, seen, deploys=deploys), lambda acted: _verified(context, acted, seen, within_s))


def _steps(seen: _Seen, service_id: str, within_s: float | None) -> Iterator[Step]:
    if not seen.is_same:
        verb = "add" if seen.was is None else "replace"
        yield Step(f"{verb} {seen.key}", f"PUT /services/{service_id}/env-vars/{seen.key}")
    if within_s is not None:
        yield _deploy_step(service_id, seen.live)
        yield Step(f"wait for it for at most {within_s:g} s")


def _warnings(seen: _Seen, *, deploys: bool) -> Iterator[str]:
    if seen.is_same:
        yield f"{seen.key} has this value already"
    if not deploys:
        yield "what runs does not see it before the next deploy: add --deploy-now, or deploy it yourself"


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


def _done(context: Context, seen: _Seen, *, deploys: bool) -> Acted:
    """Set it and deploy, unless somebody else has set it meanwhile, or another deploy is live by now."""
    changed: dict[str, Plain] = {"service": seen.service.name}
    may = f"{seen.key} may have been set"
    with rendering(context) as (render, service_id):
        if left := _outdated(render, service_id, seen, deploys=deploys):
            return left
        try:
            if not seen.is_same:
                render.set_environment_variable(service_id, seen.key, seen.value)
                changed["set"] = seen.key
            may = "A deploy may have begun"
            deploy = render.deploy_again(service_id, commit_id=_commit(seen.live)) if deploys else None
        except IntegrationFailed as fault:
            told = f"{what_may_be(fault, may)}{f' {seen.key} was set before.' if 'set' in changed else ''}"
            raise PartlyDone(fault, changed if "set" in changed else {}, may=told) from None
    return Acted(changed | ({"deploy": deploy.id if deploy else None} if deploys else {}))


def _outdated(render: Render, service_id: str, seen: _Seen, *, deploys: bool) -> Acted | None:
    if _value_of(render, service_id, seen.key) != seen.was:
        return Acted(left=(f"{seen.key} has another value by now than when the plan was made",), is_done=False)
    return superseded(seen.live, live_deploy(render, service_id)) if deploys else None


def _verified(context: Context, acted: Acted, seen: _Seen, within_s: float) -> Verified:
    key = seen.key
    try:
        with rendering(context) as (render, service_id):
            is_set = _value_of(render, service_id, key) == seen.value
    except IntegrationFailed as fault:
        return Verified(None, f"it could not be read back: {fault.what}")
    if not is_set:
        return Verified(False, f"Render has another value for {key}")
    if "deploy" not in acted.changed:
        return Verified(True, f"{key} is set; a deploy is needed before the service sees it")
    if acted.changed["deploy"] is None:
        return Verified(None, f"{key} is set; the deploy {_WAITS}")
    ended = how_it_ended(context, str(acted.changed["deploy"]), within_s)
    return Verified(went_well(ended), f"{key} is set; the deploy ended as: {ended}")


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
