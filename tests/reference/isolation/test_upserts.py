"""A service whose PUT makes a row under an id that it does not have: no leak where it stands in the own tenant, proof elsewhere."""

import dataclasses
import json
import re

import pytest

from capliquify_ops.configuration.profile_routes import SURFACES
from capliquify_ops.isolation import run_control, run_family
from capliquify_ops.model.outcome import Grade, Outcome

CHECKS = ("sec_001_other_tenants_data", "iso_01_object_matrix", "sec_017_guessed_ids")
ITEM = re.compile(r"/api/products/([^/?]+)$")


@pytest.fixture
def only_items(world):
    """A world whose profile names the main collection only, so that a check is tried in a second."""
    profile = world.profile
    routes = {name: profile.routes[name] for name in ("products", "product")}
    missing = dict.fromkeys(SURFACES, "left out here")
    profile = dataclasses.replace(profile, routes=routes, not_applicable=missing, openapi="")
    plants = [plant for plant in world.plants if plant.route == "products"]
    return dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile), depth="quick", plants=plants)


class Upserting:
    """Makes a row of the sender's tenant for a PUT to an id that it does not have; `elsewhere` answers for those that another has."""

    def __init__(self, cast, elsewhere=None, *, keeps=False):
        self._cast, self._elsewhere, self._keeps = cast, elsewhere, keeps
        self.rows, self.ever = {}, set()

    def __call__(self, request, forward):
        found = ITEM.match(request.route)
        key = (request.organization, found.group(1)) if found else None
        if request.method == "DELETE" and self._keeps and key in self.rows:
            return dataclasses.replace(forward(request), status=405)
        if key in self.rows:
            answer = self._renamed(key, forward(dataclasses.replace(request, path=f"/api/products/{self.rows[key]}")))
            if request.method == "DELETE" and answer.status in {200, 204}:
                del self.rows[key]
            return answer
        answer = forward(request)
        if request.method != "PUT" or answer.status != 404:
            return answer
        if self._elsewhere:
            other = self._elsewhere(self._cast, request, forward)
            if other is not None:
                return other
        made = forward(dataclasses.replace(request, method="POST", path="/api/products"))
        if made.status != 201:
            return made
        self.rows[key] = made.document["data"]["id"]
        self.ever.add(key)
        return self._renamed(key, made)

    def _renamed(self, key, answer):
        return dataclasses.replace(answer, body=answer.body.replace(self.rows[key].encode(), key[1].encode()))


def _theirs(cast, request):
    return cast.as_(request, "b.owner" if cast.who(request).startswith("a.") else "a.owner")


def refuses_taken_ids(cast, request, forward):
    taken = forward(dataclasses.replace(_theirs(cast, request), method="GET", body=b"")).status == 200
    return dataclasses.replace(forward(request), status=409) if taken else None


def writes_the_others(cast, request, forward):
    answer = forward(_theirs(cast, request))
    return answer.saying({"success": True, "data": json.loads(request.body)}) if answer.status == 200 else None


def _run(check, world):
    world = dataclasses.replace(world, depth="full") if check == "sec_017_guessed_ids" else world
    return (run_family if check.startswith("iso_") else run_control)(check, world)


@pytest.mark.parametrize("check", [pytest.param(one, marks=pytest.mark.whole if one != CHECKS[1] else ()) for one in CHECKS])
def test_a_put_that_makes_a_row_of_the_own_tenant(check, only_items, cast, lie):
    """The other tenant's row is as it was and the answers are those for an unknown id: no alarm, and nothing is left."""
    service = Upserting(cast)
    lie(service)
    found = _run(check, only_items)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert service.ever
    assert service.rows == {}


@pytest.mark.whole
@pytest.mark.parametrize("check", CHECKS)
def test_an_id_that_another_tenant_has_is_told(check, only_items, cast, lie):
    """An id that is refused because another tenant uses it, where an unknown one makes a row, tells that it exists."""
    lie(Upserting(cast, refuses_taken_ids))
    found = _run(check, only_items)
    if check == "sec_001_other_tenants_data":
        assert found.outcome is Outcome.HEALTHY, found.why
    else:
        assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG), found.why


@pytest.mark.whole
@pytest.mark.parametrize("check", CHECKS[:2])
def test_a_put_that_writes_the_other_tenants_row(check, only_items, cast, lie):
    """What is made where nobody has the id, and written where another tenant has, is proof."""
    lie(Upserting(cast, writes_the_others))
    found = _run(check, only_items)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why


@pytest.mark.whole
def test_rows_that_nobody_deletes(only_items, cast, lie):
    """Where what a PUT made stays, the next request meets the own row there: still no alarm."""
    item = dataclasses.replace(only_items.profile.routes["product"], methods=("GET", "PUT", "PATCH"))
    profile = dataclasses.replace(only_items.profile, routes=dict(only_items.profile.routes) | {"product": item})
    stuck = dataclasses.replace(only_items, target=dataclasses.replace(only_items.target, profile=profile))
    lie(Upserting(cast, keeps=True))
    found = run_family("iso_01_object_matrix", stuck)
    assert found.outcome is Outcome.HEALTHY, found.why
