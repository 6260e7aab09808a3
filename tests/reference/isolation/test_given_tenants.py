"""What an audit leaves in two tenants that were given to it is found by its run on every page, removed, and nothing else is."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from http import HTTPStatus
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.configuration import TargetClass
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import fill, operator
from capliquify_ops.isolation import controls, families, object_matrix_bodies, scenarios
from capliquify_ops.isolation.given_tenants import given_world
from capliquify_ops.isolation.removal import remove_holding
from capliquify_ops.isolation.routes import has_row_with, reads_own
from capliquify_ops.isolation.run_removal import remove_rows
from capliquify_ops.isolation.run_rows import find_rows
from capliquify_ops.model.errors import TargetForbids, UsageError
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret

CLEAN = ("security", "clean")
HALF_AN_AUDIT = """
import dataclasses
import sys
from pathlib import Path
from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation import build_world, object_matrix_bodies
target = load_settings(Path(sys.argv[1]), environment={}).targets["running"]
tokens = token_source(target.identity, SystemClock())
given = {"tenant_a": sys.argv[2], "tenant_b": sys.argv[3]}
with build_world(target, tokens, new_run(), SystemClock(), **given) as world:
    bodies = object_matrix_bodies.foreign_ids_in_bodies(world)
    for _ in range(4):
        next(bodies)
    print(world.run, flush=True)
    sys.stdin.read()
"""
CUSTOMERS = """
INSERT INTO :"schema".products (company_id, sku, name, description, category, created_at)
SELECT c.id, 'own-' || n, %(text)s || n, 'Audit', %(text)s, now() - make_interval(days => n)
FROM (SELECT id FROM :"schema".companies ORDER BY created_at LIMIT 1) AS c, generate_series(%(first)s::int, %(last)s::int) AS n
"""
TABLES = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname NOT IN ('audit_logs', 'signed_out_sessions')
  AND (n.nspname IN ('public', 'reference_service') OR n.nspname = ANY(%(schemas)s::text[]))
"""


class Given:
    """Two tenants in use, each with more rows than two pages show, as the operator sees them, and an audit that is given them."""

    def __init__(self, stack, session, tenants, folder):
        self._session, self.slugs = session, [tenants[key].slug for key in "ab"]
        self.schemas = [tenants[key].schema_name for key in "ab"]
        self.config = folder / "without_operator.toml"
        lines = stack.config.read_text().splitlines(keepends=True)
        self.config.write_text("".join(line for line in lines if not line.startswith("operator_url")))

    def rows(self):
        """Every row of the two tenants and of the shared tables: its table, and its text."""
        with self._session.transaction():
            tables = self._session.rows(TABLES, str, {"schemas": self.schemas})
            texts = {table: self._session.rows(f"SELECT r::text FROM {table} AS r", str) for table in tables}
        return Counter((table.rpartition(".")[2], text) for table, found in texts.items() for text in found)

    def customers_make(self, first, last, text):
        self.change(CUSTOMERS, first=first, last=last, text=text)

    def change(self, statement, **values):
        """Run a statement in both tenants' schemas."""
        for schema in self.schemas:
            with self._session.transaction():
                self._session.execute(fill(statement, {"schema": schema}), values)

    def killed_audit(self):
        """The run of an audit that was killed while its first family was under way."""
        command = [sys.executable, "-c", HALF_AN_AUDIT, str(self.config), *self.slugs]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            run = process.stdout.readline().strip()
            process.kill()
        return run

    def clean(self, run, *more):
        named = ["--tenant-a", self.slugs[0], "--tenant-b", self.slugs[1]]
        options = ["--config", str(self.config), "--target", "running", "--run", run, "--json", *named]
        return json.loads(CliRunner().invoke(application(CLEAN), [*CLEAN, *options, *more]).stdout)


@pytest.fixture(scope="module")
def given(generous_stack, world_on, tmp_path_factory):
    """Tenants in which another audit goes on, too."""
    with world_on() as other, operator(Secret(generous_stack.superuser_url), "test") as session:
        made = Given(generous_stack, session, other.tenants, tmp_path_factory.mktemp("given"))
        made.customers_make(1, 230, 'It\'s "n°" — Ünïcödé % _ \\ 猫 ')
        yield made


@pytest.fixture(scope="module")
def audit(given, world_on):
    """An audit of them, under way."""
    with world_on(operator_url=None, tenants=given.slugs) as built:
        yield built


def deleting_users(profile):
    """The profile of a service that deletes users, and lists comments only below the product that they hang on."""
    user = dataclasses.replace(profile.routes["user"], methods=("GET", "PATCH", "DELETE"))
    routes = {name: route for name, route in profile.routes.items() if name != "comments"}
    return dataclasses.replace(profile, routes=routes | {"user": user})


@pytest.fixture
def later(given, direct_target, token_maker, proxy):
    """Opens the tenants for removal as another process does, through an address whose answers a test may change."""

    def opened(run, **changes):
        target = dataclasses.replace(direct_target, base_url=proxy.url, operator_url=None, **changes)
        return given_world(target, token_maker, run, SystemClock(), dict(zip("ab", given.slugs, strict=True)))

    return opened


