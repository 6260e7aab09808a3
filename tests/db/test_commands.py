"""The command line as a person uses it: exit codes, sentences, no traceback, no secret."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from capliquify_ops.cli import main
from capliquify_ops.configuration import Target, TargetClass, load_settings
from capliquify_ops.database import fill, masked, operator
from capliquify_ops.database.dsn import parts
from capliquify_ops.integrity.fleet_check import CHECKS
from capliquify_ops.model.secret import Secret
from capliquify_ops.preflight.identify import identify
from capliquify_ops.tenants.ownership import as_owner

PASSWORD = "wr0ng-p4ssword-7f"


@pytest.fixture
def run(tmp_path, forked):
    """Runs capliquify-ops in a folder of its own, without any variable of ours."""

    def command(*arguments, **environment):
        own = ("CAPLIQUIFY", "DATABASE_URL", "PG")
        env = {key: value for key, value in os.environ.items() if not key.startswith(own)} | environment
        if "PYTHONIOENCODING" not in environment:
            return forked(lambda: main(arguments), cwd=tmp_path, env=env)
        # Only a Python that starts looks at its encoding.
        program = [sys.executable, "-m", "capliquify_ops.cli", *arguments]
        return subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)

    return command


def _clean(done, code):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.stderr.strip()


@pytest.fixture
def configured(tmp_path, database):
    """A configuration file whose target `here` is this test's database."""
    lines = {
        "class": "loopback",
        "database_url": database.observer_url.reveal(),
        "operator_url": database.operator_url.reveal(),
        "app_role": database.roles.app,
    }
    roles = {name: getattr(database.roles, name) for name in ("owner", "observer", "operator")}
    text = "[targets.here]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    text += "[targets.here.roles]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in roles.items())
    (tmp_path / "capliquify-ops.toml").write_text(text)
    return tmp_path / "capliquify-ops.toml"


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["tenant"], ["tenant", "shw"], ["signoff", "verify", "--nope"], ["tenant", "show"], ["doctor", "--target"]],
)
def test_a_usage_error_is_64(run, arguments):
    """A command that does not exist or is used wrongly ends with 64 (never with click's 2, which is pytest's 'interrupted')."""
    done = run(*arguments)
    assert done.returncode in ({64, 0} if arguments == ["tenant"] else {64})
    assert "Traceback" not in done.stderr


def test_help_names_what_exists(run):
    """--help lists the commands of this version and no other."""
    done = run("--help")
    assert done.returncode == 0
    for name in ("readiness", "security", "doctor", "tenant", "fleet", "signoff", "reference", "config", "diagnose", "remedy"):
        assert name in done.stdout
    for name in ("monitor", "escalate"):
        assert name not in done.stdout


def test_wrong_password(run, database):
    """DATABASE_URL with a wrong password: 69, one sentence, the password nowhere."""
    address = database.observer_url.reveal().split("@")[1].split("?")[0]
    done = run("tenant", "list", DATABASE_URL=f"postgresql://{database.roles.observer}:{PASSWORD}@{address}")
    assert "refuses the password" in _clean(done, 69)


def test_unreachable_host(run):
    """An address where nothing listens: 69."""
    done = run("tenant", "list", DATABASE_URL=f"postgresql://someone:{PASSWORD}@127.0.0.1:1/x")
    assert "cannot be reached" in _clean(done, 69)


def test_not_a_url(run):
    """A DATABASE_URL that is no connection string: 78."""
    done = run("tenant", "list", DATABASE_URL=f"not a url {PASSWORD}")
    assert "connection string" in _clean(done, 78)


def test_no_registry(run, server):
    """A database without the registry names the table and the next command."""
    url = server.url("superuser", "postgres").reveal()
    done = run("readiness", "--target", "env", DATABASE_URL=url)
    assert "no registry table public.tenants" in _clean(done, 69) + done.stdout
    assert "tenant install" in done.stderr + done.stdout


