"""The sign-off sheet as planned: packaged in boxes.toml, never derived from what a test run happened to collect."""

import tomllib
from functools import cache
from importlib import resources

from capliquify_ops.model.decision import Box
from capliquify_ops.model.names import check_id


@cache
def load_boxes() -> tuple[Box, ...]:
    """Return the boxes in the order of the sheet. Raises ValueError for a measured box without checks."""
    text = resources.files("capliquify_ops.signoff").joinpath("boxes.toml").read_text(encoding="utf-8")
    boxes = tuple(
        Box(row["id"], row["title"], tuple(check_id(name) for name in row.get("checks", [])), row.get("measured", True))
        for row in tomllib.loads(text)["box"]
    )
    empty = [box.id for box in boxes if box.measured and not box.checks]
    if empty:
        raise ValueError(f"boxes without checks could never be judged: {empty}")
    return boxes


def box_of(check: str) -> str | None:
    """Return the id of the box that needs a check, None for a check that no box plans."""
    return next((box.id for box in load_boxes() if check in box.checks), None)
