"""The embedded target: PostgreSQL and the reference service on loopback, started for this run and stopped with it."""

import dataclasses
from contextlib import AbstractContextManager

from capliquify_ops.configuration import Target, load_settings
from capliquify_ops.configuration.system import forget_libpq
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError
from capliquify_ops.reference import stack
from capliquify_ops.reference.fleet import fill

WORKERS = 2
"""Of the service: one alone fills its processor at the 500 requests/s that the load box asks of this target."""
RESIDENTS = 10
"""Tenants that live in the embedded target from the start: the smallest fleet that the product is made for."""


def embedded_target(chosen: Target) -> tuple[AbstractContextManager[object], Target]:
    """Start the stack and return it with the target that it is. Raises OpsError when it cannot start."""
    forget_libpq()
    try:
        running = stack.start(workers=WORKERS)
    except ModuleNotFoundError as error:
        raise ConfigurationInvalid(
            f"The embedded target needs {error.name}, which is not installed.", hint='pip install "capliquify-ops[reference]"'
        ) from None
    target = load_settings(running.config, environment={}).targets["running"]
    try:
        fill(target.changing_url(), target.roles, RESIDENTS)
    except OpsError:
        running.close()
        raise
    return running, dataclasses.replace(target, name=chosen.name)
