"""A target: which system, what may be done to it, and how to get in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from capliquify_ops.configuration.profile import Profile
from capliquify_ops.model.errors import ConfigurationInvalid, TargetForbids
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret

EMBEDDED = "embedded"
FROM_ENVIRONMENT = "env"


class TargetClass(StrEnum):
    """What may be attacked, loaded and changed."""

    LOOPBACK = "loopback"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Identity:
    """How tokens for named users are had. `options` are the provider's own."""

    provider: str = ""
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Integration:
    """An outside service of a target. `options` are texts, empty where not given; `missing` says which secret is not here."""

    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One system under measurement. Absent URLs mean that what needs them is not run.

    `missing` says which secrets of the configuration are not here: such a target cannot be chosen, others can. `log_files`
    are where the service writes its logs, `mail_folder` where a test mail sink keeps its messages, if they can be read from here.
    """

    name: str
    kind: TargetClass
    profile: Profile
    database_url: Secret | None = None
    operator_url: Secret | None = None
    base_url: str = ""
    prometheus_url: str = ""
    pooled: bool = False
    roles: Roles = field(default_factory=Roles)
    identity: Identity = field(default_factory=Identity)
    integrations: Mapping[str, Integration] = field(default_factory=lambda: MappingProxyType({}))
    missing: tuple[str, ...] = ()
    log_files: tuple[Path, ...] = ()
    mail_folder: Path | None = None

    def require_complete(self) -> "Target":
        """Return the target itself. Raises ConfigurationInvalid where a secret that its configuration names is not here."""
        if self.missing:
            raise ConfigurationInvalid(" ".join(self.missing))
        return self

    def how_to_set(self, key: str) -> str:
        """Return how one gives this target a setting: those that nobody configures are replaced by one of the file's."""
        if self.name == EMBEDDED:
            return "The embedded one runs only while it is measured. Set DATABASE_URL, or write capliquify-ops.toml."
        if self.name == FROM_ENVIRONMENT:
            return f"DATABASE_URL gives a database to read. Write capliquify-ops.toml with a target that has {key}."
        return f"Set targets.{self.name}.{key} in the configuration."

    def observer_url(self) -> Secret:
        """Return the read-only connection string, or say which setting is missing."""
        if self.database_url is None:
            raise ConfigurationInvalid(
                f"Target {self.name!r} has no database URL.",
                hint=self.how_to_set("database_url_env"),
            )
        return self.database_url

    def changing_url(self) -> Secret:
        """Return the operator's connection string, or say which setting is missing."""
        if self.operator_url is None:
            raise ConfigurationInvalid(
                f"Target {self.name!r} has no operator URL, so nothing in its database is changed.",
                hint=self.how_to_set("operator_url_env"),
            )
        return self.operator_url

    def require_harmless(self, what: str) -> None:
        """Refuse to attack or load a production target."""
        if self.kind is TargetClass.PRODUCTION:
            raise TargetForbids(
                f"{what} is refused: target {self.name!r} is of class production.",
                hint='Use a target of class "loopback" or "staging".',
            )
