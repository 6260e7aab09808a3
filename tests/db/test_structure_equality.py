"""The check structure_equality: drift provoked on a real database, 0 to 1 to 0, and judged without one."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import SessionLimits, fill, observer, operator
from capliquify_ops.integrity import structure_equality
from capliquify_ops.integrity.structure_equality import FINDINGS, judge, run
from capliquify_ops.integrity.structure_groups import Structure, StructureRows, summary
from capliquify_ops.integrity.structure_template import read_template, template_of
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.structure import Difference

LIMITS = load_limits()
EVIDENCE = Evidence("structure_equality", "db", "2026-01-01T00:00:00.000Z", 1.0)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return load_profile("capliquify", tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def furnished_with_fleet(furnish, roles):
    names = ["", 'quo"te', "Upper 😀", "x" * 63, "tenantX", "Ten'ant"]

    def fill_it(database):
        with operator(database.operator_url, "test") as session:
            return [
                create(session, roles, NewTenant(uuid.uuid4(), f"t{i}", "t", f"org_{i}", schema_name=name), actor="t").schema_name
                for i, name in enumerate(names)
            ]

    return furnish(fill_it)


@pytest.fixture
def fleet(furnished_with_fleet, database):
    """Six equal tenants, hostile names among them; gives their schemas."""
    return list(furnished_with_fleet.content)


def _as_owner(url, roles, statement, **names):
    with operator(url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(fill(statement, names))


def _check(url, roles, profile, template=None, limits=None):
    with observer(url, "test", limits=limits) as session:
        return run(session, LIMITS, SystemClock(), profile=profile, roles=roles, template=template)


def _named(findings):
    return {finding.subject.name: finding for finding in findings}


def test_equal_tenants_are_healthy(observer_url, roles, profile, fleet):
    """Tenants of any name that are built alike are healthy, and all of them were examined."""
    (finding,) = _check(observer_url, roles, profile)
    assert (finding.outcome, finding.examined, finding.eligible) == (Outcome.HEALTHY, len(fleet), len(fleet))
    assert finding.measured["tenants_equal"] == len(fleet)


@pytest.mark.parametrize("position", range(6))
def test_a_lost_column_is_found_and_gone(database, roles, profile, fleet, position):
    """0, 1, 0: a column that one tenant lacks is one finding with that tenant's name, whichever tenant it is."""
    names = {"schema": fleet[position]}
    _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".products DROP COLUMN description', **names)
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.outcome, finding.subject.name) == (Outcome.FAILING, "column products.description")
    assert finding.tenants.sample == (fleet[position],)
    assert finding.why == "Of 6 tenants 1 lacks column products.description."
    assert "5 equal" in finding.witness.lines
    _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".products ADD COLUMN description text', **names)
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.outcome is Outcome.HEALTHY


def test_groups_are_told_not_tenants(database, roles, profile, fleet):
    """One finding for each object however many tenants it concerns, and the groups in one line each."""
    for schema in fleet[:2]:
        _as_owner(database.operator_url, roles, 'DROP INDEX :"schema".products_category_idx', schema=schema)
    _as_owner(database.operator_url, roles, 'CREATE INDEX extra ON :"schema".products (unit_cost)', schema=fleet[2])
    found = _named(_check(database.observer_url, roles, profile))
    assert set(found) == {"index products_category_idx", "index extra"}
    assert found["index products_category_idx"].tenants.sample == tuple(sorted(fleet[:2]))
    assert found["index extra"].severity.value == "medium"
    assert found["index extra"].witness.lines[-3:] == (
        "3 equal", "2 lack index products_category_idx", "1 has an extra index extra",
    )  # fmt: skip


def test_without_a_majority_the_yardstick_is_named(database, roles, profile, fleet):
    """When two structures are equally common the finding says that neither is the majority, and whose was the yardstick."""
    for schema in fleet[:3]:
        _as_owner(database.operator_url, roles, 'DROP INDEX :"schema".products_category_idx', schema=schema)
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.tenants.count == 3
    assert f"no structure is the most common one; compared with {fleet[0]}" in finding.witness.lines


def test_one_object_in_two_ways_is_one_finding(database, roles, profile, fleet):
    """A column lost here and of another type there is one object with two ways of differing."""
    _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".sales DROP COLUMN channel', schema=fleet[0])
    _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".sales ALTER COLUMN channel TYPE varchar(9)', schema=fleet[1])
    finding = _named(_check(database.observer_url, roles, profile))["column sales.channel"]
    assert finding.tenants.count == 2
    assert "1 lacks column sales.channel" in finding.why
    assert "1 differs in column sales.channel" in finding.why