@pytest.mark.parametrize(
    "command", [["tenant", "create", "x", "--organization", "o"], ["tenant", "delete", "x"], ["tenant", "install"]]
)
def test_what_changes_needs_an_operator(run, database, command):
    """Without an operator URL whatever changes the database is refused with that sentence."""
    done = run(*command, "--yes", "--target", "env", DATABASE_URL=database.observer_url.reveal())
    assert "operator URL" in _clean(done, 78)


def test_a_tenants_first_days(run, configured):
    """Create, list, show, verify and delete by command, each in JSON and as text; nothing changes without a yes."""
    refused = run("tenant", "create", "acme", "--organization", "org_1")
    assert "add --yes" in _clean(refused, 64)
    assert "create the schema" in refused.stderr
    assert json.loads(run("tenant", "list", "--json").stdout) == {"tenants": []}
    made = json.loads(
        run("tenant", "create", "acme", "--organization", "org_1", "--tier", "professional", "--yes", "--json").stdout
    )
    tenant = made["tenant"]
    assert set(tenant) == {
        "id",
        "slug",
        "name",
        "schema_name",
        "clerk_organization_id",
        "subscription_tier",
        "subscription_status",
        "created_at",
        "deleted_at",
    }
    assert tenant["created_at"].endswith("Z")
    assert json.loads(run("tenant", "list", "--json").stdout) == {"tenants": [tenant]}
    assert tenant["schema_name"] in run("tenant", "show", "org_1").stdout
    assert "acme" in _clean(run("tenant", "create", "acme", "--organization", "org_2", "--yes"), 64)
    verified = run("tenant", "verify", "acme", "--json")
    assert {answer["holds"] for answer in json.loads(verified.stdout)["answers"]} <= {True, None}
    assert verified.returncode in {0, 17}
    assert "no such" in _clean(run("tenant", "show", "acne"), 64).lower() or "acne" in run("tenant", "show", "acne").stderr
    deleted = json.loads(run("tenant", "delete", "acme", "--yes", "--json").stdout)["tenant"]
    assert deleted["deleted_at"].endswith("Z")
    again = run("tenant", "delete", "acme", "--yes")
    assert "already" in _clean(again, 64)


def test_install_is_idempotent(run, configured):
    """Installing again changes nothing and says so."""
    done = run("tenant", "install", "--yes")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout


def test_config_show_masks(run, configured, database):
    """`config show` prints every target with its secrets masked, as text and as JSON."""
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        done = run(*arguments, DATABASE_URL=f"postgresql://u:{PASSWORD}@h/d")
        _clean(done, 0)
        assert "here" in done.stdout
        assert "********" in done.stdout
        assert masked(database.observer_url) in done.stdout or "json" in arguments[-1]


def test_config_check(run, configured):
    """`config check` is 0 for a good file and 78 with file and line for a broken one."""
    assert run("config", "check").returncode == 0
    configured.write_text("[targets.here]\nclas = 'staging'\n")
    assert "Did you mean 'class'" in _clean(run("config", "check"), 78)
    configured.write_text("[targets.here\n")
    assert "line 1" in _clean(run("config", "check"), 78)


def test_loopback_means_loopback(run, configured):
    """Class loopback with an address elsewhere is refused before anything is asked of it."""
    configured.write_text('[targets.here]\nclass = "loopback"\nbase_url = "http://192.0.2.1"\n')
    assert "192.0.2.1" in _clean(run("config", "check", "--target", "here"), 64)
    configured.write_text(f'[targets.here]\nclass = "loopback"\nbase_url = "http://{"a" * 70}.example"\n')
    _clean(run("config", "check", "--target", "here"), 64)


