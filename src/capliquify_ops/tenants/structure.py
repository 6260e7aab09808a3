"""What two schemas differ in: definitions whose own schema's name is replaced, compared without a server."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

OWN = "~."
"""Stands for the own schema's name in a definition."""
_RELATIONS = frozenset({"table", "view", "materialized view", "sequence", "foreign table"})


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing in a schema: kind, the relation it belongs to, its name without the schema, and its text."""

    kind: str
    relation: str
    object: str
    definition: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: `baseline` and `found` are its definitions, None where it does not exist."""

    kind: str
    object: str
    baseline: str | None
    found: str | None

    def phrase(self, tenants: int = 1) -> str:
        """Say it of so many tenants: `lacks column products.region`, `have an extra index i`."""
        one = tenants == 1
        if self.found is None:
            return f"{'lacks' if one else 'lack'} {self.kind} {self.object}"
        if self.baseline is None:
            return f"{'has' if one else 'have'} an extra {self.kind} {self.object}"
        return f"{'differs' if one else 'differ'} in {self.kind} {self.object}"


def neutral(schema: str) -> Callable[[str], str]:
    """Return what replaces a schema's own name, quoted or not, in deparsed text: `tenant_a.products` becomes `~.products`."""
    quoted = '"' + schema.replace('"', '""') + '"'
    names = [quoted, quoted.replace("'", "''")]
    if re.fullmatch(r"[a-z_][a-z0-9_$]*", schema):
        names.append(schema)
    choices = "|".join(re.escape(name) for name in dict.fromkeys(names))
    own = re.compile(rf'(?<![\w$".])(?:{choices})\.')
    literal = "'" + schema.replace("'", "''") + "'"
    path = re.compile(rf"(SET search_path TO )(?:{re.escape(literal)}|{choices})")

    def replace(text: str) -> str:
        return path.sub(r"\1~", own.sub(OWN, text))

    return replace


def differences(baseline: Iterable[Definition], found: Iterable[Definition]) -> tuple[Difference, ...]:
    """Compare two schemas' neutral definitions. What belongs to a relation that one side lacks is not listed beside it."""
    left, right = _by_name(baseline), _by_name(found)
    lacking = {key[1] for key in left.keys() ^ right.keys() if key[0] in _RELATIONS}
    unequal = [key for key in left.keys() | right.keys() if left.get(key, ()) != right.get(key, ())]
    told = [key for key in unequal if key[0] in _RELATIONS or key[1] not in lacking]
    told.sort(key=lambda key: (key[0], key[2], key[1]))
    return tuple(Difference(key[0], key[2], _text(left, key), _text(right, key)) for key in told)


def without_consequences(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Leave out what comes and goes with a constraint that differs too: a unique one's index, a foreign key's triggers."""
    every = tuple(found)
    one_sided = [one for one in every if (one.baseline is None) != (one.found is None)]
    causes = {(_is_extra(one), _last(one)) for one in one_sided if one.kind == "constraint"}
    tables = {_is_extra(one) for one in one_sided if one.kind == "table"}
    left = {
        one
        for one in one_sided
        if (one.kind in {"index", "enforcement"} and (_is_extra(one), _last(one)) in causes)
        # The other end of a foreign key of a table that is missing whole.
        or (one.kind == "enforcement" and _is_extra(one) in tables)
    }
    return tuple(one for one in every if one not in left)


def _is_extra(one: Difference) -> bool:
    return one.baseline is None


def _last(one: Difference) -> str:
    """Return the object's name without its table's."""
    return one.object if one.kind == "index" else one.object.partition(".")[2]


_Key = tuple[str, str, str]


def _by_name(definitions: Iterable[Definition]) -> dict[_Key, tuple[str, ...]]:
    found: dict[_Key, tuple[str, ...]] = {}
    for one in definitions:
        key = (one.kind, one.relation, one.object)
        found[key] = (*found.get(key, ()), one.definition)
    return found


def _text(side: dict[_Key, tuple[str, ...]], key: _Key) -> str | None:
    return "; ".join(side[key]) if key in side else None