def test_a_template_is_a_yardstick_against_the_majority(database, roles, profile, fleet):
    """With a template named, the majority that drifted from it is what fails."""
    for schema in fleet[1:]:
        _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".products ADD COLUMN region text', schema=schema)
    assert _named(_check(database.observer_url, roles, profile))["column products.region"].tenants.count == 1
    finding = _named(_check(database.observer_url, roles, profile, template=fleet[0]))["column products.region"]
    assert (finding.tenants.count, finding.why) == (5, "Of 6 tenants 5 have an extra column products.region.")
    with pytest.raises(TenantConflict, match="nowhere"):
        _check(database.observer_url, roles, profile, template="nowhere")


def test_a_column_that_was_made_again_differently_is_equal_by_words(database, roles, profile, fleet):
    """A generated column made again behind a hole has another stored form and the same definition: healthy."""
    script = (
        'ALTER TABLE :"schema".sales DROP COLUMN quantity CASCADE;'
        ' ALTER TABLE :"schema".sales ADD COLUMN quantity numeric(15, 3) NOT NULL,'
        " ADD COLUMN total_amount numeric GENERATED ALWAYS AS (quantity * unit_price) STORED"
    )
    _as_owner(database.operator_url, roles, script, schema=fleet[1])
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.outcome is Outcome.HEALTHY
    assert finding.measured["tenants_equal"] == 6


def test_no_tenants_and_one_tenant_are_inconclusive(database, roles, profile):
    """Nothing to examine and nothing to compare with are not passes."""
    assert _check(database.observer_url, roles, profile)[0].outcome is Outcome.INCONCLUSIVE
    with operator(database.operator_url, "test") as session:
        create(session, roles, NewTenant(uuid.uuid4(), "lonely", "t", "org"), actor="t")
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.outcome, finding.examined) == (Outcome.INCONCLUSIVE, 1)
    assert "template" in finding.why


def test_a_tenant_without_schema_makes_the_answer_incomplete(database, roles, profile, fleet):
    """A live tenant whose schema is gone was not examined: inconclusive, with the numbers, until it is deleted."""
    _as_owner(database.operator_url, roles, 'DROP SCHEMA :"schema" CASCADE', schema=fleet[4])
    _as_owner(database.operator_url, roles, "UPDATE public.tenants SET created_at = now() - interval '1 hour'")
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.outcome, finding.examined, finding.eligible) == (Outcome.INCONCLUSIVE, 5, 6)
    _as_owner(database.operator_url, roles, "UPDATE public.tenants SET deleted_at = now() WHERE slug = 't4'")
    assert _check(database.observer_url, roles, profile)[0].outcome is Outcome.HEALTHY


def test_a_role_that_may_not_read_the_registry_is_told_the_grant(database, roles, profile, fleet):
    """Without SELECT on the registry the check is inconclusive and names the grant."""
    _as_owner(database.operator_url, roles, 'REVOKE SELECT ON public.tenants FROM :"observer"', observer=roles.observer)
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.outcome, "GRANT SELECT" in finding.why) == (Outcome.INCONCLUSIVE, True)


def test_a_pass_that_takes_too_long_is_inconclusive(observer_url, roles, profile, fleet):
    """The session's own limit stops the pass, and the answer says so instead of hanging or passing."""
    findings = _check(observer_url, roles, profile, limits=SessionLimits(statement_ms=1))
    assert {finding.outcome for finding in findings} == {Outcome.INCONCLUSIVE}


def test_tenants_locked_by_a_migration_do_not_stop_the_check(database, roles, profile, fleet):
    """A table under an ACCESS EXCLUSIVE lock is still examined: equal fleets are judged without a lock on any tenant."""
    with operator(database.operator_url, "migration") as session, session.transaction(), as_owner(session, roles):
        session.execute(fill('LOCK TABLE :"schema".sales IN ACCESS EXCLUSIVE MODE', {"schema": fleet[0]}))
        (finding,) = _check(database.observer_url, roles, profile, limits=SessionLimits(lock_ms=100))
    assert finding.outcome is Outcome.HEALTHY


def test_more_structures_than_compared_are_counted(database, roles, profile, fleet, monkeypatch):
    """Beyond the bound of comparisons the rest is said to be unread, never left out."""
    monkeypatch.setattr(structure_equality, "GROUPS_COMPARED", 1)
    for number, schema in enumerate(fleet[:3]):
        _as_owner(database.operator_url, roles, f'ALTER TABLE :"schema".sales ADD COLUMN c{number} int', schema=schema)
    findings = _check(database.observer_url, roles, profile)
    assert [finding.outcome for finding in findings] == [Outcome.FAILING, Outcome.INCONCLUSIVE]
    assert "more tenants differ" in findings[1].why


