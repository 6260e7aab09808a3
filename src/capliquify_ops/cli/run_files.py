"""The files of `load run --out` and `load capacity --out`: whether they can be written, asked before a load, and writing them."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from capliquify_ops.configuration import Limits
from capliquify_ops.load import LoadRun, histogram_log, raw_document
from capliquify_ops.load.capacity_search import Capacity, Step
from capliquify_ops.load.mixed_load import limits_of_kinds
from capliquify_ops.model.errors import ConfigurationInvalid, EvidenceUnwritable
from capliquify_ops.rendering.capacity_svg import Rate, capacity_curve


def require_histograms() -> None:
    """Raise ConfigurationInvalid without `hdrhistogram`."""
    if find_spec("hdrh") is None:
        raise ConfigurationInvalid("hdrhistogram is not installed.", hint="Run: pip install 'capliquify-ops[load]'")


def require_writable(folder: Path) -> None:
    """Make the folder and try it. Raises EvidenceUnwritable."""
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


def write_capacity(folder: Path, found: Capacity, limits: Limits) -> None:
    """Write capacity.json and capacity.svg. Raises EvidenceUnwritable."""
    rows = [Rate(each.rate, _ms(each, "p50_ms"), _ms(each, "p95_ms"), each.held) for each in found.steps if each.figures]
    curve = capacity_curve(rows, found.highest, "capacity", limits.number("load_p95_ms"))
    try:
        (folder / "capacity.json").write_text(json.dumps(capacity_document(found), indent=1) + "\n", encoding="utf-8")
        (folder / "capacity.svg").write_text(curve + "\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None


def capacity_document(found: Capacity) -> Mapping[str, object]:
    """Return what was found as plain values."""
    steps = [
        {name: getattr(each, name) for name in ("rate", "held", "broke", "why", "limited_by")} | {"measured": dict(each.figures)}
        for each in found.steps
    ]
    return {"highest_per_s": found.highest, "knee_per_s": found.knee, "ended_by": found.ended_by, "steps": steps}


def _ms(step: Step, key: str) -> float:
    return float(step.figures.get(key, 0))


def _document(result: LoadRun, limits: Limits) -> bytes:
    if result.is_mixed:
        return raw_document(result, limits["mixed_p95_ms"], limits_of_kinds(limits))
    return raw_document(result, limits["load_p95_ms"])


def _unwritable(folder: Path, error: OSError) -> EvidenceUnwritable:
    return EvidenceUnwritable(f"{folder} cannot be written to: {error.strerror}.", hint="Give --out another folder.")
