"""One measuring run: the target it opened, the records it writes, the decision it ends with."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from capliquify_ops.configuration import EMBEDDED, Settings, Target, TargetClass, load_settings
from capliquify_ops.configuration.system import SystemClock, new_id, new_run, stamp, this_tool
from capliquify_ops.database import Session, observer
from capliquify_ops.evidence import Store
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation import controls, families
from capliquify_ops.isolation.world import World, build_world
from capliquify_ops.load.traffic import Traffic, make_traffic
from capliquify_ops.model.decision import Decision
from capliquify_ops.model.errors import OpsError, TargetForbids
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import State, state_of, worst
from capliquify_ops.model.protocols import TokenSource
from capliquify_ops.model.record import Record, TargetRef
from capliquify_ops.preflight.identify import identify
from capliquify_ops.pytest_plugin.answers import measured_nothing, name_outcome, raise_for_worst, unswallow, why_of
from capliquify_ops.pytest_plugin.embedded import embedded_target
from capliquify_ops.pytest_plugin.known_secrets import known_secrets
from capliquify_ops.pytest_plugin.leaving import leave
from capliquify_ops.pytest_plugin.marked import check_of, claim_of
from capliquify_ops.pytest_plugin.outcomes import Collected, NotRun, Undetermined
from capliquify_ops.pytest_plugin.phases import is_plain, state_of_phase
from capliquify_ops.pytest_plugin.redacting import redact_report, redact_terminal
from capliquify_ops.pytest_plugin.remembering import Remembering
from capliquify_ops.pytest_plugin.watchdog import Watchdog, load_run, storm_run, watch
from capliquify_ops.signoff import decide, load_boxes, write_documents
from capliquify_ops.signoff.boxes import box_of
from capliquify_ops.signoff.verdict import counted, effective_state, measured_boxes_passed

COLLECTED = pytest.StashKey[Collected]()
NO_BOX = "unplanned"


def open_gate(config: pytest.Config) -> "Gate":
    """Open the target that the options choose; a user's mistake ends pytest with a sentence and the command's exit code."""
    try:
        return _open(config)
    except OpsError as error:
        leave(error)


def _open(config: pytest.Config) -> "Gate":
    option = config.option
    file = Path(option.config) if option.config else None
    settings = load_settings(file, Path(option.evidence_dir) if option.evidence_dir else None)
    store = Store(settings.evidence_dir)
    store.prepare()
    chosen = settings.target(option.target, observing=False)
    gate = Gate(
        settings,
        store,
        Audit(option.tenant_a, option.tenant_b, option.depth, option.seed, option.own_production),
        config.get_terminal_writer().line,
        option.load_depth,
    )
    redact_terminal(config, lambda text: gate.store.redactor.text(text))  # noqa: PLW0108  # the redactor is replaced on opening
    try:
        gate.open(chosen)
    except BaseException:
        gate.close()
        raise
    return gate


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """What the options say of the security audit: two existing tenants, if any, how deep it goes, what plans are drawn from.

    `own_production` is the production target that whoever runs it says to own, None where none is named.
    """

    tenant_a: str | None
    tenant_b: str | None
    depth: str
    seed: int
    own_production: str | None = None


LOAD_SECONDS: Mapping[str, float] = {"quick": 30.0, "release": 600.0, "soak": 3600.0}
"""For how long each depth drives a steady load."""


class Gate:
    """Writes a record for each checked test of one pytest run and concludes with the decision."""

    target: Target
    ref: TargetRef

    def __init__(
        self, settings: Settings, store: Store, audit: Audit, say: Callable[[str], None], load_depth: str = "quick"
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = SystemClock()
        self.run = new_run()
        self.decision: Decision | None = None
        self._audit = audit
        self.load_seconds = LOAD_SECONDS[load_depth]
        self._say = say
        self._report: Path | None = None
        self._stack: AbstractContextManager[object] | None = None
        self._watchdog: Watchdog | None = None
        self._measured_security: set[str] = set()
        self._is_left = self._storm_blows = False

    def open(self, chosen: Target) -> None:
        """Start the embedded stack where it is the target, and make sure that the target is what it should be."""
        if chosen.name == EMBEDDED:
            self._say("starting the embedded stack: PostgreSQL and the reference service on loopback")
            self._stack, chosen = embedded_target(chosen)
        self.target = chosen
        self.store.redactor = Redactor(known_secrets(self.settings, chosen))
        self.ref = identify(chosen)
        if chosen.kind is TargetClass.PRODUCTION:
            self._say(
                f"target {chosen.name!r} is of class production: it is only read, what needs test tenants or load is not run"
            )
        known = counted(self.store.records(), self.ref)
        self._measured_security = {check for check, record in known.items() if effective_state(record) is State.PASSED}

    def _watch(self) -> None:
        """Before the first row is made somewhere that outlives this process, see to its removal."""
        named = {"a": self._audit.tenant_a, "b": self._audit.tenant_b}
        given = {key: slug for key, slug in named.items() if slug}
        if self._stack is None and self._watchdog is None and (given or self.target.operator_url is not None):
            self._watchdog = watch(self.settings.file, self.target.name, self.run, given)

    def close(self) -> None:
        """Stop what was started; the watchdog is dismissed only where the run removed everything itself."""
        if self._watchdog is not None:
            if self._is_left or self._storm_blows:
                self._watchdog.release()
            else:
                self._watchdog.dismiss()
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.__exit__(None, None, None)

    def without_known_security(self, items: Sequence[pytest.Item], added: Sequence[Path]) -> list[pytest.Item]:
        """Leave out checks of the added security suite that passed on this very target already, and say so."""
        reused = [item for item in items if item.path in added and check_of(item) in self._measured_security]
        if reused:
            self._say(f"{len(reused)} security checks passed on this target before and are not run again: pytest security/ does")
        return [item for item in items if item not in reused]

    def within_depth(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Leave out what a quick audit does not measure, and say so: its boxes stay open."""
        if self._audit.depth == "full":
            return list(items)
        slow = {row.check for row in (*controls(), *families()) if not row.is_quick}
        kept = [item for item in items if not item.get_closest_marker("check") or check_of(item) not in slow]
        self._say(f"{len(items) - len(kept)} security checks are left out of a quick audit: --depth full measures them")
        return kept

    def start(self, item: pytest.Item, marker: pytest.Mark) -> None:
        """Keep the record as started, before anything of the test runs."""
        check = check_id(str(marker.args[0]))
        record = Record(
            id=new_id(),
            run=self.run,
            box=box_of(check) or NO_BOX,
            check=check,
            title=claim_of(item),
            state=State.NOT_RUN,
            findings=(),
            started_at=stamp(self.clock.now()),
            finished_at=None,
            target=self.ref,
            tool=this_tool(),
        )
        item.stash[COLLECTED] = Collected(record)
        self._guarded(lambda: self.store.start(record))

    def finish(self, item: pytest.Item) -> None:
        """Keep the finished record. Findings speak whenever they were required: also while a fixture was set up or taken down."""
        found = item.stash[COLLECTED]
        states = [*found.states, *((state_of(finding.outcome), why_of(finding)) for finding in found.findings)]
        state = worst(state for state, _ in states)
        reasons = list(dict.fromkeys(why for own, why in states if own is state and why))
        record = dataclasses.replace(
            found.started,
            state=state,
            findings=tuple(found.findings),
            raw=tuple(found.raw),
            reason="; ".join(reasons),
            finished_at=stamp(self.clock.now()),
        )
        self._guarded(lambda: self.store.finish(record))

    def _guarded(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OpsError as error:
            leave(error)

    def note(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take down what a phase says; a test that measured nothing becomes an error, and every text is redacted."""
        self._take_note_of_removal(item, call, report)
        found = item.stash[COLLECTED]
        said = state_of_phase(call, report, found.findings)
        if said is not None:
            found.states.append((said[0], self.store.redactor.text(said[1])))
        elif report.when == "call" and not found.findings:
            found.states.append(measured_nothing(report))
        if call.excinfo is not None:
            name_outcome(report, call.excinfo.value)
        if call.excinfo is not None and report.failed:
            text = str(call.excinfo.value) if is_plain(call.excinfo.value) else str(report.longrepr)
            report.longrepr = text
        elif report.when == "call" and report.passed:
            unswallow(report, found.findings)
        self.redact(report)

    def _take_note_of_removal(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """A storm removes its tenants within the test: one that ended with an OpsError, or never, may have left some."""
        if "storm_run" in getattr(item, "fixturenames", ()):
            self._is_left |= call.excinfo is not None and isinstance(call.excinfo.value, OpsError)
            self._storm_blows &= report.when != "teardown"

    def redact(self, report: pytest.TestReport) -> None:
        """Mask secrets in what pytest prints and keeps of a test, with a check or without."""
        redact_report(report, self.store.redactor.text)

    def require(self, item: pytest.Item, findings: Sequence[Finding]) -> None:
        """Record findings, then raise for the worst of them."""
        __tracebackhide__ = True
        if not findings:
            raise Undetermined("the check returned no finding")
        check = item.stash[COLLECTED].started.check
        strange = {finding.check for finding in findings} - {check}
        if strange:
            raise RuntimeError(f"{check} was handed findings of {', '.join(sorted(strange))}")
        item.stash[COLLECTED].findings.extend(findings)
        raise_for_worst(findings)

    def keep(self, item: pytest.Item, content: bytes) -> str:
        """Keep raw data beside the item's record."""
        name = self.store.keep(content)
        item.stash[COLLECTED].raw.append(name)
        return name

    def observe(self, purpose: str) -> AbstractContextManager[Session]:
        """Open a read-only session on the target."""
        if self.target.database_url is None:
            raise NotRun(f"target {self.target.name!r} has no database URL")
        return observer(self.target.database_url, purpose, pooled=self.target.pooled)

    @contextmanager
    def world(self) -> Iterator[World]:
        """Build the throwaway tenants that the audit needs."""
        self._require_tenants(is_audit=True)
        self._say(f"audit: run {self.run}, seed {self._audit.seed}, depth {self._audit.depth}")
        with (
            self._removing(),
            build_world(self.target, self._tokens(), self.run, self.clock, **dataclasses.asdict(self._audit)) as built,
        ):
            yield built
        self._is_left |= bool(built.leftovers)
        for left in built.leftovers:
            self._say(f"not removed: {left}")

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Make the tenants and tokens that a load needs."""
        self.require_load()
        with self._removing(), make_traffic(self.target, self._tokens(), load_run(self.run)) as made:
            yield made

    @contextmanager
    def _removing(self) -> Iterator[None]:
        """Whatever a block ends with but its end, its removal may have failed."""
        try:
            yield
        except BaseException:
            self._is_left = True
            raise

    def require_load(self) -> None:
        """Make sure that tenants may be made for load, and that they go even if this process does not see to it."""
        self._require_tenants()
        if self.target.operator_url is None:
            raise NotRun(f"target {self.target.name!r} has no operator URL, so no tenants can be made for load")

    def load_tokens(self) -> tuple[TokenSource, str]:
        """Return where the tokens of a tenant creation storm come from, and the id under which it makes tenants."""
        self._storm_blows = True
        return self._tokens(), storm_run(self.run)

    def _tokens(self) -> TokenSource:
        return Remembering(token_source(self.target.identity, self.clock), self.store.redactor)

    def _require_tenants(self, *, is_audit: bool = False) -> None:
        target = self.target
        try:
            if not is_audit or self._audit.own_production != target.name:
                target.require_harmless("An audit with test tenants")
        except TargetForbids as error:
            reads = f" What only reads is measured with --i-own-this-production {target.name}." if is_audit else ""
            raise NotRun(f"{error}{reads}") from None
        if not target.base_url:
            raise NotRun(f"target {target.name!r} has no base_url: only its database half is measured")
        if target.operator_url is None and None in (self._audit.tenant_a, self._audit.tenant_b):
            raise NotRun(f"target {target.name!r} has no operator URL; give --tenant-a and --tenant-b, or configure one")
        if not target.identity.provider:
            raise NotRun(f"target {target.name!r} has no [identity], so no session tokens can be had")
        if target.kind is not TargetClass.PRODUCTION:
            self._watch()

    def conclude(self) -> bool:
        """Decide, write the documents, and say whether each measured box is ticked."""
        boxes = load_boxes()
        try:
            decision = decide(boxes, self.store.records(), self.ref, stamp(self.clock.now()), this_tool().version)
            self._report = write_documents(decision, self.store)
        except OpsError as error:
            self._say(str(error))
            return False
        self.decision = decision
        return measured_boxes_passed(decision)

    def summarise(self, terminal: pytest.TerminalReporter) -> None:
        """Print the boxes, the verdict, what blocks it and where the report is."""
        from capliquify_ops.rendering.table import boxes_table  # noqa: PLC0415  # only at the very end

        if self.decision is None or self._report is None:
            return
        writer = terminal.config.get_terminal_writer()
        terminal.section("sign-off")
        terminal.write_line(boxes_table(self.decision, writer.fullwidth, writer.hasmarkup))
        terminal.write_line(f"report: {self._report}")
        if not measured_boxes_passed(self.decision):
            open_boxes = [
                result.box.id for result in self.decision.boxes if result.box.measured and result.state is not State.PASSED
            ]
            terminal.write_line(f"not ticked: {', '.join(open_boxes)}; pytest ends with 1 until every measured box is ticked")
