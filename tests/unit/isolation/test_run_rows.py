"""What tells the rows of an audit's run from all others, and in which order they go."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from capliquify_ops.configuration import Route
from capliquify_ops.isolation import run_removal
from capliquify_ops.isolation.bodies import body
from capliquify_ops.isolation.canary import RUN, TOKEN_BYTES, WORDS, carries, code_for, mint
from capliquify_ops.isolation.run_rows import RunRow, Search, _depth, _is_of_run, _own

RUN_ID, OTHER_RUN = "r0123456789", "r012345678a"
WORD = mint(RUN_ID, "a", "x", bytes(range(TOKEN_BYTES))).token
SALES = Route(
    "sales", "/sales", "tenant", ("GET", "POST"), "viewer", "", {"product_id": "@products", "note": "text"}, "collection"
)
USERS = replace(SALES, name="users", fields={}, surface="users")


def test_a_secret_word_carries_its_run_and_all_of_its_noise():
    """The run is at the start, the rest differs with every bit of the noise, and an address of e-mail holds the whole."""
    assert WORD.startswith(f"canary{RUN_ID}")
    words = {mint(RUN_ID, "a", "x", (1 << bit).to_bytes(TOKEN_BYTES)).token for bit in range(TOKEN_BYTES * 8)}
    assert len(words) == TOKEN_BYTES * 8
    assert {len(word) for word in words} == {len(WORD)}
    assert WORD.isalnum()
    assert WORD.lower() == WORD
    assert len(f"Audit {WORD}") <= 50
    assert WORDS.sub("", f"Audit {WORD}, {code_for(WORD)}, {code_for('other')}.") == "Audit , , ."


def test_a_code_carries_the_run_of_its_word():
    """Codes are as long as they were without a run, differ from word to word, and hold nothing of the word's noise."""
    code = code_for(WORD)
    assert code.startswith(f"{RUN_ID}-")
    assert len(code) == len(code_for("without a run"))
    assert code != code_for(mint(RUN_ID, "a", "x", bytes(TOKEN_BYTES)).token)
    route = replace(SALES, fields={"code": "unique", "mail": "email", "note": "text"})
    assert all(carries(RUN_ID, value) for value in body(route, WORD, 1, str).values())


@pytest.mark.parametrize("value", [WORD, f"<p>Audit {WORD}</p>", WORD.upper(), WORD[:20], code_for(WORD), f"{WORD}@example.com"])
def test_what_carries_a_run(value):
    """A word in whatever stands around it, cut short or in capitals, and a code; of this run only."""
    assert carries(RUN_ID, value)
    assert not carries(OTHER_RUN, value)


@pytest.mark.parametrize(
    "value", ["", None, 1, RUN_ID, f"see {RUN_ID}", f"{RUN_ID}-report", f"x {code_for(WORD)}", "canary", "canary r0"]
)
def test_what_does_not(value):
    """Texts of customers that name the run, or speak of canaries."""
    assert not carries(RUN_ID, value)


def test_ids_of_runs_are_of_one_length():
    """No id of a run is the beginning of another one's."""
    assert RUN.fullmatch(RUN_ID)
    assert not any(RUN.fullmatch(text) for text in (RUN_ID[:-1], f"{RUN_ID}0", f"{RUN_ID}load", "", "R0123456789"))


def test_a_row_is_of_the_run_by_itself_or_by_what_it_names():
    """A row without any text is known by the row that it names; one that only shows another row is not of the run."""
    known = {"products": {"7"}}
    assert _is_of_run(RUN_ID, SALES, {"id": 1, "note": {"en": [f"Audit {WORD}"]}}, known)
    assert _is_of_run(RUN_ID, SALES, {"id": 1, "product_id": 7}, known)
    assert not _is_of_run(RUN_ID, SALES, {"id": 7, "product_id": 8, "quantity": 7}, known)
    assert not _is_of_run(RUN_ID, SALES, {"id": 1, "product": {"id": 7, "name": WORD}, "notes": [{"id": 3, "body": WORD}]}, known)


def test_a_user_is_of_the_run_by_name_and_not_by_what_stands_in_the_profile():
    """A customer's user into whose profile a faulty service wrote a secret is not deleted."""
    for value in (
        f"user_{RUN_ID}_a_owner",
        f"user_{RUN_ID}_a_new3@example.com",
        f"user_{RUN_ID}_b_member+clerk_test@example.com",
    ):
        assert _is_of_run(RUN_ID, USERS, {"id": 1, "email": value}, {})
    for value in (f"Audit {WORD}", f"user_{OTHER_RUN}_a_owner", f"not user_{RUN_ID}_a_owner", f"user_{RUN_ID}@example.com"):
        assert not _is_of_run(RUN_ID, USERS, {"id": 1, "full_name": value}, {})


def test_the_values_of_a_row():
    """Members of its own at any depth, and nothing of other rows."""
    row = {"id": 1, "a": {"b": [2, {"c": 3}]}, "other": {"id": 4, "d": 5}, "others": [{"id": 6}]}
    assert list(_own(row)) == [1, 2, 3]


def test_rows_that_name_others_go_first(monkeypatch):
    """A service that refuses to delete what something hangs on is asked in the right order; each row once, whatever it answers."""
    products, notes = (
        replace(SALES, name="products", fields={}),
        replace(SALES, name="notes", fields={"sale": "@sales", "of": "@notes"}),
    )
    profile = SimpleNamespace(routes={route.name: route for route in (products, SALES, notes)})
    depths = {name: _depth(SimpleNamespace(profile=profile), route) for name, route in profile.routes.items()}
    assert depths == {"products": 1, "sales": 2, "notes": 3}
    rows = [RunRow("a", name, "1", f"/{name}/1", depth) for name, depth in depths.items()]
    asked = []

    def send(call):
        asked.append(call.path)
        return SimpleNamespace(status=500, code="")

    tenants = {"a": SimpleNamespace(slug="acme")}
    world = SimpleNamespace(send=send, person=lambda _: None, tenants=tenants, profile=profile, run=RUN_ID)
    monkeypatch.setattr(run_removal, "find_rows", lambda _: Search(rows))
    assert len(run_removal.remove_rows(world).leftovers) == 3
    assert asked == ["/notes/1", "/sales/1", "/products/1"]
