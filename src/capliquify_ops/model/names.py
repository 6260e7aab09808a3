"""Names that are parsed once, where they enter, and then trusted."""

import re
import uuid
from typing import NewType

from capliquify_ops.model.errors import UsageError

CheckId = NewType("CheckId", str)
RemedyId = NewType("RemedyId", str)
TenantId = NewType("TenantId", uuid.UUID)
SchemaName = NewType("SchemaName", str)
Slug = NewType("Slug", str)

IDENTIFIER_BYTES = 63
"""NAMEDATALEN - 1 of every PostgreSQL build in use: longer names are cut silently."""
SLUG_LENGTH = 50
"""tenants.slug is varchar(50)."""

_CHECK = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_RESERVED_SLUGS = frozenset({"admin", "api", "app", "default", "postgres", "public", "root", "system", "template", "www"})


def check_id(text: str) -> CheckId:
    """Parse the stable id of a check: lower case words joined by underscores."""
    if not _CHECK.fullmatch(text):
        raise UsageError(f"{text!r} is not a check id: lower case letters, digits and single underscores.")
    return CheckId(text)


def tenant_id(text: str) -> TenantId:
    """Parse a tenant id. A schema name or slug in its place is named as what it is."""
    try:
        return TenantId(uuid.UUID(text))
    except ValueError:
        hint = "It looks like a schema name." if text.startswith("tenant_") else "List ids with: capliquify-ops tenant list"
        raise UsageError(f"{text!r} is not a tenant id (a UUID).", hint=hint) from None


def schema_name(text: str) -> SchemaName:
    """Parse a schema name: any text that PostgreSQL stores unchanged and does not reserve."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text or "\0" in text or size > IDENTIFIER_BYTES:
        raise UsageError(f"{text[:80]!r} cannot be a schema name: 1 to {IDENTIFIER_BYTES} bytes without NUL ({size} given).")
    if text.startswith("pg_") or text in {"information_schema", "public"}:
        raise UsageError(f"{text!r} cannot be a tenant's schema: the name is reserved.")
    return SchemaName(text)


def slug(text: str) -> Slug:
    """Parse a new tenant's slug: lower case ASCII, digits and inner dashes, at most 50, not reserved."""
    if len(text) > SLUG_LENGTH:
        raise UsageError(f"The slug has {len(text)} characters; the limit is {SLUG_LENGTH}.")
    if not _SLUG.fullmatch(text):
        raise UsageError(f"{text!r} cannot be a slug: lower case letters a-z, digits and dashes inside.")
    if text in _RESERVED_SLUGS:
        raise UsageError(f"{text!r} cannot be a slug: the word is reserved.", hint="Choose another one.")
    return Slug(text)