@pytest.mark.parametrize(
    ("url", "environment", "named"),
    [
        ("postgresql:///db", {"PGHOST": "192.0.2.1"}, "192.0.2.1"),
        ("postgresql://u@localhost:1/db", {"PGHOSTADDR": "192.0.2.1"}, "192.0.2.1"),
        ("postgresql://u@localhost:1/db?service=prod", {}, "service"),
        ("postgresql://u@192.0.2.1/db", {}, "192.0.2.1"),
    ],
    ids=["PGHOST", "PGHOSTADDR", "service", "URL"],
)
def test_no_command_leaves_loopback(run, configured, url, environment, named):
    """Where libpq's environment or a service file decides about the address, that counts; reading and changing commands refuse."""
    configured.write_text(f'[targets.here]\nclass = "loopback"\ndatabase_url = "{url}"\noperator_url = "{url}"\n')
    for arguments in (["config", "check"], ["doctor"], ["tenant", "list"], ["tenant", "delete", "x", "--yes"]):
        said = _clean(run(*arguments, **environment), 64)
        assert "class loopback" in said
        assert named in said


def test_doctor(run, configured, database):
    """The doctor says what is granted and what is not, with the grant, and ends with 17 when something is missing."""
    done = run("doctor", "--json")
    answers = {answer["subject"]: answer for answer in json.loads(done.stdout)["answers"]}
    assert database.roles.observer in answers["observer role"]["says"]
    assert answers["server"]["good"]
    assert answers["operator"]["good"]
    assert not answers["identity"]["good"]
    _clean(done, 17)
    assert "GRANT" in run("doctor", "--target", "env", DATABASE_URL=database.app_url.reveal()).stdout


def test_a_database_without_a_registry(run, tmp_path, server):
    """Every verb says that the registry is missing and what would make one, with 69; the doctor names it too."""
    url = server.url("superuser", "postgres").reveal()
    (tmp_path / "capliquify-ops.toml").write_text(
        f'[targets.here]\nclass = "loopback"\ndatabase_url = {json.dumps(url)}\noperator_url = {json.dumps(url)}\n'
    )
    verbs = (["list"], ["show", "x"], ["verify", "x"], ["create", "x", "--organization", "o", "--yes"], ["delete", "x", "--yes"])
    for verb in verbs:
        said = _clean(run("tenant", *verb), 69)
        assert "public.tenants" in said
        assert "tenant install" in said
        assert "profile" in said
    done = run("doctor")
    _clean(done, 69)
    assert "NO   registry" in done.stdout
    assert "tenant install" in done.stdout


@pytest.mark.parametrize(
    ("url", "code"),
    [("postgresql://u@127.0.0.1:1/x", 69), (f"not a url {PASSWORD}", 78), (f"postgresql://u:{PASSWORD}/x@h/d", 78)],
)
def test_the_doctors_code_tells_a_broken_target_from_a_missing_grant(run, url, code):
    """A target that cannot be reached is 69 and one whose URL cannot be read 78, as everywhere; 17 is left for privileges."""
    done = run("doctor", DATABASE_URL=url)
    _clean(done, code)
    assert "targets.env" not in done.stdout


def test_a_cluster_that_does_not_say_who_it_is(database, tmp_path):
    """Where pg_control_system() is not granted, the address tells two clusters with a database of one name apart."""
    with operator(database.superuser_url, "test") as session, session.transaction():
        session.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
    profile = load_settings(environment={}).targets["embedded"].profile
    found = parts(database.observer_url)
    password_file = tmp_path / "pgpass"
    password_file.write_text(Path(found["passfile"]).read_text().replace("127.0.0.1", "*"))
    password_file.chmod(0o600)
    urls = [Secret(make_conninfo("", **found | {"host": host, "passfile": password_file})) for host in ("127.0.0.1", "localhost")]
    refs = {identify(Target("here", TargetClass.LOOPBACK, profile, url)).fingerprint for url in urls}
    assert len(refs) == 2


def test_an_unknown_status_is_named(run, database):
    """A status that does not exist is no empty list: 64, naming those that do."""
    said = _clean(run("tenant", "list", "--status", "nonsense", DATABASE_URL=database.observer_url.reveal()), 64)
    assert "trial, active, past_due, cancelled, suspended" in said


@pytest.mark.parametrize("port", ["99999", "abc", "-1"])
def test_a_wrong_option_is_named(run, port):
    """A port that is none is 64, with the option's name."""
    assert "--port" in _clean(run("reference", "serve", "--port", port), 64)


