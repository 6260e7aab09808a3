"""The files that `load run --out` keeps: whether they can be written, asked before a load, and writing them after it."""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from capliquify_ops.configuration import Limits
from capliquify_ops.load import LoadRun, histogram_log, raw_document
from capliquify_ops.load.mixed_load import limits_of_kinds
from capliquify_ops.model.errors import ConfigurationInvalid, EvidenceUnwritable


def require_writable(folder: Path) -> None:
    """Make the folder and try it. Raises EvidenceUnwritable, and ConfigurationInvalid without `hdrhistogram`."""
    if find_spec("hdrh") is None:
        raise ConfigurationInvalid("hdrhistogram is not installed.", hint="Run: pip install 'capliquify-ops[load]'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_run(folder: Path, result: LoadRun, limits: Limits) -> None:
    """Write raw.json and latency.hlog. Raises EvidenceUnwritable."""
    try:
        (folder / "raw.json").write_bytes(_document(result, limits))
        (folder / "latency.hlog").write_bytes(histogram_log(result))
    except OSError as error:
        raise _unwritable(folder, error) from None


def _document(result: LoadRun, limits: Limits) -> bytes:
    if result.is_mixed:
        return raw_document(result, limits["mixed_p95_ms"], limits_of_kinds(limits))
    return raw_document(result, limits["load_p95_ms"])


def _unwritable(folder: Path, error: OSError) -> EvidenceUnwritable:
    return EvidenceUnwritable(f"{folder} cannot be written to: {error.strerror}.", hint="Give --out another folder.")
