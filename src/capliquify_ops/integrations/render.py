"""Render, which runs the services: how they are, what they wrote and used, and what can be done to them."""

import re
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from capliquify_ops.integrations.caller import Caller, Service
from capliquify_ops.integrations.render_asking import MOST, PAGE, between, listed, path_of, stamp
from capliquify_ops.integrations.render_deploys import deploy_to_go_back_to
from capliquify_ops.integrations.render_logs import Logs, build_lines, last_lines
from capliquify_ops.integrations.render_metrics import RenderMetrics
from capliquify_ops.integrations.render_reading import deploy_of, event_of, instance_of, service_of, variable_of
from capliquify_ops.integrations.render_records import (
    NAME,
    Deploy,
    EnvironmentVariable,
    Event,
    Instance,
    Listed,
    RenderService,
    ServiceStatus,
)
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, UsageError
from capliquify_ops.model.secret import Secret

BASE_URL = "https://api.render.com/v1"
SETTING = "integrations.render.token_env"
FAILURES = ("server_failed", "server_hardware_failure")
_QUEUED = 202
_KEY = re.compile(r"[!-~]+")
_BEFORE_WHAT_WAS_SAID = re.compile(r".+? answered \S+ \S+ with \d{3}")


def render_service(token: Secret, *, base_url: str = BASE_URL) -> Service:
    """Return where Render is and how a key of its API is shown there. Raises ConfigurationInvalid for what can be no key."""
    if not _KEY.fullmatch(token.reveal()):
        raise ConfigurationInvalid(f"{SETTING} names no key of Render's API: it is empty, or holds more than visible ASCII.")
    headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
    return Service(NAME, base_url, SETTING, MappingProxyType(headers), (token.reveal(),))


