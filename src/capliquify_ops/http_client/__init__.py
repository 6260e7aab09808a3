"""HTTP: one client with timeouts, error mapping and no surprises. The only importer of httpx."""

from capliquify_ops.http_client.client import Client, Response

__all__ = ["Client", "Response"]