@pytest.fixture
def kept(observer_url, tmp_path):
    """Writes a schema's structure to a file as `fleet structure` prints it, and reads it again."""

    def keep(schema, **changed):
        with observer(observer_url, "test") as session, session.transaction():
            document = dict(template_of(session, schema)) | changed
        path = tmp_path / "structure.json"
        path.write_text(json.dumps(document))
        assert schema not in path.read_text()
        return read_template(path)

    return keep


def test_a_kept_structure_is_the_yardstick_whatever_most_tenants_are(database, roles, profile, fleet, kept):
    """A fleet equals the structure that was kept; after a change of all but one tenant all of those are at fault, and not the one."""
    template = kept(fleet[2])
    (finding,) = _check(database.observer_url, roles, profile, template=template)
    assert (finding.outcome, finding.why) == (
        Outcome.HEALTHY,
        "The structures of all 6 live tenants equal the template structure.json.",
    )
    for schema in fleet[1:]:
        _as_owner(database.operator_url, roles, 'ALTER TABLE :"schema".sales DROP COLUMN channel', schema=schema)
    found = _named(_check(database.observer_url, roles, profile, template=template))
    assert set(found["column sales.channel"].tenants.sample) == set(fleet[1:])
    assert "1 equal" in found["column sales.channel"].witness.lines


def test_the_registrys_schema_is_no_template(observer_url, roles, profile, fleet):
    """What is shared by all is refused as what each must equal: a repair would take every table for one too many."""
    del fleet
    with pytest.raises(UsageError, match="public holds the registry"):
        _check(observer_url, roles, profile, template="public")


def test_a_structure_of_another_server_is_refused(observer_url, roles, profile, fleet, kept):
    """Servers word definitions differently: a file of another major version would find what is not there."""
    with pytest.raises(UsageError, match="was written on PostgreSQL 13"):
        _check(observer_url, roles, profile, template=kept(fleet[0], server_major=13))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1, "server_major": 18, "definitions": [[1, 2]]}']
)
def test_what_is_no_structure_is_refused(tmp_path, text):
    """A file of something else, and one that is not there, is a sentence with the command that writes one."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="is no structure") as refused:
        read_template(path)
    assert "fleet structure" in refused.value.hint
    with pytest.raises(UsageError, match="No such file"):
        read_template(tmp_path / "none.json")


DIFFERENCE = st.builds(
    Difference,
    kind=st.sampled_from(["column", "index", "table"]),
    object=st.sampled_from([f"o{n}" for n in range(30)]),
    baseline=st.sampled_from([None, "x"]),
    found=st.sampled_from([None, "y"]),
).filter(lambda one: one.baseline != one.found)


@st.composite
def _rows(draw):
    digests = draw(st.lists(st.sampled_from(["", *"abcdefgh"]), max_size=40))
    tenants = tuple(Structure(f"s{n}", f"tenant_{n}", draw(st.sampled_from([1.0, 1000.0])), d) for n, d in enumerate(digests))
    others = sorted(set(digests) - {"", "a"})
    compared = {d: draw(st.none() | st.lists(DIFFERENCE, min_size=1, max_size=30, unique=True).map(tuple)) for d in others}
    return StructureRows(tenants, "a", "tenant_0", draw(st.booleans()), draw(st.booleans()), compared)


@given(_rows())
def test_judging_is_total_bounded_and_never_silent(rows):
    """Any rows give findings: healthy alone and only without a difference, each object once, a bounded number in all."""
    findings = judge(rows, LIMITS, EVIDENCE)
    assert 1 <= len(findings) <= FINDINGS + 3
    names = [finding.subject.name for finding in findings if finding.outcome is Outcome.FAILING]
    assert len(set(names)) == len(names)
    if any(finding.outcome is Outcome.HEALTHY for finding in findings):
        assert len(findings) == 1
        assert not rows.differences
        assert all(tenant.digest or tenant.age_s < 300 for tenant in rows.tenants)
    examined = [tenant for tenant in rows.tenants if tenant.digest]
    if len(examined) > 1 and any(tenant.digest in rows.differences for tenant in examined):
        assert {finding.outcome for finding in findings} & {Outcome.FAILING, Outcome.INCONCLUSIVE}
        assert Outcome.HEALTHY not in {finding.outcome for finding in findings}


@given(_rows())
def test_the_groups_add_up_to_the_fleet(rows):
    """The numbers of the summary add up to the tenants that have a schema."""
    assert sum(int(line.split()[0]) for line in summary(rows) if line[0].isdigit()) == sum(
        bool(tenant.digest) for tenant in rows.tenants
    )
