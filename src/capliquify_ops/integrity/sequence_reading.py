"""The sequences of live tenants: what they have given, and the keys in the columns that draw from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from capliquify_ops.configuration import Registry
from capliquify_ops.database import Session, load
from capliquify_ops.database.connect import Query
from capliquify_ops.integrity.chunks import Chunks, body, read_in_chunks, together
from capliquify_ops.tenants.registry_columns import fill_registry

_PACKAGE = "capliquify_ops.integrity"
KEYS = 20_000
"""Keys read at most: a session keeps all that it has opened in its memory, about 10 kB for each, and 3 kB for a sequence."""
SEQUENCES = 50_000
"""Sequences asked at most, beside those of the keys."""
_AT_ONCE = 2_000
"""Sequences of one statement at most: a number in a list each."""
T = TypeVar("T")
WIDTHS: Mapping[int, int] = {21: 2**15, 23: 2**31, 20: 2**63}
"""By the type's OID (smallint, integer, bigint): the values are from -width to width - 1."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A sequence and one column that it is for; `relation` is empty for a sequence of no column.

    `is_readable`: the last value may be asked for; `is_selectable`: the sequence may be read as a table. `draws`: the column's
    default is the next value, unchanged. `is_key`: the column alone is unique. `locks` are those of reading the column.
    """

    oid: int
    sequence_schema: str
    sequence: str
    increment: int
    lowest: int
    highest: int
    is_cycling: bool
    is_readable: bool
    is_selectable: bool
    tenant: str
    table_schema: str
    relation: str
    attribute: str
    type: int
    draws: bool
    is_key: bool
    is_partitioned: bool
    may_select: bool
    is_filtered: bool
    locks: int

    @property
    def object(self) -> str:
        """What it is called in every tenant alike."""
        return f"{self.relation}.{self.attribute}" if self.relation else self.sequence

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest value that both sequence and column can hold."""
        width = WIDTHS.get(self.type, 2**63)
        return max(self.lowest, -width), min(self.highest, width - 1)

    @property
    def room(self) -> int:
        """How many values there are in all."""
        low, high = self.bounds
        return (high - low + 1) // abs(self.increment)

    @property
    def is_compared(self) -> bool:
        """Whether a value that is given twice is an insert that fails."""
        return self.draws and self.is_key and self.type in WIDTHS

    @property
    def is_visible(self) -> bool:
        """Whether the role may read what the check reads of it."""
        return self.is_readable and (not self.is_compared or (self.may_select and not self.is_filtered))

    def is_beyond(self, key: int, value: int) -> bool:
        """Whether a key lies where the sequence will come after that value."""
        return key > value if self.increment > 0 else key < value


@dataclass(frozen=True, slots=True)
class _Value:
    oid: int
    last_value: int | None


@dataclass(frozen=True, slots=True)
class _Key:
    number: int
    furthest: int | None
    last_value: int | None


@dataclass(frozen=True, slots=True)
class Next:
    """What the next insert will be given, beside the furthest key; `number` is the place of the usage that was asked about."""

    number: int
    furthest: int | None
    value: int
    is_taken: bool


@dataclass(frozen=True, slots=True)
class _Each:
    """One sequence to be asked for its last value."""

    oid: int
    locks: int = 1


@dataclass(frozen=True, slots=True)
class _Numbered:
    """One usage to be read, and its place."""

    number: int
    usage: Usage

    @property
    def locks(self) -> int:
        return self.usage.locks

    @property
    def names(self) -> dict[str, str]:
        usage = self.usage
        return {
            "number": str(self.number),
            "oid": str(usage.oid),
            "increment": str(usage.increment),
            "sequence_schema": usage.sequence_schema,
            "sequence": usage.sequence,
            "table_schema": usage.table_schema,
            "relation": usage.relation,
            "attribute": usage.attribute,
        }


