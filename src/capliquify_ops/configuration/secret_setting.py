"""A secret of the configuration: as itself, in a variable of the environment, or in a file."""

import re
from collections.abc import Mapping
from pathlib import Path

from capliquify_ops.configuration.secret_file import read_secret_file, require_file_name
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret

SUFFIXES = ("", "_env", "_file")
_USUAL = re.compile(r"[A-Z_][A-Z0-9_]{0,79}")


def spellings(keys: tuple[str, ...]) -> frozenset[str]:
    """Return the keys by which these secrets may be given."""
    return frozenset(f"{key}{suffix}" for key in keys for suffix in SUFFIXES)


def read_secret(row: Mapping[str, object], key: str, at: str, folder: Path, env: Mapping[str, str]) -> tuple[Secret | None, str]:
    """Return a secret, or why it is not here (variable, file): only who needs it is stopped by that.

    Raises ConfigurationInvalid for one that is given twice, or is no text.
    """
    given = [suffix for suffix in SUFFIXES if f"{key}{suffix}" in row]
    if not given:
        return None, ""
    if len(given) > 1:
        raise ConfigurationInvalid(f"{at} gives {key} twice.", hint=f"Keep one of {key}, {key}_env, {key}_file.")
    value, named = row[f"{key}{given[0]}"], f"{at}.{key}{given[0]}"
    if not isinstance(value, str):
        raise ConfigurationInvalid(f"{named} must be text.")
    if given[0] == "_env":
        return _from_variable(value, named, env)
    if given[0] == "_file":
        return _from_file(value, named, folder)
    return Secret(value), ""


def _from_variable(name: str, at: str, env: Mapping[str, str]) -> tuple[Secret | None, str]:
    if not name.isidentifier():
        hint = f"For the value itself: {at.rpartition('.')[2].removesuffix('_env')}."
        raise ConfigurationInvalid(f"{at} must be the name of a variable.", hint=hint)
    if not env.get(name):
        # The secret itself may stand in the place of a name by mistake: only what looks like a name is repeated.
        which = f"the variable {name!r}, which" if _USUAL.fullmatch(name) else "a variable (not shown, it may be the secret) that"
        return None, f"{at} names {which} is not set."
    return Secret(env[name]), ""


def _from_file(name: str, at: str, folder: Path) -> tuple[Secret | None, str]:
    require_file_name(name, at)
    try:
        return Secret(read_secret_file(folder / name, at)), ""
    except ConfigurationInvalid as error:
        return None, str(error)
