"""What `stack.start` and its supervisor say to each other: options one way, one line of JSON the other."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType

from capliquify_ops.model import errors
from capliquify_ops.model.errors import OpsError, TargetUnreachable
from capliquify_ops.model.roles import Roles

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be started.

    `service`: with identity process and reference service, or PostgreSQL alone. `port` 0: any. `postgres_bin`: programs
    other than the wheel's. `product`: whether the shared tables and functions are installed. `postgres_settings` lie over
    the server's configuration, `service_settings` over the service's; `service_arguments` go to its command line. `switches`
    are names of defects and twins (reference/service/switches.py). `serials`: each tenant also has a table of serial ids.
    `base`: the folder in which the run's folder is made, where the usual places do not do; in /dev/shm a large fleet is
    removed in seconds. `pooler`: the mode of a PgBouncer between service and server, `transaction` or `session`.
    """

    service: bool = True
    port: int = 0
    workers: int = 1
    pool_size: int = 10
    postgres_bin: Path | None = None
    product: bool = True
    postgres_settings: Mapping[str, str] = field(default_factory=lambda: _NO_SETTINGS)
    service_settings: Mapping[str, str | int | float] = field(default_factory=lambda: _NO_SETTINGS)
    service_arguments: tuple[str, ...] = ()
    base: Path | None = None
    switches: tuple[str, ...] = ()
    serials: bool = False
    pooler: str = ""

    def to_line(self) -> str:
        """Return the options as one line of JSON."""
        plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in _named(self, Options)}
        return json.dumps(plain, default=str)

    @classmethod
    def from_line(cls, line: str) -> "Options":
        """Read what `to_line` wrote."""
        values = json.loads(line)
        for name in ("postgres_bin", "base"):
            values[name] = Path(values[name]) if values[name] else None
        return cls(**values | {name: tuple(values[name]) for name in ("service_arguments", "switches")})


@dataclass(frozen=True, slots=True)
class Description:
    """A running stack. URLs of the database name a password file; what is not started is empty text.

    `config` is a TOML file whose target `running` is this stack; `processes` are process ids by name.
    """

    run_folder: Path
    config: Path
    roles: Roles
    database_url: str
    operator_url: str
    superuser_url: str
    app_url: str
    base_url: str
    metrics_url: str
    identity_url: str
    instance: str
    processes: Mapping[str, int]

    def to_line(self) -> str:
        """Return the description as one line of JSON."""
        plain = dict(_named(self, Description)) | {"roles": asdict(self.roles), "processes": dict(self.processes)}
        return json.dumps({"stack": plain}, default=str)


def fault_to_line(fault: OpsError) -> str:
    """Return an error as one line of JSON."""
    return json.dumps({"error": {"kind": type(fault).__name__, "what": fault.what, "hint": fault.hint}})


def from_line(line: str) -> Description:
    """Read a description. Raises the error that the supervisor reported, with its own class."""
    document = json.loads(line)
    if "error" in document:
        said = document["error"]
        kind = getattr(errors, said["kind"], TargetUnreachable)
        raise kind(said["what"], hint=said["hint"])
    values = document["stack"]
    paths = {name: Path(values[name]) for name in ("run_folder", "config")}
    return Description(**values | paths | {"roles": Roles(**values["roles"])})


def _named(value: object, kind: type[Options | Description]) -> list[tuple[str, object]]:
    return [(each.name, getattr(value, each.name)) for each in fields(kind)]
