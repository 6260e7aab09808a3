"""Where session tokens for named users come from: a program, a table, a signing key."""

from capliquify_ops.identity_providers.sources import token_source

__all__ = ["token_source"]