def test_a_url_in_a_names_place_keeps_its_password(run):
    """A connection string given as a target's name comes back without its password, from commands and from the suites."""
    for command in ("doctor", "readiness"):
        done = run(command, "--target", f"postgresql://someone:{PASSWORD}@h/d")
        assert "no target" in _clean(done, 64) + done.stdout


def test_a_terminal_of_few_characters(run, configured):
    """Where the terminal knows ASCII alone, text is escaped and JSON is JSON."""
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    made = run("tenant", "create", "acme", "--organization", "o", "--name", "Ümläut", "--yes", "--json", **environment)
    assert json.loads(made.stdout)["tenant"]["name"] == "Ümläut"
    assert "\\xdcml" in run("tenant", "show", "acme", **environment).stdout
    shown = run("signoff", "status", **environment)
    _clean(shown, 0)
    assert "NOT READY" in shown.stdout
    assert json.loads(run("signoff", "status", "--json", **environment).stdout)["verdict"] == "not_ready"


@pytest.mark.whole
def test_a_run_that_measures_nothing_is_no_success(run, configured):
    """--measured-only with --collect-only leaves no record and ends with 11, whatever an earlier run has left."""
    assert run("readiness", "--measured-only", "-k", "registry_catalogue").returncode == 0
    for _ in range(2):
        done = run("readiness", "--measured-only", "--collect-only", "-q")
        assert "nothing was measured" in _clean(done, 11)


def test_the_suites_answer_in_json(run, configured):
    """`readiness --json` prints the decision as its only document on stdout; pytest's words go to stderr."""
    done = run("readiness", "--json", "-k", "registry_catalogue")
    document = json.loads(done.stdout)
    assert document["target"]["name"] == "here"
    assert "deselected" in _clean(done, 1)
    report = json.loads(run("signoff", "report", "--json").stdout)["report"]
    assert report.endswith("report/index.html")


def test_nothing_measured_yet(run):
    """`signoff` without evidence: status shows empty boxes and ends with 0, verify ends with 11."""
    assert run("signoff", "status").returncode == 0
    done = run("signoff", "verify", "--json")
    assert done.returncode == 11
    assert json.loads(done.stdout)["verdict"] == "not_ready"


@pytest.fixture
def strange_service():
    """A service that answers /api/health in a chosen strange way."""
    servers = []

    def serve(status, headers, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (200, {"Content-Type": "text/html"}, b"<html>hello</html>", "not JSON"),
        (302, {"Location": "http://elsewhere.example.com/"}, b"", "another host"),
        *(
            pytest.param(status, {"Content-Type": "application/json"}, body, says, marks=pytest.mark.whole)
            for status, body, says in [
                (404, b"{}", "answered 404"),
                (503, b"{}", "answered 503"),
                (200, b'{"status": "degraded"}', "does not say that it is well"),
                (200, b"{}", "does not say that it is well"),
                (200, b"[1]", "does not say that it is well"),
            ]
        ),
    ],
)
def test_a_base_url_that_is_something_else(run, configured, strange_service, status, headers, body, says):
    """A base_url that answers HTML, 404, 503 or redirects elsewhere is 69, before a single check runs."""
    text = configured.read_text()
    configured.write_text(
        text.replace("[targets.here]\n", f'[targets.here]\nbase_url = "{strange_service(status, headers, body)}"\n')
    )
    done = run("readiness", "--target", "here")
    assert done.returncode == 69
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_check_of_a_fleet(run, configured, database, tmp_path):
    """fleet check is healthy, then names a view of another tenant with both tenants and ends with 1, and is healthy again."""
    del configured
    for slug in ("one", "two"):
        assert run("tenant", "create", slug, "--organization", slug, "--name", slug, "--yes").returncode == 0
    done = run("fleet", "check")
    assert (done.returncode, done.stdout.count("healthy  ")) == (0, len(CHECKS) - 1), done.stdout + done.stderr
    schemas = [tenant["schema_name"] for tenant in json.loads(run("tenant", "list", "--json").stdout)["tenants"]]
    with operator(database.operator_url, "test") as session, session.transaction(), as_owner(session, database.roles):
        session.script(fill('CREATE VIEW :"a".seen AS SELECT sku FROM :"b".products', dict(zip("ab", schemas, strict=True))))
    done = run("fleet", "check")
    assert done.returncode == 1
    assert f"view {schemas[0]}.seen -> {schemas[1]}.products" in done.stdout
    found = json.loads(run("fleet", "check", "cross_references", "--json").stdout)["findings"]
    assert [(finding["outcome"], finding["tenants"]["count"]) for finding in found] == [("failing", 2)]
    with operator(database.operator_url, "test") as session, session.transaction(), as_owner(session, database.roles):
        session.script(fill('DROP VIEW :"a".seen', dict(zip("ab", schemas, strict=True))))
    assert run("fleet", "check").returncode == 0
    assert "There is no check 'nonsense'" in _clean(run("fleet", "check", "nonsense"), 64)
    (tmp_path / "structure.json").write_text(run("fleet", "structure", schemas[0]).stdout)
    kept = ("fleet", "check", "structure_equality", "--template-file", "structure.json")
    assert "equal the template structure.json" in run(*kept).stdout
    assert "exclude each other" in _clean(run(*kept, "--template", schemas[0]), 64)


