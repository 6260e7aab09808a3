"""K5: caches and stores of repeated writes that forget whom they serve turn the family red; a correct one, or none, does not."""

import dataclasses
import json
import re
import threading

import pytest

from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.cache_order import cache_order
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_05_cache_order"
KEY = "Idempotency-Key"
FAULTS = {}


def fault(witness, *, is_proof=False):
    """Register what the proxy does, and what the first row that contradicts must name."""

    def register(make):
        FAULTS[make.__doc__.rstrip(".")] = (make, witness, is_proof)
        return make

    return register


class Kept:
    """Answers by a key of the test's choice; writes empty it, as services do that tell their caches."""

    def __init__(self, key, forgets=True):
        self.key, self.forgets = key, forgets
        self.answers = {}
        self.lock = threading.Lock()

    def __call__(self, request, forward):
        if request.method != "GET":
            with self.lock:
                self.answers = {} if self.forgets else self.answers
            return forward(request)
        key = self.key(request)
        with self.lock:
            kept = self.answers.get(key)
        if kept is not None:
            return dataclasses.replace(kept, headers=[*kept.headers, ("X-Cache", "hit")])
        answer = forward(request)
        if key is not None and answer.status == 200:
            with self.lock:
                self.answers[key] = answer
        return answer


@fault("/api/products", is_proof=True)
def _(cast):
    """a cache by address alone."""
    return Kept(lambda request: request.path if "/api/products" in request.path else None)


@fault("nobody reads")
def _(cast):
    """a shared cache before the sign-in."""
    tenants = Kept(lambda request: (request.path, request.organization or request.claims.get("org_id")))
    last = {}

    def lie(request, forward):
        answer = tenants(request, forward)
        if request.method == "GET" and request.token and answer.status == 200:
            last[request.path] = answer
        return last.get(request.path, answer) if not request.token else answer

    return lie


@fault("/summary")
def _(cast):
    """a summary kept by its id."""
    return Kept(lambda request: request.path if request.path.endswith("/summary") else None)


@fault("/api/dashboard")
def _(cast):
    """a dashboard that is everybody's."""
    return Kept(lambda request: "dashboard" if request.route == "/api/dashboard" else None)


@fault("e-mail of", is_proof=True)
def _(cast):
    """a profile of whoever asked first."""
    return Kept(lambda request: "profile" if request.token and request.route == "/api/users/profile" else None)


@fault("shared caches may keep it")
def _(cast):
    """answers that anybody may keep."""

    def lie(request, forward):
        answer = forward(request)
        kept = [(name, value) for name, value in answer.headers if name.lower() != "cache-control"]
        return dataclasses.replace(answer, headers=[*kept, ("Cache-Control", "public, max-age=60")])

    return lie


@fault("after b.owner")
def _(cast):
    """an entitlement of whoever asked first."""
    return Kept(lambda request: request.route if request.token and request.route == "/api/reports/advanced" else None)


@fault("after a change", is_proof=True)
def _(cast):
    """a cache filled by writes."""
    written = {}

    def lie(request, forward):
        answer = forward(request)
        if request.method == "PATCH" and answer.status == 200 and request.route.startswith("/api/products/"):
            written[request.route] = answer
        kept = written.get(request.route)
        return kept if request.method == "GET" and request.token and kept else answer

    return lie


def store(key, compares=True):
    """A store of answers to POSTs by a key of the test's choice, in front of the service's own."""
    kept = {}

    def lie(request, forward):
        sent = request.header(KEY)
        if request.method != "POST" or sent is None:
            return forward(request)
        name = key(request, sent)
        if name not in kept:
            kept[name] = (request.body, forward(request.with_header(KEY, None)))
        body, answer = kept[name]
        if compares and body != request.body:
            return dataclasses.replace(answer, status=422, body=json.dumps({"error": "idempotency_key_reused"}).encode())
        return answer

    return lie


@fault("uses the same", is_proof=True)
def _(cast):
    """a store of keys without the tenant."""
    return store(lambda request, sent: (request.route, sent), compares=False)


@fault("another body")
def _(cast):
    """keys that are compared across tenants."""
    own = store(lambda request, sent: (request.claims.get("org_id"), request.route, sent))
    seen = {}

    def lie(request, forward):
        sent = request.header(KEY)
        if request.method == "POST" and sent and seen.setdefault(sent, request.body) != request.body:
            return dataclasses.replace(forward(request.with_header(KEY, sent + "x")), status=422)
        return own(request, forward)

    return lie


def first_violation(world):
    return next((probe for probe in cache_order(world) if probe.violation()), None)


SAMPLE = {"a cache by address alone"}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, id=f"{CHECK}-{name}", marks=() if name in SAMPLE else pytest.mark.whole) for name in sorted(FAULTS)],
)
def test_a_fault(fault, world, cast, lie, record_property):
    """The first row that contradicts names the address or the key; what is a proof holds the other tenant's secret."""
    record_property("fault", fault)
    make, witness, is_proof = FAULTS[fault]
    lie(make(cast))
    found = first_violation(world)
    assert found is not None
    assert witness in found.line()
    assert not is_proof or found.is_proof()


@pytest.mark.whole
@pytest.mark.parametrize("name", ["a summary kept by its id", "a store of keys without the tenant"])
def test_a_verdict(name, world, cast, lie):
    """A whole run: failing through the fault, healthy before and after it."""
    make, _, _ = FAULTS[name]
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY
    lie(make(cast))
    assert run_family(CHECK, world).outcome is Outcome.FAILING
    lie(None)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_a_cache_of_each_tenant(world, lie):
    """A cache in front of the service that knows whom it serves is fast, and nothing else."""
    lie(Kept(lambda request: (request.path, request.token, request.organization)))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_a_cache_that_is_off(world, lie):
    """A profile that names a cache's header, and no hit anywhere: nothing was proven."""

    def off(request, forward):
        path = request.path.replace("/summary", "")
        return forward(dataclasses.replace(request, path=path))

    lie(off)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert any("X-Cache" in line for line in found.witness.lines)


@pytest.mark.whole
def test_a_store_that_is_off(world, lie):
    """Keys that nobody keeps prove nothing about whose they are."""
    lie(lambda request, forward: forward(request.with_header(KEY, None)))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert any(KEY in line for line in found.witness.lines)


@pytest.mark.whole
@pytest.mark.parametrize("is_serial", [False, True])
def test_the_switch(is_serial, switched):
    """The service's own cache without the tenant, by unguessable ids and by equal ones."""
    with switched("CACHE_KEY_ID_ONLY", serials=is_serial) as world:
        found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert found.grade is Grade.PROOF
    assert any(re.search(r"/summary", line) for line in found.witness.lines)


@pytest.mark.whole
@pytest.mark.parametrize("twin", ["EQUAL_SERIALS", "SHARED_REFERENCE"])
def test_a_twin(twin, switched):
    """Equal ids and names, and a table that all may read, are no leak."""
    with switched(twin, serials=twin == "EQUAL_SERIALS") as world:
        found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why
