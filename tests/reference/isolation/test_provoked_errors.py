"""K8: errors that tell of the database turn the family red, whichever kind of error they stand in; others leave it green."""

import dataclasses
import json
import re

import pytest

from capliquify_ops.database import operator
from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.broken_database import hidden_table
from capliquify_ops.isolation.provoked_errors import provoked_errors
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_08_provoked_errors"
ITEM = re.compile(r"/api/\w+/[^/?]+$")


def saying(answer, text):
    return dataclasses.replace(answer, body=json.dumps({"error": "x", "message": text}).encode())


def on(condition, text):
    """An error whose answer holds a text, where it is such an error."""

    def make(world):
        def lie(request, forward):
            answer = forward(request)
            words = text(world) if callable(text) else text
            return saying(answer, words) if condition(request, answer) else answer

        return lie

    return make


def unique_for_all(world):
    taken = {}

    def lie(request, forward):
        if request.method != "POST" or request.route != "/api/products" or b'"sku"' not in request.body:
            return forward(request)
        sku = json.loads(request.body)["sku"]
        tenant = request.claims.get("org_id")
        if taken.get(str(sku), tenant) != tenant:
            return saying(dataclasses.replace(forward(request), status=409), "This sku exists already; choose another.")
        answer = forward(request)
        if answer.status == 201:
            taken[str(sku)] = tenant
        return answer

    return lie


def code_in_a_header(world):
    def lie(request, forward):
        answer = forward(request)
        return dataclasses.replace(answer, headers=[*answer.headers, ("X-Reason", "23505")]) if answer.status == 409 else answer

    return lie


def word_of(world, key):
    return next(one.token for one in world.caller.canaries if one.tenant == key and not one.is_address)


CONFLICT = on(lambda request, answer: answer.status == 409, 'unique constraint "products_sku_key"')
FAULTS = {
    "the constraint of a conflict": (CONFLICT, "takes sku of products twice"),
    "the code of a conflict in a header": (code_in_a_header, "takes sku of products twice"),
    "the name of a lost table": (
        on(lambda request, answer: answer.status == 500, lambda world: f"{world.tenants['s'].schema_name}.sales is away"),
        "without the table",
    ),
    "the code of a lost table": (on(lambda request, answer: answer.status == 500, "42P01"), "without the table"),
    "the words of a cancelled statement": (
        on(lambda request, answer: answer.status == 503, "canceling statement due to user request"),
        "while its statement is cancelled",
    ),
    "the type of an id": (
        on(lambda request, answer: ITEM.search(request.route) and answer.status == 404, 'invalid input syntax for type uuid: "x"'),
        "/api/products/",
    ),
    "the driver of a value": (
        on(lambda request, answer: answer.status == 422, "psycopg.errors.NumericValueOutOfRange"),
        "POST /api/products with",
    ),
    "the column of an order": (
        on(lambda request, answer: "sort=" in request.path, "UndefinedColumn: no_such_column"), "sort=no_such_column",
    ),
    "a trace of a broken body": (
        on(lambda request, answer: answer.status == 400, 'Traceback (most recent call last):\n  File "a.py", line 1'), "",
    ),
    "a foreign slug": (on(lambda request, answer: answer.status == 422, lambda world: f"not {world.tenants['x'].slug}"), "POST"),
    "unique for all tenants": (unique_for_all, "that a has"),
}  # fmt: skip
ERRORS_OF_SUCCESS = {"the column of an order"}
"""Where this service answers with rows, the fault must fail as well."""


def first_violation(world):
    """The first row that contradicts, without the second run that a verdict needs."""
    return next((probe for probe in provoked_errors(world) if not probe.is_control and probe.violation()), None)


def cases():
    for name in sorted(FAULTS):
        sampled = name == "the type of an id"
        yield pytest.param(name, id=f"{CHECK}-{name}", marks=() if sampled else pytest.mark.whole)


@pytest.mark.parametrize("fault", list(cases()))
def test_a_fault(fault, world, lie, record_property):
    """The row that was provoked, and no other kind of row, names what was told; without the fault nothing is."""
    record_property("fault", fault)
    make, witness = FAULTS[fault]
    told = make(world)

    def failing(request, forward):
        answer = told(request, forward)
        is_rows = fault in ERRORS_OF_SUCCESS and "sort=" in request.path
        return dataclasses.replace(answer, status=400) if is_rows else answer

    lie(failing)
    found = first_violation(world)
    assert found is not None
    assert witness in found.line()


@pytest.mark.whole
def test_a_neighbours_row_in_an_error(world, lie):
    """Another tenant's secret in an error is a proof, and reported at the highest level."""
    lie(on(lambda request, answer: answer.status == 422, lambda world: f"it is like {word_of(world, 'a')}")(world))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING
    assert found.grade is Grade.PROOF
    assert found.tenants.sample == ("a",)


@pytest.mark.whole
def test_a_correct_service(world, lie):
    """Nothing is found, also where errors echo what was sent, count letters and speak of things that exist already."""

    def echo(request, forward):
        answer = forward(request)
        if answer.status < 400:
            return answer
        body = request.body[:2000].decode("utf-8", "replace")
        return saying(answer, f"{request.method} {request.path} {body} exists already, is unique or has more than 40000 letters")

    before = run_family(CHECK, world)
    lie(echo)
    for found in (before, run_family(CHECK, world)):
        assert found.outcome is Outcome.HEALTHY, found.why
        assert found.grade is Grade.STRONG, found.why


@pytest.mark.whole
def test_a_service_that_refuses_nothing(world, lie, make):
    """Where no request at all is answered with an error, nothing was looked through."""

    def friendly(request, forward):
        answer = forward(request)
        return answer if answer.status < 400 else make.ok([], 200)

    lie(friendly)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why


def test_a_lost_table_comes_back(world, direct_target):
    """The table is put back whatever happens meanwhile, with its rows."""
    schema = world.tenants["s"].schema_name

    def is_there():
        with operator(direct_target.changing_url(), "test") as session, session.transaction():
            query = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = %(schema)s AND tablename = 'products'"
            return session.value(query, {"schema": schema}) == 1

    def stopped():
        with hidden_table(direct_target, schema, "products"):
            assert not is_there()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert is_there()


@pytest.mark.whole
@pytest.mark.parametrize("switches", [("RAW_DB_ERROR",), ("SESSION_SET", "RAW_DB_ERROR"), ("PATH_WITH_PUBLIC", "RAW_DB_ERROR")])
def test_the_switch(switches, switched):
    """The service's own defect is found alone, and beside another one."""
    with switched(*switches) as world:
        found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert "it tells" in found.why
