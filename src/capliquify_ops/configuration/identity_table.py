"""One [targets.NAME.identity] table: which provider, and whether its options are the ones it has."""

from collections.abc import Callable, Mapping
from pathlib import Path

from capliquify_ops.configuration.nearest import nearest, unknown
from capliquify_ops.configuration.secret_file import require_file_name
from capliquify_ops.configuration.secret_setting import read_secret, spellings
from capliquify_ops.configuration.target import Identity
from capliquify_ops.model.errors import ConfigurationInvalid

PROVIDERS = ("clerk", "jwt", "command", "static")
ROLES = ("owner", "admin", "member", "viewer")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_table_of_roles(value: object) -> bool:
    return isinstance(value, dict) and all(name in ROLES and _is_text(role) for name, role in value.items())


_TEXT, _TEXTS = (_is_text, "a text"), (_is_texts, "a list of texts")
_TABLE, _TOKENS = (_is_table, "a table"), (_is_table_of_texts, "a table of user id = token")
_ROLES = (_is_table_of_roles, f"a table of role = the provider's role, for {', '.join(ROLES)}")
_OPTIONS: Mapping[str, Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "command": {"command": _TEXTS},
    "static": {"tokens": _TOKENS},
    "jwt": {
        **dict.fromkeys(("key_file", "algorithm", "key_id", "issuer", "authorized_party"), _TEXT),
        "claims": _TABLE,
    },
    "clerk": {"base_url": _TEXT, "platform_admin": _TEXT, "roles": _ROLES},
}
_NEEDED = {"command": "command", "static": "tokens", "jwt": "key_file"}
_SECRETS = {"clerk": ("secret_key", "foreign_secret_key")}


def parse_identity(row: object, at: str, folder: Path, env: Mapping[str, str]) -> Identity:
    """Parse an identity table. Relative files are relative to the configuration file. Raises ConfigurationInvalid.

    A secret that is not here stops only who needs tokens: the option `missing` says which.
    """
    if not isinstance(row, dict):
        raise ConfigurationInvalid(f"{at} must be a table.")
    provider = row.get("provider", "")
    if row and provider not in PROVIDERS:
        raise ConfigurationInvalid(f"{at}: provider {provider!r} is unknown.", hint=nearest(str(provider), PROVIDERS))
    options = {key: value for key, value in row.items() if key != "provider"}
    secrets = _secrets(str(provider), options, at, folder, env)
    if provider in _OPTIONS:
        _require_known(str(provider), options, at)
    if "key_file" in options:
        require_file_name(str(options["key_file"]), f"{at}.key_file")
        options["key_file"] = str(folder / str(options["key_file"]))
    return Identity(str(provider), options | secrets)


def _secrets(provider: str, options: dict[str, object], at: str, folder: Path, env: Mapping[str, str]) -> dict[str, object]:
    """Take the secrets out of the options and read them."""
    names = _SECRETS.get(provider, ())
    given = {key: options.pop(key) for key in spellings(names) if key in options}
    read = {name: read_secret(given, name, at, folder, env) for name in names}
    if names and not any(key.startswith(names[0]) for key in given):
        raise ConfigurationInvalid(f"{at}: provider {provider!r} needs {names[0]}_env, the name of a variable.")
    found: dict[str, object] = {name: secret for name, (secret, _) in read.items() if secret is not None}
    missing = " ".join(why for _, why in read.values() if why)
    return found | ({"missing": missing} if missing else {})


def _require_known(provider: str, options: Mapping[str, object], at: str) -> None:
    known = _OPTIONS[provider]
    for key, value in options.items():
        if key not in known:
            raise unknown("key", key, known.keys() | spellings(_SECRETS.get(provider, ())), at)
        fits, what = known[key]
        if not fits(value):
            raise ConfigurationInvalid(f"{at}.{key} must be {what}.")
    needed = _NEEDED.get(provider, "")
    if needed and needed not in options:
        raise ConfigurationInvalid(f"{at}: provider {provider!r} needs {needed}, {known[needed][1]}.")
