"""Lists that are longer than one page, read to their end."""

from collections.abc import Iterator, Mapping, Sequence

from capliquify_ops.isolation.exchange import Exchange, objects
from capliquify_ops.isolation.probe import REFUSAL_STATUSES, CannotTell
from capliquify_ops.isolation.world_model import World

ROWS = 100
"""Asked for at once: more than one audit plants, and within what services with pages commonly allow."""
SHORTEST_PAGE = 20
"""A list of as many rows may have more than it shows: services allow pages of 20 at least."""
MOST_PAGES = 100
"""Of one list: 10,000 rows."""
WAYS = ("offset={rows}", "page={page}")
"""How services are asked for the next page."""


def is_further_page(path: str) -> bool:
    """Whether a path asks for a page beyond the first one, as `pages` does."""
    return any(f"&{way.partition('=')[0]}=" in path for way in WAYS)


class NotShown(CannotTell):
    """Something is refused to whoever asks to see it."""


def must_show(answer: Exchange) -> Exchange:
    """Return an answer that shows what was asked for. Raises NotShown for a refusal, CannotTell for any other one."""
    if not answer.is_success:
        kind = NotShown if answer.status in REFUSAL_STATUSES else CannotTell
        raise kind(f"{answer.call.line()} was answered {answer.status} {answer.code}".rstrip() + ", so nothing is seen.")
    return answer


def rows_of(data: object) -> list[Mapping[str, object]]:
    """Return the rows of a list's answer, and not what they hold or refer to: its outermost list of objects with an id."""
    level: Sequence[object] = [data]
    while level:
        for one in level:
            found = [next(objects(row), None) for row in one] if isinstance(one, list) else []
            if rows := [row for row in found if row is not None]:
                return rows
        level = [inner for one in level if isinstance(one, Mapping) for inner in one.values()]
    return []


def pages(world: World, who: str, path: str) -> Iterator[Exchange]:
    """Yield each page of a list, as somebody sees it, until no page shows a row that was not there before.

    Raises CannotTell for a list that is not shown, and after the last page had where it cannot be told that there is no more.
    """
    first = must_show(world.get(who, f"{path}?limit={ROWS}"))
    yield first
    seen = _ids(first)
    if not SHORTEST_PAGE <= len(seen) <= ROWS:
        return
    for way in WAYS:
        page = 1
        while True:
            page += 1
            answer = world.get(who, f"{path}?limit={ROWS}&{way.format(rows=len(seen), page=page)}")
            found = _ids(answer)
            if answer.is_success and not found:
                return
            if not found - seen:
                break
            if page > MOST_PAGES:
                raise CannotTell(f"The list {path} has more than {MOST_PAGES} pages; {len(seen)} rows were looked at.")
            seen |= found
            yield answer
        if page > 2:  # noqa: PLR2004  # this way leads on, and has led to the end
            must_show(answer)
            return
    if len(seen) == ROWS:
        raise CannotTell(f"The list {path} shows {ROWS} rows and takes neither offset nor page, so the others were not seen.")


def _ids(answer: Exchange) -> set[str]:
    return {str(row["id"]) for row in rows_of(answer.data)} if answer.is_success else set()