@dataclass(frozen=True, slots=True)
class Sequences:
    """What the catalogue says: how many live tenants there are, as which role it was asked, and every usage of a sequence."""

    tenants: int
    role: str
    usages: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class SequenceRows:
    """What was read of the sequences in `of`.

    `values` is by OID, None for a sequence that never gave one. `compared` counts the keys that were read, `ahead` holds what
    the sequence has not reached; `undecided` are usages whose next value only a reader of the sequence sees, and `unread` says
    why of what could not be read though it may be.
    """

    of: Sequences
    values: Mapping[int, int | None]
    compared: int
    ahead: tuple[tuple[Usage, Next], ...]
    undecided: tuple[Usage, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asker:
    tenants: int
    role: str


def find_sequences(session: Session, registry: Registry) -> Sequences:
    """Read the catalogue, within the open transaction."""
    asker = session.rows(_of_registry("sequence_health_tenants", registry), _Asker)[0]
    rows = session.rows(_of_registry("sequence_health", registry), Usage)
    of_columns = {row.oid for row in rows if row.relation}
    return Sequences(asker.tenants, asker.role, tuple(row for row in rows if row.relation or row.oid not in of_columns))


def read_sequences(session: Session, found: Sequences) -> SequenceRows:
    """Read last values and keys, in transactions of its own: the locks of a sequence stay to the end of one."""
    visible = [each for each in found.usages if each.is_compared and each.is_visible]
    readable = visible[:KEYS]
    keys, behind = _keys(session, readable)
    seen: dict[int, int | None] = {readable[row.number].oid: row.last_value for row in keys.rows}
    # Those that can be used up first are asked first.
    others = sorted((each for each in found.usages if each.is_readable and each.oid not in seen), key=lambda each: each.room)
    each_once = [_Each(oid) for oid in dict.fromkeys(each.oid for each in others)]
    values = read_in_chunks(session, each_once[:SEQUENCES], _values, at_once=_AT_ONCE)
    decided = [each for each in behind if each.usage.is_selectable]
    nexts = _in_chunks(session, "sequence_health_next", decided, Next)
    unread = [
        *(f"{each.part.usage.table_schema}.{each.part.usage.object}: {each.why}" for each in (*keys.unread, *nexts.unread)),
        *(f"the sequence with OID {each.part.oid}: {each.why}" for each in values.unread),
        *_left_out(len(visible) - KEYS, "keys", f"a session opens {KEYS} tables at most"),
        *_left_out(len(each_once) - SEQUENCES, "sequences", f"a session asks {SEQUENCES} at most"),
    ]
    return SequenceRows(
        found,
        seen | {row.oid: row.last_value for row in values.rows},
        len(keys.rows),
        tuple((readable[row.number], row) for row in nexts.rows),
        tuple(each.usage for each in behind if not each.usage.is_selectable),
        tuple(unread),
    )


def _left_out(number: int, what: str, why: str) -> list[str]:
    return [f"{number} more {what} were not read: {why}"] if number > 0 else []


def _keys(session: Session, readable: Sequence[Usage]) -> tuple[Chunks[_Numbered, _Key], list[_Numbered]]:
    """Return the furthest keys, and the usages whose sequence has not given theirs."""
    keys = _in_chunks(session, "sequence_health_keys", [_Numbered(*each) for each in enumerate(readable)], _Key)
    behind = []
    for row in keys.rows:
        usage = readable[row.number]
        if row.furthest is not None and (row.last_value is None or usage.is_beyond(row.furthest, row.last_value)):
            behind.append(_Numbered(row.number, usage))
    return keys, behind


def _values(session: Session, each: Sequence[_Each]) -> list[_Value]:
    given = {"sequences": [one.oid for one in each]}
    return session.rows(load(_PACKAGE, "sequence_health_values"), _Value, given)


def _in_chunks(session: Session, stem: str, parts: Sequence[_Numbered], row: type[T]) -> Chunks[_Numbered, T]:
    text = body(load(_PACKAGE, stem))

    def ask(session: Session, chunk: Sequence[_Numbered]) -> list[T]:
        return session.rows(together((_directed(text, each.usage), each.names) for each in chunk), row)

    return read_in_chunks(session, parts, ask)


def _directed(text: str, usage: Usage) -> str:
    """Turn the statement to the lowest key where the sequence descends, and to all partitions where there are any."""
    if usage.increment < 0:
        text = text.replace("pg_catalog.max(", "pg_catalog.min(")
    return text.replace(" ONLY ", " ") if usage.is_partitioned else text


def _of_registry(stem: str, registry: Registry) -> Query:
    return fill_registry(load(_PACKAGE, stem).text, registry)
