"""The outside services of a target, each as a question: with its own patience, or with the reason why it is not asked."""

from collections.abc import Callable
from typing import TypeVar

from capliquify_ops.configuration import Integration, Target
from capliquify_ops.diagnostics.inquiry import Inquiry, Question
from capliquify_ops.integrations import clerk, sentry
from capliquify_ops.integrations.caller import Caller, Patience, Service
from capliquify_ops.integrations.clerk import Clerk
from capliquify_ops.integrations.prometheus import Prometheus, prometheus_service
from capliquify_ops.integrations.render import BASE_URL as RENDER
from capliquify_ops.integrations.render import Render, render_service
from capliquify_ops.integrations.sentry import Sentry
from capliquify_ops.model.errors import ConfigurationInvalid

T = TypeVar("T")
BUDGET_S = 4.0
"""One operation of a diagnosis with all its tries: a person waits for it."""
TRIES = 2


def patience_of(inquiry: Inquiry) -> Patience:
    """Return the patience of a diagnosis."""
    return Patience(inquiry.clock, inquiry.dice, budget_s=BUDGET_S, tries=TRIES)


def ask_render(inquiry: Inquiry, ask: Callable[[Render, str], tuple[T, str]]) -> Question | str:
    """Return a question to Render about the target's service, or why there is none."""
    return _question(inquiry, "render", render_of, lambda caller, found: ask(Render(caller), found.options["service"]))


def ask_sentry(inquiry: Inquiry, ask: Callable[[Sentry, str], tuple[T, str]]) -> Question | str:
    """Return a question to Sentry about the target's project, or why there is none."""
    return _question(
        inquiry,
        "sentry",
        _sentry,
        lambda caller, found: ask(Sentry(caller, found.options["organization"]), found.options["project"]),
    )


def ask_clerk(inquiry: Inquiry, ask: Callable[[Clerk], tuple[T, str]]) -> Question | str:
    """Return a question to Clerk, or why there is none."""
    return _question(inquiry, "clerk", _clerk, lambda caller, _: ask(Clerk(caller)))


def ask_prometheus(inquiry: Inquiry, ask: Callable[[Prometheus], tuple[T, str]]) -> Question | str:
    """Return a question to the target's Prometheus, or why there is none."""
    url = inquiry.target.prometheus_url
    if not url:
        return f"the target has no Prometheus: {inquiry.target.how_to_set('prometheus_url')}"
    found = inquiry.target.integrations.get("prometheus") or Integration()

    def question() -> tuple[T, str]:
        _require_secrets(found)
        service = prometheus_service(url, found.secrets.get("token"), user=found.options.get("user", ""))
        with Caller(service, patience_of(inquiry)) as caller:
            return ask(Prometheus(caller))

    return question


def integration_of(target: Target, name: str) -> Integration:
    """Return an outside service of a target with its secrets. Raises ConfigurationInvalid where it has none."""
    if name not in target.integrations:
        raise ConfigurationInvalid(f"Target {target.name!r} has no {name}.", hint=target.how_to_set(f"integrations.{name}"))
    found = target.integrations[name]
    _require_secrets(found)
    return found


def _question(
    inquiry: Inquiry,
    name: str,
    service_of: Callable[[Integration], Service],
    ask: Callable[[Caller, Integration], tuple[T, str]],
) -> Question | str:
    if name not in inquiry.target.integrations:
        return f"the target has none: {inquiry.target.how_to_set(f'integrations.{name}')}"
    found = inquiry.target.integrations[name]

    def question() -> tuple[T, str]:
        _require_secrets(found)
        with Caller(service_of(found), patience_of(inquiry)) as caller:
            return ask(caller, found)

    return question


def _require_secrets(found: Integration) -> None:
    if found.missing:
        raise ConfigurationInvalid(found.missing)


def render_of(found: Integration) -> Service:
    """Return where the target's Render is."""
    return render_service(found.secrets["token"], base_url=found.options["base_url"] or RENDER)


def _sentry(found: Integration) -> Service:
    return sentry.service(found.secrets["token"], found.options["base_url"], found.options["region"] or "us")


def _clerk(found: Integration) -> Service:
    return clerk.service(found.secrets["secret_key"], found.options["base_url"] or clerk.BASE_URL)
