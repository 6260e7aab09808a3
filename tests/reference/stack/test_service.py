"""The HTTP half of a stack, and the configuration in which it is the target `running`."""

import sys
from urllib.parse import urlsplit

from capliquify_ops.configuration import TargetClass, load_settings
from capliquify_ops.http_client import Client


def test_service_answers_as_itself(running):
    """The address that is handed out answers healthy, with the instance id of this very stack."""
    with Client(running.base_url) as client:
        answer = client.request("GET", "/api/health")
    assert answer.status == 200
    assert answer.json()["status"] == "healthy"
    assert answer.json()["instance"] == running.instance


def test_metrics_address_gives_prometheus_text(running):
    """The metrics URL is the whole address."""
    address = urlsplit(running.metrics_url)
    with Client(f"{address.scheme}://{address.netloc}") as client:
        answer = client.request("GET", address.path)
    assert answer.status == 200
    assert b"http_requests_total" in answer.body


def test_identity_process_answers_as_itself(running):
    """The identity process belongs to the same stack."""
    with Client(running.identity_url) as client:
        assert client.request("GET", "/health").json() == {"status": "healthy", "instance": running.instance}


def test_configuration_names_the_stack(running):
    """The TOML file is loaded without any help and describes this stack completely."""
    target = load_settings(running.config, environment={}).target("running", observing=True)
    assert target.name == "running"
    assert target.kind is TargetClass.LOOPBACK
    assert target.observer_url().reveal() == running.database_url
    assert target.changing_url().reveal() == running.operator_url
    assert target.base_url == running.base_url
    assert target.roles == running.roles
    assert target.identity.provider == "command"
    assert target.identity.options["command"][:3] == [sys.executable, "-m", "capliquify_ops.cli"]
    assert target.identity.options["command"][-1] == str(running.run_folder)
