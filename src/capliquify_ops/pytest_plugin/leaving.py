"""The end of a pytest run by a user's mistake: a sentence and the command's exit code."""

from typing import NoReturn

import pytest

from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import OpsError


def leave(error: OpsError) -> NoReturn:
    """End pytest with a sentence instead of a traceback."""
    raise pytest.exit.Exception(Redactor().text(str(error)), returncode=error.exit_code) from None
