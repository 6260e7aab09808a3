"""Roll back a deploy through Render: autodeploy off first, since it would bring the bad one back at the next push."""

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from capliquify_ops.database import load, observer
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_deploys import WAIT_S
from capliquify_ops.integrations.render_records import Deploy, RenderService
from capliquify_ops.model.errors import IntegrationFailed, OpsError, UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.remedies.acting import Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified
from capliquify_ops.remedies.platform import NEEDS, recovered, rendering, what_may_be
from capliquify_ops.remedies.platform_deploys import how_it_ended, live_deploy, named, open_deploy, superseded, went_well

_DEACTIVATED = "deactivated"
_LEDGER = "SELECT pg_catalog.to_regclass('capliquify_ops.tenant_migration') IS NOT NULL"
_GENERAL = "a rollback changes code, never the database: migrations that ran since stay"


@dataclass(frozen=True, slots=True)
class Rollback:
    """From which deploy to which one, as it was seen, and which one is on its way."""

    service: RenderService
    live: Deploy | None
    wanted: Deploy
    coming: Deploy | None


class _Migration(NamedTuple):
    file_name: str
    tenants: int


def _roll_back(context: Context, options: Options) -> Prepared:
    with rendering(context) as (render, service_id):
        seen = _seen(render, service_id, options.deploy)
    within_s = options.within_s or WAIT_S
    off = Step(
        f"turn autodeploy off for {seen.service.name}, where it stays off", f'PATCH /services/{service_id} {{"autoDeploy": "no"}}'
    )
    back = Step(
        f"go back to {named(seen.wanted)}" + (f", from {named(seen.live)}" if seen.live else ""),
        f'POST /services/{service_id}/rollback {{"deployId": "{seen.wanted.id}"}}',
    )
    steps = (*([off] if seen.service.is_autodeployed else []), back, Step(f"wait for it for at most {within_s:g} s"))
    autodeploy = "autodeploy is off afterwards: nothing is deployed by a push until you turn it on again in Render's dashboard"
    plan = Plan(
        "remedy roll-back-deploy",
        seen.service.name,
        steps,
        MappingProxyType({"deploy": seen.wanted.id, "revision": seen.wanted.revision or "not known", "within_s": within_s}),
        (autodeploy, _migrations(context, seen.wanted.finished_at or seen.wanted.created_at), *_coming(seen.coming)),
        destructive=True,
    )
    return Prepared(plan, lambda: _rolled_back(context, seen), lambda acted: _verified(context, acted, within_s))


def _seen(render: Render, service_id: str, deploy_id: str | None) -> Rollback:
    service = render.service(service_id)
    live, coming = live_deploy(render, service_id), open_deploy(render, service_id)
    if deploy_id is None:
        wanted = render.deploy_to_go_back_to(service_id)
        if wanted is None:
            hint = "Choose one in Render's dashboard, and give its id: --deploy dep-..."
            raise UsageError(f"Nothing was rolled back: which deploy of {service.name} was good is not certain.", hint=hint)
        return Rollback(service, live, wanted, coming)
    wanted = render.deploy(service_id, deploy_id)
    if wanted.status != _DEACTIVATED:
        hint = "One that was live before can be gone back to; those are called deactivated in Render's dashboard."
        raise UsageError(f"Nothing was rolled back: the deploy {wanted.id} is {wanted.status}.", hint=hint)
    return Rollback(service, live, wanted, coming)


def _rolled_back(context: Context, seen: Rollback) -> Acted:
    """Turn autodeploy off and roll back, unless another deploy is live by now. What was done before a fault is told with it."""
    changed: dict[str, Plain] = {}
    with rendering(context) as (render, service_id):
        if left := superseded(seen.live, live_deploy(render, service_id)):
            return left
        may = "Autodeploy may be off"
        try:
            if seen.service.is_autodeployed:
                render.turn_autodeploy_off(service_id)
                changed["autodeploy"] = "off"
            may = "It may have been rolled back"
            deploy = render.roll_back(service_id, seen.wanted.id)
        except IntegrationFailed as fault:
            raise PartlyDone(fault, changed, may=_may(what_may_be(fault, may), changed)) from None
        changed |= {"deploy": deploy.id, "back_to": seen.wanted.id, "revision": seen.wanted.revision}
    return Acted(changed)


def _verified(context: Context, acted: Acted, within_s: float) -> Verified:
    ended = how_it_ended(context, str(acted.changed["deploy"]), within_s)
    if not (is_live := went_well(ended)):
        return Verified(is_live, f"the deploy ended as: {ended}")
    try:
        with rendering(context) as (render, service_id):
            is_autodeployed = render.service(service_id).is_autodeployed
            live = live_deploy(render, service_id)
    except OpsError as fault:
        return Verified(None, f"the deploy is live; the rest could not be read: {fault.what}")
    if is_autodeployed or live is None or live.id != acted.changed["deploy"]:
        return Verified(
            False, f"live is {named(live) if live else 'nothing'}, autodeploy is {'on' if is_autodeployed else 'off'}"
        )
    if not context.target.base_url:
        return Verified(True, f"live is {named(live)}, autodeploy is off")
    found = recovered(context, frozenset(), min(within_s, 60.0))
    return Verified(found.holds, f"live is {named(live)}, autodeploy is off; {found.says}")


def _may(may: str, changed: dict[str, Plain]) -> str:
    return f"{may} Autodeploy was turned off before." if "autodeploy" in changed else may


def _coming(deploy: Deploy | None) -> tuple[str, ...]:
    if deploy is None:
        return ()
    return (f"another deploy is on its way, and may be live after all: {named(deploy)}; cancel it in Render's dashboard",)


def _migrations(context: Context, since: datetime) -> str:
    """Say which migrations ran since that deploy was made: the code that comes back does not know them."""
    if context.target.database_url is None:
        return f"{_GENERAL}; which ones cannot be told: {context.target.how_to_set('database_url_env')}"
    try:
        with observer(context.target.database_url, "remedy", pooled=context.target.pooled) as session, session.transaction():
            if not session.value(_LEDGER):
                return f"{_GENERAL}; which ones cannot be told: they were not made by fleet migrate"
            query = load("capliquify_ops.remedies", "migrations_since")
            found = session.rows(query, _Migration, {"since": since, "at_most": 20})
    except OpsError as fault:
        return f"{_GENERAL}; which ones cannot be told: {fault.what}"
    if not found:
        return f"{_GENERAL}; fleet migrate has run none since then"
    told = ", ".join(f"{each.file_name} in {each.tenants} tenant{'s' if each.tenants > 1 else ''}" for each in found)
    return f"{_GENERAL}: {told}; make sure that the code you go back to can live with them"


ROLL_BACK_DEPLOY = Remedy(
    "roll-back-deploy",
    "make the deploy live again that was live before, with autodeploy off",
    ("failed-deployment", "service-down"),
    NEEDS,
    _roll_back,
    frozenset({"deploy", "within_s"}),
)
