"""Names are parsed once, where they enter; findings cannot claim what was not looked at."""

import dataclasses
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.model import names
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.outcome import Outcome


@pytest.mark.parametrize("text", ["acme", "a", "a-b-c", "x" * 50, "7seas"])
def test_good_slugs(text):
    """Lower case letters, digits and inner dashes, up to 50, are a slug as they are."""
    assert names.slug(text) == text


@pytest.mark.parametrize(
    "text", ["", "Acme", "-a", "a-", "a b", "a_b", "x" * 51, "admin", "public", "аcme", "a\n", "a'b", 'a"b', "a\0b"]
)
def test_bad_slugs(text):
    """Quotes, upper case, look-alikes of other alphabets, reserved words, NUL, line ends and 51 characters are refused."""
    with pytest.raises(UsageError):
        names.slug(text)


@given(st.text())
def test_a_slug_is_safe_or_refused(text):
    """Whatever text: refused, or plain ASCII of at most 50 characters."""
    try:
        found = names.slug(text)
    except UsageError:
        return
    assert found.isascii()
    assert 1 <= len(found) <= 50
    assert found == found.lower().strip()


@given(st.text())
def test_a_schema_name_is_stored_unchanged_or_refused(text):
    """A schema name is 1 to 63 bytes, without NUL, and not one that PostgreSQL keeps for itself."""
    try:
        found = names.schema_name(text)
    except UsageError:
        return
    assert 1 <= len(found.encode("utf-8", "surrogatepass")) <= 63
    assert "\0" not in found
    assert not found.startswith("pg_")


def test_a_schema_name_is_counted_in_bytes():
    """63 bytes, not 63 characters."""
    assert names.schema_name("ä" * 31)
    with pytest.raises(UsageError, match="64 given"):
        names.schema_name("ä" * 32)


def test_a_schema_name_in_the_place_of_an_id_is_named():
    """The runbook's mistake, a schema name where an id is wanted, is recognised."""
    with pytest.raises(UsageError, match="looks like a schema name"):
        names.tenant_id("tenant_xyz")
    assert names.tenant_id(str(uuid.UUID(int=1))) == uuid.UUID(int=1)


@pytest.mark.parametrize("text", ["", "A", "1a", "a__b", "a-b", "_a", "a_"])
def test_bad_check_ids(text):
    """A check id is lower case words joined by single underscores."""
    with pytest.raises(UsageError):
        names.check_id(text)


def test_a_healthy_finding_has_examined_something(finding):
    """A healthy finding that examined nothing cannot be made; an inconclusive one can."""
    with pytest.raises(ValueError, match="examined"):
        finding(examined=0)
    assert finding(examined=0, outcome=Outcome.INCONCLUSIVE).examined == 0


def test_a_finding_says_why(finding):
    """A finding without a sentence cannot be made, and none can be changed afterwards."""
    with pytest.raises(ValueError, match="why"):
        finding(why="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding().why = "other"
