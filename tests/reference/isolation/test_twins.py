"""Services that are correct and look suspicious: no check may raise an alarm."""

import dataclasses
import itertools
import json
import re
import threading
import time
import uuid

import pytest

from capliquify_ops.model.outcome import Outcome

OBJECTS = [
    "int_08_first_login", "int_13_admin_creates_product", "int_14_member_refused_admin", "int_16_a_sees_only_a", "int_17_b_sees_only_b",
    "int_18_foreign_resource", "sec_001_other_tenants_data", "sec_007_member_to_admin", "sec_009_viewer_writes", "sec_015_own_rows_only",
    "sec_016_concurrent_search_path", "sec_017_guessed_ids",
]  # fmt: skip
"""Checks that aim at single rows."""


@pytest.mark.parametrize("check", OBJECTS)
def test_extra_headers(check, world, lie, run):
    """Request ids, echoes of what was sent, and headers in any order change no verdict."""

    def twin(request, forward):
        answer = forward(request)
        echo = [("X-Request-Id", uuid.uuid4().hex), ("X-Echo", request.path[:200]), ("X-Trace", str(time.monotonic_ns()))]
        return dataclasses.replace(answer, headers=[*echo, *answer.headers])

    lie(twin)
    found = run(check, world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.parametrize("check", ["int_08_first_login", "int_18_foreign_resource", "sec_016_concurrent_search_path"])
def test_a_slow_service(check, world, lie, run):
    """A service that takes its time is slow and nothing else."""

    def twin(request, forward):
        answer = forward(request)
        threading.Event().wait(0.03)
        return answer

    lie(twin)
    found = run(check, world)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_a_uniform_403(world, world_on, lie, direct_target, proxy, run):
    """A deployment that answers 403 for foreign and unknown ids alike passes, once its profile says so."""
    answers = dict(direct_target.profile.answers)
    answers["unknown_resource"] = dataclasses.replace(answers["unknown_resource"], statuses=(403,), codes=("forbidden",))
    profile = dataclasses.replace(direct_target.profile, answers=answers)

    def twin(request, forward):
        answer = forward(request)
        return dataclasses.replace(answer.saying({"error": "forbidden"}), status=403) if answer.status == 404 else answer

    uniform = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    lie(twin)
    for check in ("int_18_foreign_resource", "sec_001_other_tenants_data", "sec_017_guessed_ids"):
        found = run(check, uniform)
        assert found.outcome is Outcome.HEALTHY, found.why


class SerialIds:
    """Makes the service look as if every schema counted on its own: the first row of each tenant has the id 1."""

    UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

    def __init__(self):
        self._lock = threading.Lock()
        self._counters = {}
        self._numbers = {}
        self._names = {}

    def __call__(self, request, forward):
        tenant = request.claims.get("org_id")
        answer = forward(self._inward(tenant, request))
        if b'"data"' not in answer.body:
            return answer
        return answer.saying(self._outward(tenant, answer.document))

    def _inward(self, tenant, request):
        base, _, last = request.route.rpartition("/")
        if base in {"/api/products", "/api/users"} and last != "profile":
            request = dataclasses.replace(request, path=f"{base}/{self._name(tenant, last)}")
        if request.body:
            document = json.loads(request.body)
            if isinstance(document, dict) and "product_id" in document:
                document["product_id"] = self._name(tenant, str(document["product_id"]))
                request = dataclasses.replace(request, body=json.dumps(document).encode())
        return request

    def _name(self, tenant, number):
        """The real id of a number; a number that this tenant does not use is an id that nobody has."""
        return self._names.get((tenant, number)) or (str(uuid.uuid4()) if number.isdigit() else number)

    def _outward(self, tenant, value, key=""):
        if isinstance(value, dict):
            return {name: self._outward(tenant, inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._outward(tenant, inner, key) for inner in value]
        if key in {"id", "product_id", "resource_id", "user_id"} and isinstance(value, str) and self.UUID.fullmatch(value):
            return self._number(tenant, value)
        return value

    def _number(self, tenant, name):
        with self._lock:
            if (tenant, name) not in self._numbers:
                number = next(self._counters.setdefault(tenant, itertools.count(1)))
                self._numbers[tenant, name] = number
                self._names[tenant, str(number)] = name
            return self._numbers[tenant, name]


@pytest.fixture(scope="module")
def serial_proxy(make, direct_target):
    """A service with serial ids."""
    running = make.proxy(direct_target.base_url)
    running.fault = SerialIds()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def serial(serial_proxy, world_on):
    """A world on the service with serial ids."""
    with world_on(serial_proxy.url) as built:
        assert built.missing == {}
        assert all(plant.id.isdigit() for plant in built.plants)
        ids = [{plant.id for plant in built.plants if plant.tenant == key} for key in ("a", "b")]
        assert ids[0] & ids[1]
        yield built


@pytest.mark.parametrize("check", OBJECTS)
def test_equal_serial_ids(check, serial, run):
    """Where every schema counts on its own, the same id naming a row of each tenant is no leak."""
    found = run(check, serial)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_a_leak_among_equal_serial_ids(serial, serial_proxy, make, run):
    """Among equal ids a leak is still found, by its content."""
    cast, honest = make.cast(serial), serial_proxy.fault

    def fault(request, forward):
        is_patched = request.method == "GET" and request.route == "/api/products" and cast.who(request) == "a.viewer"
        return honest(cast.as_(request, "b.owner") if is_patched else request, forward)

    serial_proxy.fault = fault
    found = run("int_16_a_sees_only_a", serial)
    serial_proxy.fault = honest
    assert found.outcome is Outcome.FAILING
    assert run("int_16_a_sees_only_a", serial).outcome is Outcome.HEALTHY