def test_what_changed_and_what_is_accepted(run, configured, database, tmp_path):
    """A run compared with an earlier one names what is new, grown and gone; a suppression holds a finding back until its day."""
    for slug in ("one", "two"):
        assert run("tenant", "create", slug, "--organization", slug, "--name", slug, "--yes").returncode == 0
    a, b = (tenant["schema_name"] for tenant in json.loads(run("tenant", "list", "--json").stdout)["tenants"])

    def owner(statement):
        with operator(database.operator_url, "test") as session, session.transaction(), as_owner(session, database.roles):
            session.script(fill(statement, {"a": a, "b": b}))

    owner('CREATE INDEX again ON :"a".sales (channel); CREATE INDEX other ON :"a".sales (channel)')
    earlier = tmp_path / "earlier.json"
    earlier.write_text(run("fleet", "check", "unfinished_objects", "--json").stdout)
    owner('DROP INDEX :"a".other; CREATE INDEX again ON :"b".sales (channel); CREATE INDEX third ON :"b".sales (channel)')
    done = run("fleet", "check", "unfinished_objects", "--since", str(earlier))
    assert done.returncode == 1
    assert "FAILING (low) grown  unfinished_objects: The index sales.again of 2 schemas" in done.stdout
    assert "FAILING (low) new  unfinished_objects: The index sales.third" in done.stdout
    assert "gone  unfinished_objects:duplicate index sales.other" in done.stdout
    held = '[[suppressions]]\nid = "unfinished_objects:duplicate index sales.{}"\nowner = "platform"\nreason = "goes"\nexpires = {}\n'
    plain = configured.read_text()
    configured.write_text(
        plain + held.format("again", "2999-01-01") + held.format("third", "2999-01-01") + held.format("gone", "2999-01-01")
    )
    done = run("fleet", "check", "unfinished_objects")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accepted (low)  unfinished_objects:duplicate index sales.again: goes (platform, until 2999-01-01)" in done.stdout
    assert "sales.gone' holds nothing back any more" in done.stderr
    for form, says in (
        ("sarif", '"suppressions"'),
        ("junit", 'skipped="2"'),
        ("markdown", "accepted (low)"),
        ("json", "goes (platform"),
    ):
        assert says in run("fleet", "check", "unfinished_objects", "--format", form).stdout
    configured.write_text(plain + held.format("again", "2026-01-01") + held.format("third", "2999-01-01"))
    done = run("fleet", "check", "unfinished_objects")
    assert done.returncode == 1
    assert "ended on 2026-01-01: mend it or renew it (platform)" in done.stderr
    for given, says in (("[]", "not a document of fleet check"), ("x", "is not JSON")):
        earlier.write_text(given)
        assert says in _clean(run("fleet", "check", "--since", str(earlier)), 64)
