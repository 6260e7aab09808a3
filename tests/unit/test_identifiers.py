"""Names in SQL: quoted whatever they hold, scripts never half filled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from capliquify_ops.database import fill, identifier, qualified
from capliquify_ops.model.errors import UsageError

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=63)


@given(NAMES)
def test_any_name_is_one_identifier(name):
    """Whatever a name holds, it becomes one quoted identifier whose inner quotes are doubled."""
    text = identifier(name).as_string(None)
    assert text == '"' + name.replace('"', '""') + '"'
    assert qualified(name, name).as_string(None) == f"{text}.{text}"


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_cannot_be_a_name_is_refused(name):
    """An empty name and one with NUL are refused before they reach the server."""
    with pytest.raises(UsageError):
        identifier(name)


@given(NAMES)
def test_scripts_are_filled(name):
    """Identifier and literal variables are replaced with proper quoting, everything else stays."""
    filled = fill("""GRANT :"role" TO x; SELECT :'role', '{"a":"b"}'::jsonb, c::"char", 'x:y';""", {"role": name}).as_string(None)
    expected = sql.SQL("""GRANT {} TO x; SELECT {}, '{{"a":"b"}}'::jsonb, c::"char", 'x:y';""")
    assert filled == expected.format(sql.Identifier(name), sql.Literal(name)).as_string(None)


def test_a_missing_value_is_refused():
    """A script with a variable that nobody gave never runs half filled."""
    with pytest.raises(UsageError, match="owner"):
        fill('SET ROLE :"owner"', {"role": "x"})
