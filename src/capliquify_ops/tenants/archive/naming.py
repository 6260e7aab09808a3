"""Names of archives in a folder, and which of them are kept."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from capliquify_ops.tenants.registry import Tenant

SUFFIX = ".sql.zst"
_STAMP = "%Y%m%dT%H%M%SZ"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NAME = re.compile(r"(?P<tenant>[A-Za-z0-9][A-Za-z0-9_-]*)-(?P<stamp>\d{8}T\d{6}Z)\.sql\.zst(?:\.age)?")


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of a tenant's past stays: the newest `count`, and all that is younger than `age`. None sets no such limit."""

    count: int | None = None
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """An archive in a folder, as its name says."""

    path: Path
    tenant: str
    taken_at: datetime


def stamp_of(moment: datetime) -> str:
    """Return a time as it stands in names: to the second, UTC."""
    return moment.astimezone(UTC).strftime(_STAMP)


def free_moment(folder: Path, now: datetime) -> datetime:
    """Return the first moment from now on whose stamp no file of a folder carries: names tell seconds apart only."""
    while any(folder.glob(f"*-{stamp_of(now)}.*")):
        now += timedelta(seconds=1)
    return now


def file_name(tenant: Tenant, stamp: str, suffix: str = "", *, mark: str = "") -> str:
    """Return the name of an archive: by the slug, or by the id where the slug is no safe name of a file.

    `mark` tells a second schema of the tenant from its first.
    """
    who = tenant.slug if _SAFE.fullmatch(tenant.slug) else str(tenant.id)
    return f"{who}{mark and '-'}{mark}-{stamp}{SUFFIX}{suffix}"


def filed(folder: Path) -> Iterator[Filed]:
    """Yield the archives of a folder by tenant, the newest of each first."""
    found = [
        Filed(path, parts["tenant"], datetime.strptime(parts["stamp"], _STAMP).replace(tzinfo=UTC))
        for path in folder.iterdir()
        if (parts := _NAME.fullmatch(path.name))
    ]
    yield from sorted(found, key=lambda one: (one.tenant, -one.taken_at.timestamp()))


def superseded(folder: Path, kept: Kept, now: datetime, owners: Mapping[str, str]) -> list[Path]:
    """Return the archives that need not stay; a tenant's newest always does.

    `owners` says which tenant's id a file is of. A file that it does not know stays: another tenant may have had that slug.
    """
    if kept.count is None and kept.age is None:
        return []
    of_tenant: dict[str, list[Filed]] = defaultdict(list)
    for one in filed(folder):
        if one.path.name in owners:
            of_tenant[owners[one.path.name]].append(one)
    found = []
    for archives in of_tenant.values():
        archives.sort(key=lambda one: one.taken_at, reverse=True)
        for position, one in enumerate(archives):
            is_recent = kept.age is not None and now - one.taken_at < kept.age
            is_counted = position < (kept.count if kept.count is not None else 1)
            if not is_recent and not is_counted:
                found.append(one.path)
    return found
