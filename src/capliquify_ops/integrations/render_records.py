"""What Render says about a service, its deploys, instances and events: only what a diagnosis or a remedy needs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from capliquify_ops.model.secret import Secret

NAME = "Render"
ENDED = frozenset({"live", "deactivated", "build_failed", "update_failed", "pre_deploy_failed", "canceled"})
"""The statuses that a deploy keeps until another one takes its place."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """Part of a list, in Render's order; `is_complete` is False where more was, or may have been, left behind the bound."""

    items: tuple[T, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class RenderService:
    """A service as it is set up. Render has no live health here: deploys, instances and events tell that.

    `kind` is web_service, private_service, background_worker, static_site, cron_job, or what Render adds. `suspenders` say who
    suspended it. What a kind does not have, or what is not set, is None.
    """

    id: str
    name: str
    owner_id: str
    kind: str
    is_suspended: bool
    suspenders: tuple[str, ...]
    is_autodeployed: bool
    plan: str | None
    region: str | None
    wanted_instances: int | None
    url: str | None
    health_check_path: str | None


@dataclass(frozen=True, slots=True)
class Deploy:
    """One deploy. `revision` is the commit's id, or the digest or name of the image, None where Render keeps none.

    `status` and `trigger` are Render's words, which may be new ones; times are aware, in UTC.
    """

    id: str
    status: str
    trigger: str | None
    revision: str | None
    message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether its status will not change by itself."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Instance:
    """A running copy of a service; one that is young, where no deploy is, was restarted."""

    id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a server or a deploy failed, as far as Render knows; the memory limit is its own text, such as "512Mi"."""

    is_evicted: bool
    is_early_exit: bool
    exit_code: int | None
    memory_limit: str | None
    unhealthy: str | None
    timed_out_s: int | None

    @property
    def is_out_of_memory(self) -> bool:
        """Whether it was ended because it used more than the memory limit."""
        return self.memory_limit is not None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a service. `outcome` is succeeded, failed or canceled for what has an end, else None."""

    id: str
    kind: str
    at: datetime
    instance_id: str | None
    deploy_id: str | None
    outcome: str | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """A setting of a service; those of linked environment groups are not among them."""

    key: str
    value: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What together tells how a service is: its settings, its newest deploy, who runs, and what failed since then."""

    service: RenderService
    latest_deploy: Deploy | None
    instances: tuple[Instance, ...]
    failures: Listed[Event]
