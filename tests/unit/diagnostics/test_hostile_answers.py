"""What others write reaches the screen of a diagnosis: it breaks nothing, and nothing secret comes with it."""

import dataclasses
import http.server
import itertools
import json
import threading

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile, load_settings
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.diagnostics.diagnose import ISSUES
from capliquify_ops.diagnostics.failed_deployment_deploys import named
from capliquify_ops.diagnostics.inquiry import Asked, Inquiry
from capliquify_ops.diagnostics.service_down import DATABASE, ServiceRows, explain, tell
from capliquify_ops.diagnostics.slow_responses_now import slow_routes
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.observation.exposition import read_exposition
from capliquify_ops.observation.health import read_health
from capliquify_ops.observation.network import Step, Way
from capliquify_ops.observation.plans import why_not_planned
from capliquify_ops.observation.traffic import traffic_between

METRICS = {"requests_total": "r", "request_duration": "d"}
LIMITS = load_limits()


@pytest.mark.parametrize("bound", ["abc", "", "NaN"])
def test_a_bucket_without_a_bound(bound):
    """A page that is wrong in one label is read without it."""
    page = f'r{{route="/x",status="200"}} 30\nd_bucket{{route="/x",le="{bound}"}} 9\nd_bucket{{route="/x",le="+Inf"}} 30\n'
    [route] = traffic_between((), read_exposition(page), 2, METRICS).routes
    assert route.durations.buckets == ((float("inf"), 30.0),)


def test_endless_numbers_are_no_counts():
    """Infinity less infinity is no number: such a counter tells nothing, and the others go on."""
    page = 'r{{route="/x",status="200"}} {0}\nr{{route="/y",status="200"}} {1}\n'
    before, after = (read_exposition(page.format("+Inf", number)) for number in (1, 4))
    found = traffic_between(before, after, 2, METRICS)
    assert (found.requests, slow_routes(found, LIMITS)) == (3.0, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT " + "(" * 200 + "1" + ")" * 200, "too long or too deep"),
        (f"SELECT 1 FROM t WHERE a IN ({', '.join('1' * 9_000)})", "too long or too deep"),
        ("SELECT 1 FROM t FOR SHARE", "more than read"),
        ("SELECT 1 FROM t FOR KEY SHARE", "more than read"),
        ("SELECT 1 FROM t FOR NO KEY UPDATE", "more than read"),
        ("SELECT share FROM t", None),
    ],
)
def test_statements_that_are_not_planned(text, reason):
    """What cannot be taken apart, and what locks rows, is not given to the server."""
    found = why_not_planned(text)
    assert found is reason is None or reason in found


@pytest.fixture
def service():
    """Starts a service that answers everything with a document."""
    servers = []

    def start(document):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


SECRETS = ("hunter2", "sk_live_abcdefgh12345678", "jane.doe@customer.example")


def test_a_health_document_with_secrets(service):
    """A service that shows its connection string and a customer's address to everybody: here they are left out."""
    url = service(
        {"status": "unhealthy", "database": f"postgres://app:{SECRETS[0]}@db/x for {SECRETS[2]}", SECRETS[1]: "x" * 200}
    )
    found = read_health(url, "/", has_document=True, timeout_s=5)
    assert not found.is_well
    assert not any(secret in str(found.parts) for secret in SECRETS)
    assert "postgres://" in found.parts["database"]


def test_the_message_of_a_commit_with_secrets():
    """Its first line is shown without them, also where they begin before the cut."""
    for before, secret in itertools.product((0, 60), SECRETS[1:]):
        deploy = Deploy("d", "live", None, "abc", "x" * before + " " + secret, SystemClock().now(), None, None)
        assert secret[:9] not in named(deploy)


@pytest.mark.parametrize(("name", "is_told"), [("RENDER_TOKEN", True), ("rnd_s3cr3ts3cr3t", False), ("sk_live_abc", False)])
def test_a_secret_in_the_place_of_a_variables_name(tmp_path, name, is_told):
    """The commonest mistake: the secret itself after token_env. It is not repeated."""
    file = tmp_path / "x.toml"
    file.write_text(f'[targets.t]\nclass = "loopback"\n[targets.t.integrations.render]\ntoken_env = "{name}"\nservice = "s"\n')
    missing = load_settings(file, environment={}).targets["t"].integrations["render"].missing
    assert (name in missing) is is_told
    assert "not set" in missing


AWAY = TargetUnreachable("http://x did not answer GET / in time.")
FREE = Way("x:1", None, "x:1 accepts connections", 1.0)


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (FREE, "accepts connections and does not answer"),
        (dataclasses.replace(FREE, failed=Step.CONNECTION), "Nothing accepts connections"),
        (None, "could not be told"),
    ],
)
def test_what_was_not_seen_of_the_way_is_not_guessed(way, says):
    """Where the look at the way did not come back, nobody says that the service is not running."""
    [cause] = explain(ServiceRows(None, AWAY, way, has_database=False, database_fault=None))
    assert says in cause.why
    assert "capliquify-ops remedy plan restart-service" in cause.next_command


def test_no_slot_is_no_silence():
    """A database that is full answers: it says no."""
    full = TargetUnreachable("db:5432 has no free connection slot.", hint="Free one, or try again later.")
    [cause] = explain(ServiceRows(None, None, FREE, has_database=False, database_fault=full))
    assert "no connection slot left" in cause.why
    assert "does not answer" not in cause.why
    assert "diagnose connection-exhaustion" in cause.next_command


def test_what_concerns_all_times_comes_first():
    """A line of what is fine is cut: that a clock is wrong must not be behind the cut."""
    answers = {
        name: Asked(Source(name, answered=True, says=name, elapsed_ms=1.0), None) for name in ("service", DATABASE, "Render")
    }
    assert [source.name for source in tell(answers)] == [DATABASE, "service", "Render"]


def test_sources_of_one_name_ask_the_same(tmp_path):
    """Issues share an answer by its name: no two of them may mean something else by it."""
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path))
    inquiry = Inquiry(target, LIMITS, SystemClock(), lambda: 0.5)
    asked: dict[str, set[str]] = {}
    for issue in ISSUES.values():
        for name, question in issue.ask(inquiry).database.items():
            asked.setdefault(name, set()).add(question.__qualname__)
    assert {name: places for name, places in asked.items() if len(places) > 1} == {}