def test_rows_are_found_wherever_the_list_shows_them(audit, given):
    """Rows that are the oldest of more than two pages are read, count as one's own, are followed across, and are removed."""
    plant = audit.planted("a", "products")[0]
    token = next(one.token for one in audit.caller.canaries if one.label in plant.labels and not one.is_address)
    given.change("UPDATE :\"schema\".products SET created_at = '2001-01-01' WHERE sku LIKE %(code)s", code=f"{audit.run}-%")
    assert has_row_with(audit, "a.owner", token)
    assert not has_row_with(audit, "b.owner", token)
    assert reads_own(audit, "a.owner").violation() == ""
    pointer = object_matrix_bodies._Pointer(audit, "a", audit.route("products"), "name", None)
    assert [row["id"] for row in object_matrix_bodies._listed(pointer, plant.id)[1]] == [plant.id]
    remove_holding(audit, [token])
    assert not has_row_with(audit, "a.owner", token)


def test_what_a_run_left_is_removed(audit, given, later):
    """Of a run's rows those go that a route deletes and what hangs on them; what stays is named; a second time nothing is left."""
    given.change("UPDATE :\"schema\".products SET created_at = '2001-01-01' WHERE sku LIKE %(code)s", code=f"{audit.run}-%")
    before = given.rows()
    texts = [one.token for one in audit.caller.canaries if not one.is_address] + [f"user_{audit.run}_"]
    made = Counter(row for row in before if any(text in row[1] for text in texts) or f",{audit.run}-" in row[1])
    with later(audit.run) as world:
        assert given.rows() == before
        found = find_rows(world)
        assert {row.route for row in found.rows} >= {"products", "sales", "comments", "scenarios", "api_keys", "invitations"}
        done = remove_rows(world)
        gone = before - given.rows()
        assert set(made) >= {row for row in gone if row[0] != "forecasts"}
        assert Counter(table for table, _ in gone) == {
            "products": 8, "sales": 2, "inventory": 2, "forecasts": 4, "comments": 4, "api_keys": 2, "invitations": 2,
        }  # fmt: skip
        assert done.removed == gone.total()
        assert sum("no route deletes them" in left for left in done.leftovers) == len(done.leftovers) == 4
        assert any("jobs" in what for what in done.unseen)
        again = remove_rows(world)
        assert (again.removed, again.leftovers) == (0, done.leftovers)


def test_what_cannot_be_removed_is_said(audit, given, later, lie, make):
    """A route that refuses to delete, a list that is refused, an owner who is not let in: each is named with its answer."""
    refused = make.answer(409).saying({"error": {"code": "row_in_use"}})
    with later(audit.run) as world:
        lie(lambda request, forward: refused if request.method == "DELETE" else forward(request))
        done = remove_rows(world)
        assert done.removed == 0
        slug = given.slugs[0]
        assert (
            f"rows of products in tenant {slug} (3): DELETE was answered 409 row_in_use, and it is listed still" in done.leftovers
        )
        lie(lambda request, forward: refused if request.route == "/api/products" else forward(request))
        assert [left for left in find_rows(world).failed if "rows of products in tenant" in left and "409" in left]
        lie(None)
        world.missing["b.owner"] = "There is no token."
        assert any(given.slugs[1] in left and "There is no token." in left for left in find_rows(world).failed)


def test_what_hangs_on_rows_and_users_are_found(audit, given, later, lie, make):
    """Comments are found below the run's rows where no list shows them; all of its users are tried but the one who deletes."""
    profile, slug = deleting_users(audit.profile), given.slugs[0]
    with later(audit.run, profile=profile) as world:
        asked = []

        def refuse(request, forward):
            asked.append(request.route) if request.method == "DELETE" else None
            return make.answer(403) if request.method == "DELETE" else forward(request)

        lie(refuse)
        left = remove_rows(world).leftovers
        assert f"rows of product_comments in tenant {slug} (2): no route deletes them" in left
        about = f"users of tenant {slug} with {audit.run} in their address"
        assert f"{about} (4): DELETE was answered 403, and it is listed still" in left
        assert f"{about} (1): first logins made them, and no route deletes them" in left
        assert len(asked) == len(set(asked)) == 8 + 4 + 5


@pytest.mark.whole
def test_a_row_that_comes_late_is_removed(audit, later, lie):
    """What a request made that was under way when the audit was killed, and that was not listed at first, goes too."""
    hidden = []

    def late(request, forward):
        answer = forward(request)
        if request.method == "GET" and request.route == "/api/products" and not hidden:
            rows = [row for row in answer.document["data"] if audit.run not in row["sku"] or "canary" not in row["name"]]
            shown = [row for row in answer.document["data"] if row not in rows][1:]
            return answer.saying(answer.document | {"data": rows + shown})
        hidden.extend([1] if request.method == "DELETE" else [])
        return answer

    with later(audit.run) as world:
        lie(late)
        assert not any("rows of products" in left for left in remove_rows(world).leftovers)
        assert not [row for row in find_rows(world).rows if row.route == "products"]


