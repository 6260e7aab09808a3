"""Plans without a server: order, canary, what is shown, what is left to people."""

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrity.faults import Fault
from capliquify_ops.integrity.structure_groups import Structure, StructureRows
from capliquify_ops.model.names import check_id
from capliquify_ops.remedies import access_rights, function_safety, structure_equality, unfinished_objects
from capliquify_ops.remedies.blueprint import Blueprint
from capliquify_ops.remedies.blueprint_columns import Made
from capliquify_ops.remedies.repair_plan import Fact, Plan, Stage, Step, Whose, by_whom, for_person
from capliquify_ops.tenants.structure import Difference

CHECK = check_id("some_check")


def step(object_="o", schema="s", order=(0, 0), person=""):
    return Step(Fact(CHECK, "kind", object_, schema), (Stage((f"FIX {schema}",)),), order=order, needs_person=person)


steps = st.lists(
    st.builds(
        step,
        st.sampled_from("abc"),
        st.sampled_from(["s", "t", "u"]),
        st.tuples(st.integers(0, 3), st.integers(-2, 3)),
        st.sampled_from(["", "why"]),
    ),
    max_size=12,
)


@given(steps)
def test_every_fault_is_a_repair_or_a_persons(found):
    """Nothing is lost: each step is in one schema's repairs or for people, and each has a line."""
    plan = Plan(tuple(found))
    repairs = [each for mine in plan.by_schema().values() for each in mine]
    assert len(repairs) + len(plan.for_people) == len(found)
    shown = plan.shown("target")
    assert bool(shown.steps) == bool(repairs)
    assert bool(shown.warnings) == bool(plan.for_people)
    for mine in plan.by_schema().values():
        assert [each.order for each in mine] == sorted(each.order for each in mine)


def test_the_canary_is_who_shows_most_of_the_repairs():
    """The first wave is one schema, that of most steps; the others follow by name."""
    plan = Plan((step("a", "x"), step("a", "z"), step("b", "z"), step("a", "c")))
    assert list(plan.by_schema()) == ["z", "c", "x"]


def test_what_was_not_shown_is_not_done():
    """A plan that is made later keeps what people have to know, and of the repairs those that were shown."""
    plan = Plan((step("a"), step("b"), step("c", person="why")))
    assert [each.fact.object for each in plan.only({"some_check:kind a"}).steps] == ["a", "c"]


def test_a_schema_of_somebody_else_is_for_people():
    """Where another role owns the schema no step is taken; whose schema it is stands in each."""
    tenants = {"s": Whose(None, "slug", "s", "stranger"), "t": Whose(None, "slug", "t", "owner")}
    one, other = by_whom((step("a", "s"), step("a", "t")), tenants, "owner")
    assert "stranger" in one.needs_person
    assert one.advice == "FIX s"
    assert not other.needs_person
    assert other.whose == tenants["t"]


def _rows(*digests, differences, is_template=False):
    tenants = tuple(Structure(f"t{number}", f"s{number}", 1e6, digest) for number, digest in enumerate(digests))
    return StructureRows(tenants, "d", "s0", is_template, False, differences)


def _known(**given):
    made = {
        ("column", "t.c"): Made(
            "column", "t.c", 1, (), relation="t", then=("ALTER TABLE s0.t ADD COLUMN c int NOT NULL",), only_empty=True
        ),
        ("index", "i"): Made(
            "index", "i", 2, ("CREATE INDEX i ON s0.t (c)",), relation="t", build="CREATE INDEX CONCURRENTLY i ON s0.t (c)"
        ),
        ("table", "t"): Made("table", "t", 0, ("CREATE TABLE s0.t ()",)),
    }
    return structure_equality.Known(Blueprint("s0", made, ()), **given)


def _lacks(kind, name):
    return Difference(kind, name, "x", None)


def test_a_missing_table_brings_its_index_plainly_and_a_table_in_use_gets_it_concurrently():
    """What is new blocks nobody; what is in use is built beside the work."""
    new = structure_equality.steps(_rows("d", "d", "e", differences={"e": (_lacks("table", "t"),)}), _known())
    assert [(each.fact.kind, each.is_outside) for each in new] == [("table", False), ("index", False)]
    assert new[1].statements == ('CREATE INDEX i ON "s2".t (c)',)
    (used,) = structure_equality.steps(_rows("d", "d", "e", differences={"e": (_lacks("index", "i"),)}), _known())
    assert used.is_outside


def test_a_column_without_a_value_for_old_rows_needs_an_empty_table():
    """NOT NULL without a default is added where there is no page, and a person's elsewhere, with the statement."""
    rows = _rows("d", "d", "d", "e", "e", differences={"e": (_lacks("column", "t.c"),)})
    assert structure_equality.tables_in_question(rows, _known().blueprint) == {("s3", "t"), ("s4", "t")}
    one, other = structure_equality.steps(rows, _known(empty={("s3", "t")}))
    assert not one.needs_person
    assert other.needs_person
    assert "ADD COLUMN" in other.advice


def test_structures_that_were_not_compared_are_told():
    """More ways to differ than one run reads: said, never passed over."""
    (each,) = structure_equality.steps(_rows("d", "d", "e", differences={"e": None}), _known())
    assert "run the command again" in each.needs_person


@given(
    st.lists(
        st.builds(
            Fault,
            st.sampled_from(["a", ""]),
            st.sampled_from(["invalid index", "unheard of"]),
            st.text("x.", max_size=3),
            st.just(""),
        ),
        max_size=9,
    )
)
def test_no_fault_of_any_kind_is_passed_over(faults):
    """Each fault gives a step: where it cannot be told which object it is, or the kind is unknown, a person is needed."""
    for found in (
        unfinished_objects.steps(faults, ()),
        function_safety.steps(faults, ()),
        access_rights.steps(faults, (), "app"),
    ):
        assert [each.fact[1:] for each in found] == [(fault.kind, fault.object, fault.schema) for fault in faults]
        assert all(each.needs_person for each in found)


def test_two_functions_of_one_name_are_not_guessed_at():
    """Quotes can make two functions look alike: a person."""
    fault = Fault("s", function_safety.UNPINNED, "f(a)", "")
    definers = [function_safety.Definer("s", "f(a)", routine) for routine in ("s.f(a)", 's."f(a"()')]
    assert function_safety.steps([fault], definers)[0].needs_person
    (each,) = function_safety.steps([fault], definers[:1])
    assert each.statements == ('ALTER ROUTINE s.f(a) SET search_path = "s", pg_temp',)


def test_for_person_has_nothing_to_run():
    """A step for a person holds no statements of its own."""
    each = for_person(Fact(CHECK, "k", "o", "s"), "why", "DROP IT")
    assert (each.stages, each.statements, each.advice) == ((), (), "DROP IT")
