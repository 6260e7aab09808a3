"""K7: jobs, files and streams that end up with the wrong tenant turn the family red; what is late, or lost, is no leak."""

import dataclasses
import http.client
import json
import re

import pytest

from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.event_streams import events
from capliquify_ops.isolation.exports import exports
from capliquify_ops.isolation.job_order import jobs
from capliquify_ops.isolation.jobs_and_exports import jobs_and_exports
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_07_jobs_and_exports"
JOB = re.compile(r"/api/jobs/([^/?]+)$")
FILE = re.compile(r"/api/exports/([^/?]+)/file$")
FAULTS = {}


def fault(part, witness):
    """Register what the proxy does, and what the first row that contradicts must name."""

    def register(make):
        FAULTS[make.__doc__.rstrip(".")] = (part, make, witness)
        return make

    return register


def owner_of(cast, request):
    return cast.who(request).partition(".")[0]


def made_by(paths):
    """Notes who made which job or export, by its id."""
    owners = {}

    def note(cast, request, answer):
        if request.method == "POST" and request.route in paths and answer.status == 202:
            owners[answer.document["data"]["id"]] = owner_of(cast, request)

    return owners, note


@fault(jobs, "asks for jobs")
def _(cast):
    """a result for whoever knows the id."""
    owners, note = made_by({"/api/jobs"})

    def lie(request, forward):
        found = JOB.search(request.route)
        if found and found[1] in owners:
            return forward(cast.as_(request, f"{owners[found[1]]}.owner"))
        answer = forward(request)
        note(cast, request, answer)
        return answer

    return lie


@fault(jobs, "the result of jobs")
def _(cast):
    """a job that is done for whoever asked before."""
    last = ["a"]

    def lie(request, forward):
        if request.method == "POST" and request.route == "/api/jobs":
            mine, last[0] = last[0], owner_of(cast, request)
            answer = forward(cast.as_(request, f"{mine}.owner"))
            moved[json.loads(answer.body).get("data", {}).get("id")] = mine
            return answer
        found = JOB.search(request.route)
        if found and owner_of(cast, request) and found[1] in moved:
            return forward(cast.as_(request, f"{moved[found[1]]}.owner"))
        return forward(request)

    moved = {}
    return lie


@fault(jobs, "the end of an unusable")
def _(cast):
    """a failed job that tells why."""
    unusable = "12345678-1234-4234-8234-123456789012"

    def lie(request, forward):
        answer = forward(request)
        if request.method == "POST" and request.route == "/api/jobs" and answer.status in {400, 422}:
            return dataclasses.replace(answer.saying({"data": {"id": unusable, "state": "queued"}}), status=202)
        if unusable in request.route:
            error = 'relation "scenarios" does not exist'
            return dataclasses.replace(answer.saying({"data": {"id": unusable, "state": "failed", "error": error}}), status=200)
        return answer

    return lie


@fault(exports, "the file of exports")
def _(cast):
    """one file for all exports."""
    owners, note = made_by({"/api/exports"})

    def lie(request, forward):
        if FILE.search(request.route) and owners:
            identifier, key = list(owners.items())[-1]
            return forward(dataclasses.replace(cast.as_(request, f"{key}.owner"), path=f"/api/exports/{identifier}/file"))
        answer = forward(request)
        note(cast, request, answer)
        return answer

    return lie


@fault(exports, "asks for exports")
def _(cast):
    """a file for whoever knows the id."""
    owners, note = made_by({"/api/exports"})

    def lie(request, forward):
        found = FILE.search(request.route)
        if found and found[1] in owners:
            return forward(cast.as_(request, f"{owners[found[1]]}.owner"))
        answer = forward(request)
        note(cast, request, answer)
        return answer

    return lie


@fault(exports, "planted rows are not in it")
def _(cast):
    """a file that lacks rows."""

    def lie(request, forward):
        answer = forward(request)
        if not FILE.search(request.route) or answer.status != 200:
            return answer
        lines = answer.body.splitlines(keepends=True)
        products = [line for line in lines if line.startswith(b"product,")]
        return dataclasses.replace(answer, body=b"".join(line for line in lines if line not in products[:-1]))

    return lie


@fault(events, "listens to")
def _(cast):
    """a stream of everybody's."""
    return lambda request: cast.as_(request, "a.owner")