class Render:
    """The operations of Render that a diagnosis or a remedy needs; `metrics` has those of its measurements.

    Every method raises the subclass of IntegrationFailed that says why not, and UsageError for an id that cannot be one. Lists
    follow Render's pages up to `at_most` items, and say whether more was left.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.metrics = RenderMetrics(caller)

    def find_services(self, name: str, *, owner_id: str | None = None, at_most: int = PAGE) -> Listed[RenderService]:
        """Return the services of exactly that name, of all workspaces that the key sees, or of one."""
        query = [("name", name), *([("ownerId", owner_id)] if owner_id else [])]
        return listed(
            self._caller,
            path_of("services"),
            query,
            operation="finding services",
            key="service",
            read=service_of,
            at_most=at_most,
        )

    def service(self, service_id: str) -> RenderService:
        """Return a service: whether it is suspended and by whom, how it is set up. Nothing in it says whether it works."""
        return service_of(self._shape("reading a service", path_of("services", service_id)))

    def status(self, service_id: str, since: datetime) -> ServiceStatus:
        """Return what together tells how a service is, with its failures since a time, in five reads."""
        return ServiceStatus(
            self.service(service_id),
            next(iter(self.deploys(service_id, at_most=1).items), None),
            self.instances(service_id),
            self.events(service_id, FAILURES, start=since),
        )

    def deploys(
        self, service_id: str, *, statuses: Sequence[str] = (), created_after: datetime | None = None, at_most: int = PAGE
    ) -> Listed[Deploy]:
        """Return the deploys, the newest first, of any status or of some, of any time or after one."""
        after = [] if created_after is None else [("createdAfter", stamp(created_after))]
        query = [*(("status", status) for status in statuses), *after]
        path = path_of("services", service_id, "deploys")
        return listed(self._caller, path, query, operation="listing deploys", key="deploy", read=deploy_of, at_most=at_most)

    def deploy(self, service_id: str, deploy_id: str) -> Deploy:
        """Return one deploy; ask again until it has ended."""
        return deploy_of(self._shape("reading a deploy", path_of("services", service_id, "deploys", deploy_id)))

    def deploy_to_go_back_to(self, service_id: str) -> Deploy | None:
        """Return the deploy that was live before the live one, among the newest hundred of them; None where there is none."""
        return deploy_to_go_back_to(self.deploys(service_id, statuses=("live", "deactivated")).items)

    def instances(self, service_id: str) -> tuple[Instance, ...]:
        """Return who runs."""
        shape = self._shape("listing instances", path_of("services", service_id, "instances"))
        return tuple(instance_of(each) for each in shape.items())

    def events(
        self,
        service_id: str,
        kinds: Sequence[str] = (),
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        at_most: int = PAGE,
    ) -> Listed[Event]:
        """Return events of any kind or of some, the newest first. Render filters by one kind: each is asked for by itself."""
        path, stretch = path_of("services", service_id, "events"), between(start, end)
        queries = [[("type", kind), *stretch] for kind in kinds] or [stretch]
        found = [
            listed(self._caller, path, query, operation="listing events", key="event", read=event_of, at_most=at_most)
            for query in queries
        ]
        events = sorted((event for each in found for event in each.items), key=lambda event: event.at, reverse=True)
        is_complete = all(each.is_complete for each in found) and len(events) <= at_most
        return Listed(tuple(events[:at_most]), is_complete=is_complete)

    def logs(
        self,
        service: RenderService,
        *,
        count: int = 100,
        kinds: Sequence[str] = ("app",),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Logs:
        """Return the last `count` lines, the oldest first; without `start`, Render looks no further back than an hour."""
        return last_lines(self._caller, service, kinds, count=count, start=start, end=end)

    def build_logs(self, service: RenderService, deploy: Deploy, *, count: int = 200) -> Logs:
        """Return the last lines of a deploy's build, the oldest first."""
        return build_lines(self._caller, service, deploy, count)

    def environment_variables(self, service_id: str, *, at_most: int = MOST) -> Listed[EnvironmentVariable]:
        """Return the settings of a service, whose values are hidden."""
        path = path_of("services", service_id, "env-vars")
        return listed(
            self._caller, path, (), operation="listing environment variables", key="envVar", read=variable_of, at_most=at_most
        )

    def restart(self, service_id: str) -> None:
        """Replace all instances by new ones of the same deploy. Not for cron jobs.

        Not repeated after a fault: a second restart would end the instances that the first one has just started.
        """
        self._caller.send("POST", path_of("services", service_id, "restart"))

    def roll_back(self, service_id: str, deploy_id: str) -> Deploy:
        """Make an earlier deploy live again, and return the new deploy that does it. Autodeploy stays on, and may undo it.

        Not repeated after a fault: each call makes another deploy, and the second one ends the first.
        """
        path = path_of("services", service_id, "rollback")
        path_of(deploy_id)  # refuses what is no id
        return deploy_of(Shape(NAME, "rolling back", self._caller.send("POST", path, {"deployId": deploy_id}).json))

    def deploy_again(
        self,
        service_id: str,
        *,
        clear_cache: bool = False,
        commit_id: str | None = None,
        image_url: str | None = None,
        mode: Literal["deploy_only", "build_and_deploy"] | None = None,
    ) -> Deploy | None:
        """Deploy the newest commit or image, or the one that is given; None where it waits behind another deploy.

        Not repeated after a fault: each call makes another deploy.
        """
        wanted = {
            "clearCache": "clear" if clear_cache else None,
            "commitId": commit_id,
            "imageUrl": image_url,
            "deployMode": mode,
        }
        body = {key: value for key, value in wanted.items() if value is not None}
        answer = self._caller.send("POST", path_of("services", service_id, "deploys"), body)
        return None if answer.status == _QUEUED and answer.json is None else deploy_of(Shape(NAME, "deploying", answer.json))

    def turn_autodeploy_off(self, service_id: str) -> RenderService:
        """Stop deploys that nobody asked for, such as one that undoes a rollback; return the service as it is then.

        Repeated after a fault: off twice is off. Raises IntegrationFailed when the service is not off afterwards.
        """
        path = path_of("services", service_id)
        answer = self._caller.send("PATCH", path, {"autoDeploy": "no"}, is_repeatable=True)
        service = service_of(Shape(NAME, "turning autodeploy off", answer.json))
        if service.is_autodeployed:
            raise IntegrationFailed(f"Render left autodeploy on for {service.name}.", hint="Turn it off in its dashboard.")
        return service

    def set_environment_variable(self, service_id: str, key: str, value: Secret) -> None:
        """Add or replace one setting of a service. What runs does not see it before the next deploy.

        Repeated after a fault: the same value twice is the same. No error says the value: what Render answers is left out, as it
        may quote it. Raises UsageError for a value that is no text in UTF-8.
        """
        path = path_of("services", service_id, "env-vars", key)
        _require_text(value)
        try:
            answer = self._caller.send("PUT", path, {"value": value.reveal()}, is_repeatable=True)
        except IntegrationFailed as fault:
            raise _without_what_was_said(fault) from None
        if variable_of(Shape(NAME, "setting an environment variable", answer.json)) != EnvironmentVariable(key, value):
            raise IntegrationFailed(f"Render did not keep the environment variable {key} as it was sent.")

    def _shape(self, operation: str, path: str) -> Shape:
        return Shape(NAME, operation, self._caller.get(path).json)


def _require_text(value: Secret) -> None:
    """Refuse what JSON cannot carry here, where no error quotes it."""
    if value.reveal() != value.reveal().encode("utf-8", "replace").decode("utf-8"):
        raise UsageError("The value of an environment variable must be text in UTF-8.")


def _without_what_was_said(fault: IntegrationFailed) -> IntegrationFailed:
    """Cut a refusal before the service's own words."""
    if before := _BEFORE_WHAT_WAS_SAID.match(fault.what):
        fault.what = f"{before[0]}."
        fault.args = (fault.what, fault.hint)
    return fault
