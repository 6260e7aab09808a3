"""The two migration sets that the package carries: ops (our own schema) and product (the shared tables)."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


class MigrationSet(StrEnum):
    """Which migrations: ops goes into any database, product only where none of its names exists."""

    OPS = "ops"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Migration:
    """One script. `digest` is the SHA-256 of its text, before role names are filled in."""

    set: MigrationSet
    number: int
    name: str
    text: str
    digest: str

    @property
    def title(self) -> str:
        """The script as people name it: set/0001_name."""
        return f"{self.set}/{self.number:04}_{self.name}"


@cache
def migrations_of(which: MigrationSet) -> tuple[Migration, ...]:
    """Return a set's scripts in their order. A gap in the numbers is a packaging error."""
    folder = resources.files("capliquify_ops.tenants") / "sql" / which
    found = []
    for entry in folder.iterdir():
        if parts := _NAME.fullmatch(entry.name):
            text = entry.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(which, int(parts["number"]), parts["name"], text, digest))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations of {which} are not numbered 1 to {len(found)}")
    return tuple(found)
