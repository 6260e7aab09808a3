"""SEC-013: connection strings, secrets and the service's insides never appear in answers or logs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from capliquify_ops.configuration import Target
from capliquify_ops.database.dsn import parts
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.disclosures import disclosed, wanted
from capliquify_ops.isolation.exchange import UNWELL, Call, Exchange, objects
from capliquify_ops.isolation.log_lines import lines_apart, sizes, written
from capliquify_ops.isolation.mail_apart import messages_apart
from capliquify_ops.isolation.probe import Expectation, Probes, noted, untried
from capliquify_ops.isolation.provocations import provocations, too_large
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import IntegrationFailed, TargetUnreachable
from capliquify_ops.model.secret import Secret

ANY_ANSWER = Expectation("any answer that tells nothing", frozenset(range(100, 600)))
_OK = range(200, 300)


def provoked_errors(world: World) -> Probes:
    """SEC-013: every kind of unusable request, whatever it is answered, tells nothing of the service's insides."""
    who = "b.owner"
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    logs = sizes(world.target.log_files)
    secrets = wanted(known_secrets(world.target))
    for call in provocations(world, who):
        yield from _answered(world, call, secrets)
    try:
        yield from _answered(world, too_large(world, who), secrets)
    except (TargetUnreachable, IntegrationFailed):
        yield untried("a body that is too large", "the service hung up", is_optional=True)
    yield reads_own(world, who)
    yield from _logged(logs, secrets)
    yield from lines_apart(world)
    yield from messages_apart(world)


def _answered(world: World, call: Call, secrets: Sequence[Canary]) -> Probes:
    answer = world.send(call)
    name = f"{call.method} {call.path[:60]}{call.shown}"
    if answer.status in UNWELL:
        yield untried(name, f"it was answered {answer.status}: the service could not answer then")
    sent = (*call.path.split("/"), call.path, *call.headers.values(), call.sent_organization() or "")
    is_error = answer.status not in _OK or call.who is None
    told = disclosed(answer.response.body, answer.response.headers, [*secrets, *_own_token(world, call)], sent, is_error=is_error)
    yield answer.probe(name, ANY_ANSWER, problem=f"it tells {', '.join(told)}" if told else "", needs="b.owner reads own rows")
    _remove(world, answer)


def _own_token(world: World, call: Call) -> tuple[Canary, ...]:
    """The token that was sent is no part of any answer: error pages are kept, forwarded and shown to others."""
    return wanted({"session token": world.caller.wallet.token(call.who)}) if call.who is not None else ()


def _remove(world: World, answer: Exchange) -> None:
    """Delete what was made by a request that should not have been taken."""
    route = next((one for one in world.creatable() if one.path == answer.call.path), None)
    made = next(objects(answer.data), None) if answer.is_success and answer.call.method == "POST" else None
    if route is not None and made is not None:
        plant = world.remember(answer.call.who.tenant if answer.call.who else "", route, str(made["id"]), None)
        if plant.path:
            world.uproot([plant])


def known_secrets(target: Target) -> dict[str, str]:
    """Return every secret of the target that the audit knows, by what a report calls it."""
    found: dict[str, str] = {}
    for name, url in (("database URL", target.database_url), ("operator URL", target.operator_url)):
        if url is not None:
            found[f"password of the {name}"] = _password(url)
    return found | dict(_configured(target))


def _password(url: Secret) -> str:
    """Return the password of a connection string, or of the file that it names; "" without one."""
    given = parts(url)
    if "passfile" not in given:
        return given.get("password", "")
    try:
        lines = Path(given["passfile"]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.rpartition(":")[2] for line in lines if ":" in line), "")


def _configured(target: Target) -> Iterator[tuple[str, str]]:
    for name, integration in target.integrations.items():
        for key, secret in integration.secrets.items():
            yield f"secret {key} of {name}", secret.reveal()
    yield from _revealed("identity", target.identity.options)


def _revealed(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Secret):
        yield f"secret {name}", value.reveal()
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _revealed(f"{name}.{key}", inner)


def _logged(logs: Mapping[Path, int], secrets: Sequence[Canary]) -> Probes:
    """What the service wrote down meanwhile: traces and paths belong there, secrets do not."""
    if not logs:
        yield untried("the logs of the service", "the target names no log_files", is_optional=True)
    for path, content in written(logs):
        told = disclosed(content, {}, secrets, is_error=False)
        yield noted(f"the log {path.name}", f"it tells {', '.join(told)}" if told else "", needs="b.owner reads own rows")
