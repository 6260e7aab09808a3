"""Names that are parsed once, where they enter, and then trusted."""

import re
import unicodedata
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

_SQL_RESERVED = (
    "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create current_catalog"
    " current_date current_role current_time current_timestamp current_user default deferrable desc distinct do else end except"
    " false fetch for foreign from grant group having in initially intersect into lateral leading limit localtime localtimestamp"
    " not null offset on only or order placing primary references returning select session_user some symmetric system_user table"
    " then to trailing true union unique user using variadic when where window with"
)
"""What pg_get_keywords() calls reserved, in every supported version."""
_SQL_WORDS = frozenset(_SQL_RESERVED.split())


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
        message = f"{text[:80]!r} cannot be a schema name: 1 to {IDENTIFIER_BYTES} bytes without NUL ({size} given)."
        raise UsageError(message, hint="Choose another one, or none: it then follows from the id.")
    if text.startswith("pg_") or text in {"information_schema", "public"}:
        raise UsageError(f"{text!r} cannot be a tenant's schema: the name is reserved.", hint="Choose another one.")
    return SchemaName(text)


def slug(text: str) -> Slug:
    """Parse a new tenant's slug: lower case ASCII, digits and inner dashes, at most 50, no word that PostgreSQL or we reserve."""
    if len(text) > SLUG_LENGTH:
        raise UsageError(f"The slug has {len(text)} characters; the limit is {SLUG_LENGTH}.", hint="Choose a shorter one.")
    if text.lower().startswith(("pg-", "pg_")):
        raise UsageError(f"{text!r} cannot be a slug: PostgreSQL keeps names with pg for itself.", hint="Choose another one.")
    if not _SLUG.fullmatch(text):
        message = f"{text!r} cannot be a slug: {_stranger(text)}."
        raise UsageError(message, hint="Lower case letters a-z, digits and dashes inside.")
    if text in _RESERVED_SLUGS or text in _SQL_WORDS:
        raise UsageError(f"{text!r} cannot be a slug: the word is reserved.", hint="Choose another one.")
    return Slug(text)


def storable(text: str) -> str:
    """Refuse text that PostgreSQL cannot store: NUL, or bytes that are no character."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"{text[:80]!r} cannot be stored: it holds NUL or bytes that are not UTF-8.", hint="Type it again.")
    return text


def _stranger(text: str) -> str:
    """Name what does not belong: a Cyrillic letter looks like a Latin one."""
    found = next((one for one in text if not re.fullmatch("[a-z0-9-]", one)), None)
    if found is None:
        return "it is empty" if not text else "a dash stands at its start or end"
    return f"it holds {found!r} ({unicodedata.name(found, f'U+{ord(found):04X}').lower()})"
