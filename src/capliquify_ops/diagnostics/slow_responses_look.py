"""The closer look, one after another: statements and pressure a second time, the tables of slow statements, plans."""

import time

from capliquify_ops.database import Session, load, quoted
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.slow_responses_now import Slowness
from capliquify_ops.diagnostics.slow_responses_suspects import Plans, Since, Suspect, Tables, names_of, suspects_of
from capliquify_ops.diagnostics.tenant_names import known_names
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.errors import OpsError, PrivilegeMissing, StatementFailed
from capliquify_ops.observation import statements
from capliquify_ops.observation.activity import PACKAGE
from capliquify_ops.observation.plans import Plan, read_plan
from capliquify_ops.observation.pressure import Pressure, pressure_between, read_pressure
from capliquify_ops.observation.statements import SHARES_IDS_FROM, Access, Statistics, by_time, folded_lines, growth, read_texts
from capliquify_ops.observation.tables import missing_indexes, read_indexes, read_tables
from capliquify_ops.tenants.registry_columns import fill_registry

PLANNED = 2
"""Plans that are asked for: each may take as long as a statement of a diagnosis may."""
NOTHING = "no statement to look at"
First = tuple[Access, Statistics]
"""Where the statistics of statements are, and their first read."""


class Look:
    """Asks in the order of its methods: each builds on what those before found."""

    def __init__(
        self,
        found: Slowness,
        before: First | None,
        pressure: Pressure | None,
        started: float,
        inquiry: Inquiry,
    ) -> None:
        self._found = found
        self._before = before
        self._pressure = pressure
        self._started = started
        self._inquiry = inquiry
        self._since: Since | None = None
        self._tables = Tables()

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        """The statements to look at, as far as is known by now."""
        return suspects_of(self._found, self._since, self._inquiry.limits)

    def since(self, session: Session) -> tuple[Since, str]:
        """Read statements and pressure again, `watch_s` after the first time."""
        clock = self._inquiry.clock
        time.sleep(max(0.0, self._started + self._inquiry.watch_s - clock.monotonic()))
        tenants, says = known_names(session, self._inquiry.target)
        with session.transaction():
            over_s = clock.monotonic() - self._started
            pressure = pressure_between(self._pressure, read_pressure(session)) if self._pressure else None
            found = Since(over_s, tenants=tenants, pressure=pressure)
            if self._before:
                found = self._counted(session, *self._before, found)
        self._since = found
        busiest = f", most time: {found.lines[0].text[:80]}" if found.lines else ""
        note = "" if tenants else f"; {says}"
        return found, f"{sum(line.calls for line in found.lines)} calls in {over_s:.1f} s{busiest}{note}"

    def tables(self, session: Session) -> tuple[Tables, str]:
        """Read the tables of the suspects, and compare their indexes with those of other tenants."""
        suspects, profile = self.suspects, self._inquiry.target.profile
        names = names_of(suspects)
        if not names:
            return Tables(), NOTHING
        registry = profile.registry
        shared = {"public", registry.table.partition(".")[0]}
        schemas = {schema for each in suspects for schema in each.schemas}
        tables, indexes = (fill_registry(load(PACKAGE, stem).text, registry) for stem in ("tables", "table_indexes"))
        with session.transaction():
            require_registry(session, registry, self._inquiry.target.roles.owner)
            found = read_tables(session, tables, names, sorted(schemas), sorted(shared))
            limit = self._inquiry.limits.number("scanned_rows")
            large = [each for each in found if each.rows >= limit]
            self._tables = Tables(found, missing_indexes(large, read_indexes(session, indexes, large)))
        siblings = max((each.siblings for each in found), default=0)
        return self._tables, f"{len(found)} of the tables {', '.join(names)} of {siblings} schemas"

    def plans(self, session: Session) -> tuple[Plans, str]:
        """Ask for the plans of the worst statements; of what cannot be planned it is said why."""
        found = {each.text: self._plan(session, each) for each in self.suspects[:PLANNED]}
        if not found:
            return {}, NOTHING
        reasons = [each for each in found.values() if isinstance(each, str)]
        return found, "; ".join(dict.fromkeys(reasons)) or f"{len(found)} made"

    def _plan(self, session: Session, suspect: Suspect) -> Plan | str:
        if not suspect.sample:
            return "no plan: the server cut the statement's text"
        schema = self._schema_of(suspect)
        try:
            return read_plan(session, suspect.sample, schema, analyze=self._inquiry.may_analyze)
        except PrivilegeMissing:
            return f"no plan, this role may not read the tables: {_grant(session, schema or 'public')}"
        except StatementFailed as fault:
            # The server's sentence may repeat a value of the statement.
            return f"no plan: the server refuses to make one ({fault.sqlstate})"
        except OpsError as fault:
            return str(fault)

    def _schema_of(self, suspect: Suspect) -> str:
        """Return the tenant for whom to plan: the statement's, else one that lacks an index, else that of the largest table."""
        own = [each for each in self._tables.tables if each.is_tenant and each.name in suspect.tables]
        lacking = {(each.table, schema) for each in self._tables.missing for schema in each.schemas}
        by_size = sorted(own, key=lambda each: ((each.name, each.schema) not in lacking, -each.rows, each.schema))
        return next(iter(suspect.schemas), by_size[0].schema if by_size else "")

    def _counted(self, session: Session, access: Access, before: Statistics, found: Since) -> Since:
        after = statements.read_statistics(session, access, self._inquiry.target.roles.app)
        grown = growth(before, after)
        half = statements.MOST_TEXTS // 2
        texts = read_texts(session, access, (*by_time(grown)[:half], *by_time(after)[:half]))
        return Since(
            found.over_s,
            folded_lines(grown, texts, found.tenants),
            folded_lines(after, texts, found.tenants),
            after.age_s,
            session.server_major >= SHARES_IDS_FROM,
            found.tenants,
            found.pressure,
        )


def first_statistics(session: Session, app_role: str) -> tuple[First, str]:
    """Read the statistics of statements for the first time. Raises ServerUnsupported and PrivilegeMissing."""
    with session.transaction():
        access = statements.find_statistics(session)
        found = statements.read_statistics(session, access, app_role)
    return (access, found), f"{len(found.counted)} statements, counted since {age(found.age_s)} ago"


def first_pressure(session: Session) -> tuple[Pressure, str]:
    """Read the counters of pressure for the first time."""
    with session.transaction():
        found = read_pressure(session)
    timing = "" if found.is_timed else "; track_io_timing is off, so nobody knows how long sessions wait for files"
    many = (
        f"{found.checkpoints_requested} of {found.checkpoints_timed + found.checkpoints_requested} checkpoints before their time"
    )
    return found, f"{many}, {found.temp_files} temporary files so far{timing}"


def _grant(session: Session, schema: str) -> str:
    with session.transaction():
        role = quoted(str(session.value("SELECT current_user")))
    return f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(schema)} TO {role}"
