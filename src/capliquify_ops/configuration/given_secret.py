"""A secret that a command is given for one use: in a file or in a variable, never as an argument that others can read."""

import os
from collections.abc import Mapping
from pathlib import Path

from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

_LONGEST = 128 * 1024
"""In bytes. No program is given a longer variable: Linux allows no more for one."""


def given_secret(file: Path | None, variable: str | None, environment: Mapping[str, str] | None = None) -> Secret | None:
    """Return the text of a file, without its last line break, or of a variable; None where neither is named.

    Raises UsageError, which repeats nothing of what was given: a secret may stand in the place of a name by mistake.
    """
    if file is not None and variable is not None:
        raise UsageError("The value is given twice.", hint="Keep one of --value-file and --value-env.")
    if variable is not None:
        found = (os.environ if environment is None else environment).get(variable, "")
        return _whole(found, "The variable that --value-env names is not set, or empty.")
    return None if file is None else _whole(_read(file), "The file that --value-file names is empty.")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST + 1)
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("The file that --value-file names is not UTF-8 text.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise UsageError(f"The file that --value-file names cannot be read: {why}.") from None
    if len(content) > _LONGEST:
        raise UsageError(f"The file that --value-file names is longer than {_LONGEST:,} bytes.")
    return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")


def _whole(text: str, empty: str) -> Secret:
    if not text:
        raise UsageError(empty, hint="An empty value is not set: remove the variable in Render's dashboard.")
    if "\0" in text:
        raise UsageError("The value holds a NUL, which no environment variable can.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError("The value holds bytes that are not UTF-8 text.")
    return Secret(text)
