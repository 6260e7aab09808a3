"""This machine's clock, randomness and versions: read here and passed on, so that all else can be tested with others."""

import getpass
import os
import platform
import random
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from capliquify_ops.model.record import Tool


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """Return the time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def stamp(moment: datetime) -> str:
    """Return a time as RFC 3339 UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """Return an id for a record: it sorts by time and never repeats."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


def new_run() -> str:
    """Return an id for a run: short, lower case, fit for slugs and role names."""
    return f"r{secrets.token_hex(5)}"


def this_tool() -> Tool:
    """Return what is measuring: the installed version of this library, and Python's."""
    try:
        installed = version("capliquify-ops")
    except PackageNotFoundError:
        installed = "unknown"
    return Tool(installed, platform.python_version())


def forget_libpq() -> None:
    """Drop what libpq reads from the environment (PGSERVICE, PGSSLMODE, ...): somebody's production settings.

    For processes that talk to the embedded server alone, whose connection strings say all.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def new_uuid() -> uuid.UUID:
    """Return a random UUID."""
    return uuid.uuid4()


def this_actor() -> str:
    """Return who acts, for the audit: the operating system's user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{platform.node()}"


def dice() -> float:
    """Return a number from 0 to 1: callers that failed together come back apart."""
    return random.random()  # noqa: S311 -- nothing depends on nobody guessing it


def seeded(seed: int) -> Callable[[int], int]:
    """Return a die that gives the same throws for the same seed: each from 0 to below the number that it is given."""
    return random.Random(seed).randrange  # noqa: S311 -- a plan must be had again from its seed
