"""Suppressions of the configuration: whole, dated, known, or refused with file and reason."""

from datetime import date

import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.model.errors import ConfigurationInvalid

GOOD = {"id": '"some_check:view x"', "owner": '"platform"', "reason": '"goes with 42"', "expires": "2027-01-31"}


def load(tmp_path, *rows):
    file = tmp_path / "capliquify-ops.toml"
    lines = [line for row in rows for line in ("[[suppressions]]", *(f"{key} = {value}" for key, value in row.items()))]
    file.write_text("\n".join(lines))
    return load_settings(file, environment={}).suppressions


def test_a_suppression_is_read(tmp_path):
    """Id, owner, reason and last day; the day may be a date of TOML or text."""
    for day in ("2027-01-31", '"2027-01-31"'):
        [found] = load(tmp_path, GOOD | {"expires": day})
        assert (found.id, found.owner, found.reason, found.expires) == (
            "some_check:view x",
            "platform",
            "goes with 42",
            date(2027, 1, 31),
        )
    assert load(tmp_path) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *(({key: '" "'}, f"suppression 1 has no {key}") for key in ("id", "owner", "reason")),
        ({"owner": "1"}, "has no owner"),
        ({"expires": '"never"'}, "expires must be a date"),
        ({"expires": "2027-01-31T10:00:00"}, "expires must be a date"),
        ({"expires": "1"}, "expires must be a date"),
        ({"until": '"x"'}, "unknown key 'until'"),
    ],
)
def test_what_is_missing_or_unknown_is_refused(tmp_path, change, says):
    """Nobody suppresses without a name, a reason and an end."""
    with pytest.raises(ConfigurationInvalid, match=says):
        load(tmp_path, GOOD | change)


def test_each_key_must_be_there(tmp_path):
    """A row that lacks any of the four is refused, and so is one finding suppressed twice."""
    for key in GOOD:
        with pytest.raises(ConfigurationInvalid):
            load(tmp_path, {name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(ConfigurationInvalid, match="suppressed twice"):
        load(tmp_path, GOOD, GOOD)