@fault(events, "with wildcards")
def _(cast):
    """a channel of everybody's for whoever asks for all."""
    return lambda request: cast.as_(request, "a.owner") if "=*" in request.path else request


@fault(events, "resumes")
def _(cast):
    """a stream that resumes at any row's event."""
    return lambda request: cast.as_(request, "a.owner") if ":" in (request.header("Last-Event-ID") or "") else request


@pytest.fixture(scope="module")
def streaming(make, direct_target):
    """A proxy that passes streams on as they come; `stream_fault` gives the request that is made in place of one."""
    running = make.proxy(direct_target.base_url)
    running.stream_fault = None

    class Handler(running.RequestHandlerClass):
        def do_GET(self):  # noqa: N802 -- named by the base class
            if not self.path.startswith("/api/events"):
                self._any()
                return
            request = make.request("GET", self.path, list(self.headers.items()), b"")
            request = self.server.stream_fault(request) if self.server.stream_fault else request
            upstream = http.client.HTTPConnection(self.server.upstream.hostname, self.server.upstream.port, timeout=20)
            try:
                upstream.request("GET", request.path, headers=dict(request.headers))
                response = upstream.getresponse()
                self.send_response_only(response.status)
                self.send_header("Content-Type", response.getheader("Content-Type") or "")
                self.send_header("Connection", "close")
                self.end_headers()
                while piece := response.read1():
                    self.wfile.write(piece)
                    self.wfile.flush()
            finally:
                upstream.close()
                self.close_connection = True

    running.RequestHandlerClass = Handler
    yield running
    running.stop()


@pytest.fixture(scope="module")
def streamed(streaming, world_on):
    """A world behind that proxy."""
    with world_on(streaming.url) as built:
        yield built


@pytest.fixture
def told(streaming):
    """Sets a fault of the streaming proxy, and takes it away at the end."""

    def tell(part, made):
        setattr(streaming, "stream_fault" if part is events else "fault", made)

    yield tell
    streaming.fault = streaming.stream_fault = None


SAMPLE = {"one file for all exports"}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, id=f"{CHECK}-{name}", marks=() if name in SAMPLE else pytest.mark.whole) for name in sorted(FAULTS)],
)
def test_a_fault(fault, streamed, make, told, as_found, record_property):
    """The part that is wrong contradicts, with a row that names what happened; without the fault nothing does."""
    record_property("fault", fault)
    part, make_fault, witness = FAULTS[fault]
    surface = {jobs: "job", exports: "export", events: "events"}[part]
    (route,) = streamed.surface(surface)
    told(part, make_fault(make.cast(streamed)))
    found = [probe for probe in part(streamed, route) if probe.violation()]
    assert found
    assert all(not probe.is_control for probe in found)
    assert any(witness in probe.line() for probe in found)
    told(part, None)
    as_found.put_back()
    assert [probe.line() for probe in part(streamed, route) if probe.violation() or probe.untried] == []


@pytest.mark.whole
def test_a_correct_service(streamed):
    """All three parts are tried, each with its positive control."""
    found = run_family(CHECK, streamed)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.grade is Grade.STRONG, found.why
    controls = [probe.name for probe in jobs_and_exports(streamed) if probe.is_control]
    for part in ("jobs of a leave", "jobs of b leave", "the file of exports", "a.owner hears", "b.owner hears"):
        assert any(name.startswith(part) for name in controls), part


@pytest.mark.whole
def test_what_is_late_is_not_leaked(streamed, told, make, monkeypatch):
    """Work that does not end in time says nothing, neither good nor bad."""
    monkeypatch.setattr("capliquify_ops.isolation.background.DONE_S", 0.3)

    def late(request, forward):
        answer = forward(request)
        if request.method == "GET" and re.match(r"/api/(jobs|exports)/", request.route) and b'"done"' in answer.body:
            return dataclasses.replace(answer, body=answer.body.replace(b'"done"', b'"running"'))
        return answer

    told(jobs, late)
    found = run_family(CHECK, streamed)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert any("had not ended" in line for line in found.witness.lines)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("switch", "witness"), [("JOB_NO_TENANT", "jobs of b in the schema of a"), ("EXPORT_SHARED_PATH", "the file of exports")]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_switch(switch, witness, workers, switched):
    """The service's own defects, with one worker and with two."""
    with switched(switch, workers=workers) as world:
        found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert found.grade is Grade.PROOF
    assert workers == 2 or any(witness in line for line in found.witness.lines)
