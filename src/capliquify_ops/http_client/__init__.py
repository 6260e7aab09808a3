"""HTTP: one client with timeouts, error mapping and no surprises. The only importer of httpx."""

from capliquify_ops.http_client.client import Client, Response
from capliquify_ops.http_client.repeater import Repeater
from capliquify_ops.http_client.wire import Wire, await_answers

__all__ = ["Client", "Repeater", "Response", "Wire", "await_answers"]
