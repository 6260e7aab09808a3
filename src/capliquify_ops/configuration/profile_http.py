"""How a profile's requests are addressed and written: a tenant's name in the host or the path, the form of a body."""

import string
from collections.abc import Mapping

from capliquify_ops.model.errors import ConfigurationInvalid

NAMES = ("slug", "organization", "id", "schema")
"""What a template may name a tenant by."""
BODIES = ("json", "form")


def tenant_host(http: Mapping[str, object], where: str) -> str:
    """Return the template of the host's name, "" without one. Raises ConfigurationInvalid."""
    found = _template(http, "tenant_host", where)
    if set("/?#@ ") & set(found):
        raise ConfigurationInvalid(f"{where}: http.tenant_host must be a name of a host.", hint=_LIKE["tenant_host"])
    return found


def tenant_path(http: Mapping[str, object], where: str) -> str:
    """Return the template of the path's prefix, "" without one. Raises ConfigurationInvalid."""
    found = _template(http, "tenant_path", where)
    if found and (not found.startswith("/") or found.endswith("/") or set("?# ") & set(found)):
        raise ConfigurationInvalid(f"{where}: http.tenant_path must start with / and not end with it.", hint=_LIKE["tenant_path"])
    return found


def body(http: Mapping[str, object], where: str) -> str:
    """Return how bodies are written. Raises ConfigurationInvalid."""
    found = str(http.get("body", BODIES[0]))
    if found not in BODIES:
        raise ConfigurationInvalid(f"{where}: http.body must be {' or '.join(BODIES)}.")
    return found


_LIKE = {"tenant_host": 'For example "{slug}.app.example.com".', "tenant_path": 'For example "/t/{slug}".'}


def _template(http: Mapping[str, object], key: str, where: str) -> str:
    value = http.get(key, "")
    try:
        named = [] if not isinstance(value, str) else [row[1:] for row in string.Formatter().parse(value) if row[1] is not None]
    except ValueError:
        named = []
    known = all(name in NAMES and not form and not change for name, form, change in named)
    if not isinstance(value, str) or (value and (not named or not known)):
        names = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ConfigurationInvalid(f"{where}: http.{key} must be a text that holds one of {names}.", hint=_LIKE[key])
    return value
