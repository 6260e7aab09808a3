"""The secrets that pass through Render: the values of environment variables, and the key of its API."""

import logging
import re

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.render import Render, render_service
from capliquify_ops.integrations.render_records import EnvironmentVariable
from capliquify_ops.model.errors import ConfigurationInvalid, CredentialRefused, IntegrationFailed, UsageError
from capliquify_ops.model.secret import Secret

from . import fake_render
from .conftest import Fault

world, server, render, web = fake_render.world, fake_render.server, fake_render.render, fake_render.web
HIDDEN = "postgresql://app:v3ry-h1dden@db/app"


def test_environment_variables_hide_their_values(render, world, web, caplog):
    """All are listed, over many pages; no value shows itself, in text, in a representation, or in a log."""
    caplog.set_level(logging.DEBUG)
    world.variables[web] = {f"KEY_{number:03}": HIDDEN for number in range(130)}
    found = render.environment_variables(web)
    assert [each.key for each in found.items] == [f"KEY_{number:03}" for number in range(130)]
    assert found.items[0].value.reveal() == HIDDEN
    assert "v3ry-h1dden" not in f"{found} {found!r} {found.items[0]!r} {caplog.text}"


def test_an_environment_variable_is_set(render, world, web):
    """It is added or replaced, and the others stay as they are; setting it twice is the same as once."""
    world.variables[web] = {"OTHER": "1", "DATABASE_URL": "old"}
    for _ in range(2):
        assert render.set_environment_variable(web, "DATABASE_URL", Secret(HIDDEN)) is None
    assert world.variables[web] == {"OTHER": "1", "DATABASE_URL": HIDDEN}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_error_says_the_value(render, server, web, status, caplog):
    """A refusal that quotes the value, or part of it, is told without its words."""
    caplog.set_level(logging.DEBUG)
    server.faults += [Fault(status, {"message": f"{'x' * 170} invalid value {HIDDEN}"})] * 3
    with pytest.raises(IntegrationFailed) as caught:
        render.set_environment_variable(web, "DATABASE_URL", Secret(HIDDEN))
    assert caught.value.what == f"Render answered PUT /services/{web}/env-vars/DATABASE_URL with {status}."
    assert "postgresql" not in f"{caught.value} {caught.value!r} {caplog.text}"


def test_a_value_that_was_not_kept_is_an_error(render, server, web):
    """An answer with another value, or none, does not pass for success, and says neither."""
    for body in ({"key": "A", "value": "other"}, {"key": "A"}, None, [HIDDEN]):
        server.faults.append(Fault(200, body))
        with pytest.raises(IntegrationFailed) as caught:
            render.set_environment_variable(web, "A", Secret(HIDDEN))
        assert not re.search("other|h1dden", repr(caught.value))


def test_a_value_that_is_no_text_is_refused_without_saying_it(render, server, web):
    """Half a character cannot be sent, and no traceback quotes what stands beside it."""
    with pytest.raises(UsageError) as caught:
        render.set_environment_variable(web, "A", Secret("h1dden\udcff"))
    assert "h1dden" not in repr(caught.value)
    assert server.asked == []


def test_records_of_variables_compare_by_value_without_showing_it():
    """Two records of the same setting are equal, and neither shows the value."""
    assert EnvironmentVariable("A", Secret("x")) == EnvironmentVariable("A", Secret("x")) != EnvironmentVariable("A", Secret("y"))


def test_a_wrong_key_is_told_without_the_key(fake, world, web, patience, caplog):
    """The setting that holds the key is named; neither the key nor what Render quotes of it is."""
    caplog.set_level(logging.DEBUG)
    service = render_service(Secret("rnd_wrong_key_of_nobody"), base_url=f"{fake(world).url}/v1")
    with Caller(service, patience) as caller, pytest.raises(CredentialRefused) as caught:
        Render(caller).service(web)
    assert "integrations.render.token_env" in str(caught.value)
    assert "wrong_key" not in f"{caught.value!r} {caught.value} {service!r} {caplog.text}"


@pytest.mark.parametrize("key", ["", " ", "rnd_h1dden\n", "rnd h1dden", "rnd_h1ddeñ", "rnd_h1dden\udcff"])
def test_what_can_be_no_key_is_refused_before_it_is_sent(key):
    """The setting is named, the key is not."""
    with pytest.raises(ConfigurationInvalid, match=r"^integrations\.render\.token_env") as caught:
        render_service(Secret(key))
    assert "h1dd" not in repr(caught.value)
