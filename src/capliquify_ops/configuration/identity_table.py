"""One [targets.NAME.identity] table: which provider, and whether its options are the ones it has."""

from collections.abc import Callable, Mapping
from pathlib import Path

from capliquify_ops.configuration.nearest import nearest, unknown
from capliquify_ops.configuration.secret_file import require_file_name
from capliquify_ops.configuration.target import Identity
from capliquify_ops.model.errors import ConfigurationInvalid

PROVIDERS = ("clerk", "jwt", "command", "static")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_TEXT, _TEXTS = (_is_text, "a text"), (_is_texts, "a list of texts")
_TABLE, _TOKENS = (_is_table, "a table"), (_is_table_of_texts, "a table of user id = token")
_OPTIONS: Mapping[str, Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "command": {"command": _TEXTS},
    "static": {"tokens": _TOKENS},
    "jwt": {
        **dict.fromkeys(("key_file", "algorithm", "key_id", "issuer", "authorized_party"), _TEXT),
        "claims": _TABLE,
    },
}
_NEEDED = {"command": "command", "static": "tokens", "jwt": "key_file"}


def parse_identity(row: object, at: str, folder: Path) -> Identity:
    """Parse an identity table. Relative files are relative to the configuration file. Raises ConfigurationInvalid."""
    if not isinstance(row, dict):
        raise ConfigurationInvalid(f"{at} must be a table.")
    provider = row.get("provider", "")
    if row and provider not in PROVIDERS:
        raise ConfigurationInvalid(f"{at}: provider {provider!r} is unknown.", hint=nearest(str(provider), PROVIDERS))
    options = {key: value for key, value in row.items() if key != "provider"}
    if provider in _OPTIONS:
        _require_known(provider, options, at)
    if "key_file" in options:
        require_file_name(str(options["key_file"]), f"{at}.key_file")
        options["key_file"] = str(folder / str(options["key_file"]))
    return Identity(str(provider), options)


def _require_known(provider: str, options: Mapping[str, object], at: str) -> None:
    known = _OPTIONS[provider]
    for key, value in options.items():
        if key not in known:
            raise unknown("key", key, known, at)
        fits, what = known[key]
        if not fits(value):
            raise ConfigurationInvalid(f"{at}.{key} must be {what}.")
    needed = _NEEDED[provider]
    if needed not in options:
        raise ConfigurationInvalid(f"{at}: provider {provider!r} needs {needed}, {known[needed][1]}.")
