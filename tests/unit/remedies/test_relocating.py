"""A definition of one schema as another's: what changes, what does not, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.database import literal, quoted
from capliquify_ops.remedies.relocating import NamesTheSchemaError, relocated, settled

PLAIN, HOSTILE = "tenant_a", "T\"en'ant. 😀"
MOVED = {
    "ALTER TABLE tenant_a.products ADD COLUMN n int": 'ALTER TABLE "t b".products ADD COLUMN n int',
    'ALTER TABLE ONLY "tenant_a"."x" ADD FOREIGN KEY (a) REFERENCES tenant_a.tenant_a(a)': (
        'ALTER TABLE ONLY "t b"."x" ADD FOREIGN KEY (a) REFERENCES "t b".tenant_a(a)'
    ),
    "SET DEFAULT nextval('tenant_a.s'::regclass)": "SET DEFAULT nextval('\"t b\".s'::regclass)",
    "DEFAULT 'tenant_a'::text": "DEFAULT 'tenant_a'::text",
    "CHECK (tenant_ab.f(a) AND b.tenant_a.c > 0)": "CHECK (tenant_ab.f(a) AND b.tenant_a.c > 0)",
    " SET search_path TO 'tenant_a', 'pg_temp'\nAS $f$x$f$": " SET search_path TO 't b', 'pg_temp'\nAS $f$x$f$",
    " SET search_path TO 'x', 'tenant_a'": " SET search_path TO 'x', 't b'",
    r"DEFAULT E'it\'s tenant_a'": r"DEFAULT E'it\'s tenant_a'",
}


@pytest.mark.parametrize("before", list(MOVED))
def test_names_move_and_texts_do_not(before):
    """What qualifies a name is moved, in casts and paths too; a value, a longer name and a third part of a name are not."""
    assert relocated(before, PLAIN, "t b") == MOVED[before]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FUNCTION tenant_a.f() AS $function$SELECT * FROM tenant_a.t$function$",
        "AS $$EXECUTE 'tenant_a' || '.t'$$",
        "DEFAULT tenant_a.f('tenant_a.t'::text)",
        "CREATE TRIGGER x EXECUTE FUNCTION tenant_a.f('tenant_a.t')",
    ],
)
def test_a_text_that_names_the_schema_is_refused(text):
    """A body or a value that qualifies with the schema would go on meaning it from elsewhere."""
    with pytest.raises(NamesTheSchemaError):
        relocated(text, PLAIN, "b")


names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=12)


@given(names, names, names)
def test_any_name_moves_there_and_back(old, new, relation):
    """Whatever the names are, as SQL they come back as they were."""
    text = f"ALTER TABLE {quoted(old, relation)} ADD CHECK (f({literal(quoted(old, relation))}::regclass))"
    moved = relocated(text, old, new)
    assert moved == f"ALTER TABLE {quoted(new, relation)} ADD CHECK (f({literal(quoted(new, relation))}::regclass))"
    assert relocated(moved, new, old) == text


def test_a_neutral_path_is_neutral_whatever_the_quotes():
    """A plain name's and a hostile one's pinned functions are alike."""
    texts = {settled(f"f\n SET search_path TO {own}, 'pg_temp'\nAS", HOSTILE) for own in ("~", "~'", literal(HOSTILE))}
    assert texts == {"f\n SET search_path TO ~, 'pg_temp'\nAS"}
