"""Which archives stay: the newest always, and what count and age ask for."""

from datetime import UTC, datetime, timedelta

import pytest

from capliquify_ops.tenants.archive.naming import Kept, filed, stamp_of, superseded
from capliquify_ops.tenants.renaming import path_names

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    for days in (0, 1, 5, 20):
        (tmp_path / f"acme-{stamp_of(NOW - timedelta(days=days))}.sql.zst").touch()
    (tmp_path / f"acme-inc-{stamp_of(NOW - timedelta(days=30))}.sql.zst.age").touch()
    for name in ("acme.sql.zst", "notes.txt", ".acme-20260310T120000Z.sql.zst.7.partial", "fleet-20260310T120000Z.jsonl"):
        (tmp_path / name).touch()
    return tmp_path


def _ages(folder, kept):
    by_path = {one.path: one for one in filed(folder)}
    owners = {path.name: one.tenant for path, one in by_path.items()}
    return sorted((by_path[path].tenant, (NOW - by_path[path].taken_at).days) for path in superseded(folder, kept, NOW, owners))


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        (Kept(), []),
        (Kept(count=2), [("acme", 5), ("acme", 20)]),
        (Kept(age=timedelta(days=7)), [("acme", 20)]),
        (Kept(count=1, age=timedelta(days=3)), [("acme", 5), ("acme", 20)]),
        (Kept(count=4, age=timedelta(days=1)), []),
    ],
)
def test_retention(folder, kept, gone):
    """Count and age each protect; a tenant's only archive stays however old, and other files are none of ours."""
    assert _ages(folder, kept) == gone


def test_retention_goes_by_tenant_and_not_by_slug(folder):
    """A slug is free again after a purge: the archive of who had it before, and one that somebody made by hand, stay."""
    ages = {path.name: (NOW - one.taken_at).days for path, one in ((one.path, one) for one in filed(folder))}
    owners = {name: "old" if days == 20 else "new" for name, days in ages.items() if days != 5}
    assert [ages[path.name] for path in superseded(folder, Kept(count=1), NOW, owners)] == [1, 30]


def test_a_search_path_is_read_as_the_server_writes_it():
    """Quoted and plain names of a routine's search_path come out as the catalogue has them."""
    assert path_names('"Ten""ant, A", pg_temp,x') == ['Ten"ant, A', "pg_temp", "x"]
    assert path_names("") == []
