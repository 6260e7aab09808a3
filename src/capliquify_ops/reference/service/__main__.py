"""Starts the service: ``python -m capliquify_ops.reference.service --settings FILE``."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from capliquify_ops.reference.service.app import load_app
from capliquify_ops.reference.service.runtime import clear_run_folder
from capliquify_ops.reference.service.settings import SettingsInvalid, load_settings

_END_S = 5
_RESPAWN_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then ends the workers; 78 when the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m capliquify_ops.reference.service")
    parser.add_argument("--settings", type=Path, required=True)
    path = parser.parse_args(arguments).settings.absolute()
    try:
        settings = load_settings(path)
    except SettingsInvalid as problem:
        sys.stderr.write(f"{problem}\n")
        return 78
    clear_run_folder(Path(settings.run_folder))
    server = Granian(
        "reference service",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=_END_S,
        respawn_failed_workers=True,
        respawn_interval=_RESPAWN_S,
    )
    # The settings travel as an argument: workers get nothing from the environment.
    server.serve(target_loader=partial(load_app, str(path)), wrap_loader=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
