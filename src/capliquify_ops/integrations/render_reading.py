"""From the pieces of Render's answers to records. All raise IntegrationFailed where what must be there is not."""

from capliquify_ops.integrations.render_records import (
    Deploy,
    EnvironmentVariable,
    Event,
    Failure,
    Instance,
    RenderService,
)
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.secret import Secret

_OUTCOMES = ("deployStatus", "buildStatus", "preDeployStatus")


def service_of(shape: Shape) -> RenderService:
    """Read a service of any kind."""
    details = shape.at("serviceDetails")
    return RenderService(
        id=shape.at("id").text(),
        name=shape.at("name").text(),
        owner_id=shape.at("ownerId").text(),
        kind=shape.at("type").text(),
        is_suspended=shape.at("suspended").text() != "not_suspended",
        suspenders=tuple(each.text() for each in shape.at("suspenders").maybe_items()),
        is_autodeployed=shape.at("autoDeploy").text() != "no",
        plan=details.maybe_at("plan").maybe_text(),
        region=details.maybe_at("region").maybe_text(),
        wanted_instances=details.maybe_at("numInstances").maybe(Shape.whole),
        url=details.maybe_at("url").maybe_text(),
        health_check_path=details.maybe_at("healthCheckPath").maybe_text(),
    )


def deploy_of(shape: Shape) -> Deploy:
    """Read a deploy, of a repository or of an image."""
    commit, image = shape.at("commit"), shape.at("image")
    revisions = (commit.maybe_at("id"), image.maybe_at("sha"), image.maybe_at("ref"))
    return Deploy(
        id=shape.at("id").text(),
        status=shape.at("status").text(),
        trigger=shape.at("trigger").maybe_text(),
        revision=next((found for each in revisions if (found := each.maybe_text())), None),
        message=commit.maybe_at("message").maybe_text(),
        created_at=shape.at("createdAt").time(),
        started_at=shape.at("startedAt").maybe_time(),
        finished_at=shape.at("finishedAt").maybe_time(),
    )


def instance_of(shape: Shape) -> Instance:
    """Read a running instance."""
    return Instance(shape.at("id").text(), shape.at("createdAt").time())


def event_of(shape: Shape) -> Event:
    """Read an event. What its details hold depends on its kind; a kind that is new here has its kind and its time."""
    details = shape.at("details")
    outcomes = (details.maybe_at(key).maybe_text() for key in _OUTCOMES)
    return Event(
        id=shape.at("id").text(),
        kind=shape.at("type").text(),
        at=shape.at("timestamp").time(),
        instance_id=details.maybe_at("instanceID").maybe_text(),
        deploy_id=details.maybe_at("deployId").maybe_text(),
        outcome=next((found for found in outcomes if found), None),
        failure=_failure_of(details),
    )


def _failure_of(details: Shape) -> Failure | None:
    """A server's reason is the failure itself; the reason of a deploy or a build holds one beside other reasons."""
    reason = details.maybe_at("reason")
    if not isinstance(reason.value, dict):
        return None  # Other kinds of events have a word there, or nothing.
    found = reason.at("failure") if "failure" in reason.value else reason
    if found.maybe_at("evicted").is_missing:
        return None
    return Failure(
        is_evicted=found.at("evicted").flag(),
        is_early_exit=found.at("earlyExit").maybe(Shape.flag) is True,
        exit_code=found.at("nonZeroExit").maybe(Shape.whole),
        memory_limit=found.at("oomKilled").maybe(lambda each: each.at("memoryLimit").text()),
        unhealthy=found.at("unhealthy").maybe_text(),
        timed_out_s=found.at("timedOutSeconds").maybe(Shape.whole),
    )


def variable_of(shape: Shape) -> EnvironmentVariable:
    """Read an environment variable; its value is hidden from here on."""
    return EnvironmentVariable(shape.at("key").text(), Secret(shape.at("value").text()))