def test_only_a_run_is_looked_for(later):
    """A beginning of a run's id, or none, would find the rows of others: it is refused; so is a target of class production."""
    for text in ("", "r", "r0123", "canary", "r0123456789x", "%"):
        with pytest.raises(UsageError, match="no run's id"), later(text):
            raise AssertionError
    with pytest.raises(TargetForbids), later(new_run(), kind=TargetClass.PRODUCTION):
        raise AssertionError


@pytest.mark.whole
def test_it_removes_what_a_killed_audit_left_in_given_tenants(given):
    """Without an operator URL: planned, then all that a route deletes is gone from both tenants, and nothing else has changed.

    What stays is what is reported, and the second time there is nothing left to do. Rows of customers and of another audit
    stand, also those that speak of the run.
    """
    before = given.rows()
    run = given.killed_audit()
    made = given.rows() - before
    given.customers_make(231, 232, f"see {run}, {run}-report and user_{run}_a_owner@example.com")
    after_it = given.rows()
    own = after_it - made

    planned = given.clean(run, "--plan")["plan"]
    assert given.rows() == after_it
    assert sum("delete rows of products" in step["action"] for step in planned["steps"]) == 2
    assert any("rows of scenarios" in warning for warning in planned["warnings"])

    done = given.clean(run, "--yes")
    left = given.rows() - own
    assert own <= given.rows()
    stayed = Counter(table for table, _ in left)
    assert stayed == {"scenarios": 2, "users": 7, "api_keys": 2, "invitations": 2}
    assert not any(",,," in text for table, text in left if table in {"api_keys", "invitations"}), "revoked, which ends them"
    assert done["rows"] == made.total() - stayed["scenarios"] - stayed["users"]
    assert sorted(text.split(" of ")[0] + " " + text.rpartition("(")[2] for text in done["leftovers"]) == [
        "rows 1): no route deletes them",
        "rows 1): no route deletes them",
        "users 2): first logins made them, and no route deletes them",
        "users 5): first logins made them, and no route deletes them",
    ]
    assert any("jobs" in what for what in done["unseen"])

    again = given.clean(run, "--yes")
    assert (again["rows"], again["leftovers"]) == (0, done["leftovers"])
    assert given.rows() == own + left


@pytest.mark.whole
def test_a_killed_audit_of_given_tenants_is_cleaned_by_its_watchdog(given, tmp_path):
    """`security` with two tenants and without an operator URL is killed: within moments the rows that routes delete are gone."""
    before = given.rows()
    named = ["--config", str(given.config), "--target", "running", "--tenant-a", given.slugs[0], "--tenant-b", given.slugs[1]]
    command = [sys.executable, "-m", "capliquify_ops.cli", "security", *named, "--evidence-dir", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "PYTEST"))}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}

    def made():
        return {table for table, _ in given.rows() - before} & {"products", "sales", "comments"}

    with subprocess.Popen([*command, "-k", "object_matrix"], env=environment, **quiet) as process:
        _until(lambda: "comments" in made(), "the audit planted nothing")
        children = [int(one) for one in _output("pgrep", "-P", str(process.pid)).split()]
        os.kill(process.pid, signal.SIGKILL)
        for child in children:
            os.killpg(child, signal.SIGKILL)
    _until(lambda: not made(), "rows were left")


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class OldestFirst:
    """Products and users of a tenant that has more of both than two pages show, the oldest first, a page at a time."""

    OLDER = 230

    def __call__(self, request, forward):
        if request.method != "GET" or request.route not in {"/api/products", "/api/users"}:
            return forward(request)
        asked = parse_qs(request.path.partition("?")[2])
        limit, offset = (int(asked.get(name, [usual])[0]) for name, usual in (("limit", "20"), ("offset", "0")))
        answer = forward(dataclasses.replace(request, path=f"{request.route}?limit=100"))
        if answer.status != HTTPStatus.OK:
            return answer
        rows = [self.older(request.organization, number) for number in range(self.OLDER)] + answer.document["data"][::-1]
        return answer.saying(answer.document | {"data": rows[offset : offset + min(limit, 100)]})

    def older(self, organization, number):
        name = f"{organization} {number}"
        return {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)), "name": name, "email": f"{number}@example.org", "role": "member"}


@pytest.fixture
def in_use(world, lie):
    """Two tenants that were there before, seen through such lists."""
    lie(OldestFirst())
    return dataclasses.replace(world, is_throwaway=False, leftovers=[])


@pytest.mark.whole
@pytest.mark.parametrize("check", [row.check for row in (*scenarios(), *controls(), *families()) if row.measure])
def test_the_own_rows_are_on_the_last_page(check, in_use, run):
    """No check takes it for a fault that the first page of a list shows none of the rows that it made."""
    found = run(check, in_use)
    assert found.outcome is not Outcome.FAILING, found.why
