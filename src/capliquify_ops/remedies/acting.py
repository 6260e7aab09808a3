"""What a remedy is: a plan that is shown, the act that does just that, a look whether it is done, and a diagnosis afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model import names
from capliquify_ops.model.errors import OpsError, UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.suspend import Verification

Facts = Mapping[str, Plain]
_NOTHING: Facts = MappingProxyType({})
LONGEST_S = 30 * 86_400.0
"""Nothing is watched for longer, and what idles for longer is ended by a shorter time too."""
WITHIN_S = 180.0
"""The runbook says that a deployment takes two to three minutes; a restart is quicker."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asks of a remedy; None, empty and False stand for what was not given. Each remedy takes some of them."""

    arguments: tuple[str, ...] = ()
    over_s: float | None = None
    role: str | None = None
    pid: int | None = None
    terminate: bool = False
    deploy: str | None = None
    deploy_now: bool = False
    value: Secret | None = None
    reason: str | None = None
    within_s: float | None = None
    processes: int | None = None

    def given(self) -> frozenset[str]:
        """Return the names of the options that were given."""
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        return frozenset(name for name, value in given if value is not None and value is not False and value != ())


@dataclass(frozen=True, slots=True)
class Context:
    """Of whom a remedy is asked and how time goes by. `verification` makes ready to ask the service about a suspended tenant."""

    target: Target
    limits: Limits
    clock: Clock
    dice: Callable[[], float]
    sleep: Callable[[float], None]
    actor: str
    new_id: Callable[[], str]
    verification: Callable[[Session, str], Verification | str]
    tell: Callable[[str], None] = lambda _: None


class State(StrEnum):
    """How an action ended. REFUSED: nothing was changed, since nothing of the plan fits any more or nothing may be done."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Acted:
    """What was done: counts, ids and the like. `left` says of what the plan had and was not done why it was not."""

    changed: Facts = field(default_factory=lambda: _NOTHING)
    left: tuple[str, ...] = ()
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether what was done shows; `holds` is None where nobody could tell."""

    holds: bool | None
    says: str


class PartlyDone(OpsError):
    """An action stopped half-way: what it had changed by then, and the fault that stopped it."""

    def __init__(self, fault: OpsError, changed: Facts, *, may: str = "") -> None:
        super().__init__(f"{fault.what} {may}".rstrip(), hint=fault.hint)
        self.changed = changed
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that was made by looking, with what does it and what looks afterwards.

    The act looks again at each thing that it changes, and leaves what no longer fits. A plan without steps has nothing to do.
    """

    plan: Plan
    act: Callable[[], Acted]
    verify: Callable[[Acted], Verified]
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """One resolution step of the runbook: what it does, the issues it belongs to, and what it needs and takes.

    `takes` are names of Options, those of `wants` must be given; `argument` is what its arguments are called. One that
    `is_told_only` changes nothing: its plan is all.
    """

    name: str
    text: str
    issues: tuple[str, ...]
    needs: str
    plan: Callable[[Context, Options], Prepared]
    takes: frozenset[str] = frozenset()
    wants: frozenset[str] = frozenset()
    argument: str = ""
    is_told_only: bool = False

    def prepare(self, context: Context, options: Options) -> Prepared:
        """Look at the situation and return the plan. Raises UsageError for options it does not take, and what looking raises."""
        given = options.given()
        if endless := [name for name in given if isinstance(getattr(options, name), float) and not _is_time(options, name)]:
            raise UsageError(f"{self._spelt(min(endless))}: that is no time.", hint="Give a number of seconds, at most 30 days.")
        for text in (*options.arguments, options.role, options.deploy, options.reason):
            names.storable(text or "")
        if strange := given - self.takes - self.wants:
            raise UsageError(
                f"The remedy {self.name} takes no {self._spelt(min(strange))}.", hint="See: capliquify-ops remedy list"
            )
        if missing := self.wants - given:
            raise UsageError(f"The remedy {self.name} wants {self._spelt(min(missing))}.", hint="See: capliquify-ops remedy list")
        return self.plan(context, options)

    def usage(self) -> str:
        """Return the options in one line, those that need not be given in brackets."""
        wanted = [self._spelt(each) for each in _SPELT if each in self.wants]
        return " ".join([*wanted, *(f"[{self._spelt(each)}]" for each in _SPELT if each in self.takes - self.wants)])

    def _spelt(self, option: str) -> str:
        return self.argument or _SPELT[option] if option == "arguments" else _SPELT[option]


def _is_time(options: Options, name: str) -> bool:
    return bool(abs(getattr(options, name)) <= LONGEST_S)


_SPELT: Mapping[str, str] = MappingProxyType(
    {
        "arguments": "argument",
        "pid": "--pid PID",
        "over_s": "--over SECONDS",
        "role": "--role ROLE",
        "terminate": "--terminate",
        "deploy": "--deploy ID",
        "value": "--value-file FILE or --value-env VARIABLE",
        "deploy_now": "--deploy-now",
        "reason": "--reason TEXT",
        "within_s": "--within SECONDS",
        "processes": "--processes N",
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an action: how it ended, whether that shows, and whether the diagnosis says that it helped.

    `helped` is "helped", "not helped" or "cannot be told", `why` a sentence for each of these. `database` says whether the
    database has the audit too.
    """

    action: str
    remedy: str
    target: str
    plan_digest: str
    state: State
    changed: Facts
    left: tuple[str, ...]
    verified: Verified
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None
    helped: str
    why: str
    database: str
    fault: str = ""
    exit_code: int = 0
