"""What a connection string says, without its password."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import MASK, Secret

_HIDDEN = ("password", "sslpassword", "passfile", "sslkey")


def parts(url: Secret) -> dict[str, str]:
    """Return the parts of a connection string as libpq reads them, environment not included."""
    try:
        parsed = conninfo_to_dict(url.reveal())
    except (psycopg.Error, UnicodeError):
        message = "A database URL is not a connection string that libpq can read."
        raise ConfigurationInvalid(message, hint="Expected: postgresql://user@host:port/database") from None
    found = {key: str(value) for key, value in parsed.items() if value is not None}
    if _is_misread(found):
        raise ConfigurationInvalid(
            "A database URL cannot be read without guessing where its password ends.",
            hint="Percent-encode the password: / as %2F, @ as %40, ? as %3F, # as %23.",
        )
    return found


def _is_misread(found: dict[str, str]) -> bool:
    """Whether parts of an unescaped password stand where host, port or database belong: shown to people, they would leak it."""
    ports = [port for port in found.get("port", "").split(",") if port]
    names = (found.get("host", "")[1:], found.get("dbname", ""))
    return not all(port.isdecimal() for port in ports) or any("@" in name for name in names) or "/" in found.get("dbname", "")


_WHERE = ("host", "hostaddr", "port", "dbname")


def reached(url: Secret) -> dict[str, str]:
    """Return where libpq connects to: what the string leaves open, the environment decides (PGHOST, PGHOSTADDR, PGSERVICE)."""
    usual = {option.keyword.decode(): (option.val or b"").decode("utf-8", "replace") for option in Conninfo.get_defaults()}
    given = parts(url)
    found = {key: given.get(key) or usual.get(key, "") for key in _WHERE}
    return {key: value for key, value in found.items() if value}


def address_of(url: Secret) -> str:
    """Return `host:port/database` for people; never a user's secret."""
    found = reached(url)
    host = found.get("host") or found.get("hostaddr") or "localhost"
    return f"{host}:{found.get('port', '5432')}/{found.get('dbname', '')}"


def masked(url: Secret) -> str:
    """Return the connection string with each secret part masked."""
    found = parts(url)
    return make_conninfo("", **{key: MASK if key in _HIDDEN else value for key, value in found.items()})


def secret_parts(url: Secret | None) -> list[str]:
    """Return every text of a connection string that must never be written anywhere: the whole and its password."""
    if url is None:
        return []
    found = parts(url)
    return [url.reveal(), *(found[key] for key in ("password", "sslpassword") if key in found)]


def program_arguments(url: Secret) -> tuple[list[str], dict[str, str]]:
    """Return how to give a connection to one of PostgreSQL's programs: arguments that anybody may read, and the environment."""
    found = parts(url)
    hidden = {"PGPASSWORD": found["password"]} if "password" in found else {}
    shown = make_conninfo("", **{key: value for key, value in found.items() if key not in {"password", "sslpassword"}})
    return [f"--dbname={shown}"], {"PGCONNECT_TIMEOUT": "10", "LC_ALL": "C", **hidden}
