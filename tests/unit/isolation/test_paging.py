"""A list is read to its end in the ways in which services give pages, and where that cannot be told it is said."""

import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from capliquify_ops.http_client import Response
from capliquify_ops.isolation import paging
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.paging import NotShown, pages, rows_of
from capliquify_ops.isolation.probe import CannotTell


def service(answer):
    """A world whose service answers each query; what it was asked is kept."""
    asked = []

    def get(_, path):
        query = {name: int(value[0]) for name, value in parse_qs(urlsplit(path).query).items()}
        asked.append(query)
        status, rows = answer(**query)
        body = json.dumps({"success": status < 300, "data": {"total": 1, "rows": [{"id": row} for row in rows]}}).encode()
        return Exchange(Call("GET", path), Response("GET", path, status, {}, body), frozenset(), ())

    return SimpleNamespace(get=get, asked=asked)


def ids(world):
    """The ids of all rows, in order of their first showing; the error that ends the list, if any."""
    found, error = [], None
    try:
        for page in pages(world, "a.owner", "/rows"):
            found += [row["id"] for row in rows_of(page.data) if row["id"] not in found]
    except CannotTell as raised:
        error = raised
    return found, error


def of(size, *, most=100, style="offset", by_default=50):
    """A list of so many rows, in pages of at most so many, that takes an offset, a page, both, or neither."""

    def answer(limit=None, offset=0, page=1):
        count = min(limit or by_default, most)
        start = {"offset": offset, "page": (page - 1) * count, "neither": 0}[style]
        return 200, range(start, min(start + count, size))

    return answer


@pytest.mark.parametrize("style", ["offset", "page"])
@pytest.mark.parametrize("most", [20, 50, 100])
@pytest.mark.parametrize("size", [0, 1, 19, 20, 21, 100, 101, 250, 300])
def test_every_row_is_shown(size, most, style):
    """By offset or by page, in pages as large as asked for or smaller, up to a full last page: all rows, each once."""
    found, error = ids(service(of(size, most=most, style=style)))
    assert found == list(range(size))
    assert error is None


def test_short_lists_are_asked_for_once():
    """A list that fits on the smallest page, and one that is not cut at all, need no second request."""
    for size, most in ((19, 100), (140, 1000)):
        world = service(lambda limit, size=size, most=most: (200, range(size if most > size > limit else min(limit, size))))
        assert len(ids(world)[0]) == size
        assert len(world.asked) == 1


def test_a_full_page_without_a_next_one():
    """A service that takes neither offset nor page shows its first rows only: that is said, unless the page is not full."""
    found, error = ids(service(of(250, style="neither")))
    assert len(found) == 100
    assert "neither offset nor page" in str(error)
    assert ids(service(of(99, style="neither"))) == (list(range(99)), None)


def test_a_parameter_that_is_refused():
    """A service that refuses an offset is asked by page, and one that refuses both is believed where its page is not full."""

    def by_page(limit, page=1, offset=None):
        return (400, ()) if offset is not None else of(250, style="page")(limit=limit, page=page)

    assert ids(service(by_page)) == (list(range(250)), None)
    assert ids(service(lambda limit, **more: (400, ()) if more else (200, range(30)))) == (list(range(30)), None)


def test_a_list_without_end(monkeypatch):
    """After the most pages the list is left, and how many rows were looked at is said."""
    monkeypatch.setattr(paging, "MOST_PAGES", 4)
    found, error = ids(service(of(100_000)))
    assert len(found) == 400
    assert "more than 4 pages; 400 rows" in str(error)
    assert ids(service(of(399))) == (list(range(399)), None)


def test_a_list_that_is_not_shown():
    """A refusal is one, and an error of the service is none; one that comes half-way is not the end of the list."""
    assert isinstance(ids(service(lambda **_: (403, ())))[1], NotShown)
    failed = ids(service(lambda **_: (500, ())))[1]
    assert failed is not None
    assert not isinstance(failed, NotShown)

    def breaks(limit, offset=0, page=1):
        return (500, ()) if offset >= 200 else of(500)(limit=limit, offset=offset)

    found, error = ids(service(breaks))
    assert (len(found), "500" in str(error)) == (200, True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([{"id": 1, "product": {"id": 9}}, {"id": 2}], [1, 2]),
        ({"total": 2, "errors": [], "items": [{"id": 1, "tags": [{"id": 7}]}]}, [1]),
        ({"page": {"edges": [{"node": {"id": 4}, "cursor": "x"}]}}, [4]),
        ({"id": 1}, []),
        (None, []),
        (["a", "b"], []),
    ],
)
def test_rows_are_those_of_the_list_itself(data, expected):
    """What a row holds or refers to is no row of the list."""
    assert [row["id"] for row in rows_of(data)] == expected
