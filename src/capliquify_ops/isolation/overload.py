"""Server errors of a service that an audit sends much at once: they may be its load and nothing else, which is no verdict."""

from capliquify_ops.isolation.exchange import UNWELL, Exchange
from capliquify_ops.isolation.probe import Probe, noted, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import World

SERVER_ERROR = 500


def is_error(status: int) -> bool:
    """Whether a status is a server error, turned away as busy (502, 503, 504) or not."""
    return status >= SERVER_ERROR


def failed(answer: Exchange) -> bool:
    """Whether an answer is a server error that says nothing of being busy."""
    return is_error(answer.status) and answer.status not in UNWELL


def excused(world: World, name: str, answer: Exchange) -> Probe | None:
    """Return the row of a server error among many requests at once, None for any other answer.

    Turned away as busy, a request showed nobody anything; another error leaves the check without a verdict. One that tells of
    the other tenant is held against the service.
    """
    if not is_error(answer.status) or answer.foreign:
        return None
    if told := _told(world, answer):
        return noted(name, told, request=answer.call.line())
    if answer.status in UNWELL:
        return untried(name, f"it was answered {answer.status}", is_optional=True)
    return untried(
        name,
        f"it was answered {answer.status} while the audit sent much at once: the service may be overloaded by that, "
        "its log says what failed",
    )


def _told(world: World, answer: Exchange) -> str:
    """Return whether an error names the other tenant, which only a mix-up puts there."""
    key = OTHER.get(answer.call.who.tenant if answer.call.who else "", "")
    other = world.tenants.get(key)
    names = {"schema": other.schema_name, "name": other.slug, "id": other.id} if other else {}
    body = answer.response.body.decode("utf-8", "replace")
    found = [what for what, text in names.items() if text and text in body]
    return f"an error of another tenant names the {found[0]} of {key}" if found else ""
