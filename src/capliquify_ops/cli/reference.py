"""reference serve · fleet · tokens"""

import signal
import sys
from collections.abc import Iterable
from json import dumps
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, target_of
from capliquify_ops.cli.output import document, note
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.nearest import nearest
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.preflight.addresses import require_loopback

MOST_TENANTS = 20_000
LARGEST_PORT = 65_535


def serve(
    port: Annotated[int, typer.Option(min=0, max=LARGEST_PORT, help="Port of the service; 0 takes a free one.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Worker processes of the service.")] = 1,
    defect: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Switch a defect on, to see what finds it. May be repeated.")
    ] = None,
    twin: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Switch on what is right and looks wrong. May be repeated.")
    ] = None,
    serials: Annotated[bool, typer.Option("--serials", help="Tenants also have a table whose ids are serial numbers.")] = False,
) -> None:
    """Serve until interrupted. Prints one JSON line when it is ready; its `config` is a TOML with the target `running`."""
    from capliquify_ops.reference import stack  # noqa: PLC0415  # needs the extra
    from capliquify_ops.reference.service.switches import DEFECTS, TWINS  # noqa: PLC0415  # likewise

    switches = (*_known("defect", defect, DEFECTS), *_known("twin", twin, TWINS))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with stack.start(port=port, workers=workers, switches=switches, serials=serials) as running:
            names = ("base_url", "database_url", "operator_url", "metrics_url", "config")
            sys.stdout.write(dumps({name: str(getattr(running, name)) for name in names}) + "\n")
            sys.stdout.flush()
            running.supervisor.wait()
            raise UsageError("The embedded stack ended by itself.", hint="Start it again.")
    except KeyboardInterrupt:
        note("stopped")
    except ModuleNotFoundError as error:
        raise _extra(error) from None


def _known(what: str, given: list[str] | None, known: Iterable[str]) -> list[str]:
    for name in given or []:
        if name not in known:
            raise UsageError(f"There is no {what} {name!r}.", hint=nearest(name, list(known)))
    return given or []


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _extra(error: ModuleNotFoundError) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"The embedded stack needs {error.name}, which is not installed.", hint='pip install "capliquify-ops[reference]"'
    )


def fleet(
    tenants: Annotated[int, typer.Option(min=1, max=MOST_TENANTS, help="How many tenants to add.")],
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Fill a loopback target with standard tenants, fast: for benchmarks and for trying things."""
    from capliquify_ops.reference.fleet import fill  # noqa: PLC0415  # needs the extra

    chosen = target_of(config, target, observing=False)
    _require_own(chosen)
    made = fill(chosen.changing_url(), chosen.roles, tenants)
    if json:
        document({"target": chosen.name, "added": made})
    else:
        note(f"{made} tenants added to {chosen.name}")


def _require_own(target: Target) -> None:
    if target.kind.value != "loopback":
        raise UsageError(f"Target {target.name!r} is of class {target.kind.value}: a fleet is only made on loopback.")
    require_loopback(target)


def tokens(run_folder: Annotated[Path, typer.Option("--run-folder", metavar="DIR", help="Folder of the running stack.")]) -> None:
    """Make session tokens of a running embedded stack: requests as JSON on stdin, tokens on stdout."""
    from capliquify_ops.reference.token_command import answer  # noqa: PLC0415  # needs the extra

    try:
        sys.stdout.buffer.write(answer(sys.stdin.buffer.read(), run_folder, SystemClock()))
    except ModuleNotFoundError as error:
        raise _extra(error) from None
