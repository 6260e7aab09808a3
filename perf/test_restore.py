"""Restore a tenant beside pg_restore, and the memory of backup and restore whatever a tenant's size."""

import subprocess

import pytest
from perf.probe import grown
from perf.server import large_tenant, new_tenant
from perf.sides import compared

from capliquify_ops.database import quoted
from capliquify_ops.database.dsn import program_arguments
from capliquify_ops.tenants.archive import loading
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.create import create
from capliquify_ops.tenants.restore import restore_whole
from capliquify_ops.tenants.restoring import Trust

MEGABYTES = {"ci": 20, "full": 100}
GIGABYTE = 1_000
MOST = 30 * 1024 * 1024
"""How far a process may grow over its memory at rest."""


@pytest.fixture(scope="module")
def source(server):
    """A database with a tenant that is nearly empty, and large ones."""
    return server.fresh("source")


@pytest.fixture(scope="module")
def large(source, size):
    """A tenant of 100 MB of COPY text."""
    return large_tenant(source, "large", MEGABYTES[size])


@pytest.fixture(scope="module")
def archive(source, large, tmp_path_factory):
    """Its archive."""
    path = tmp_path_factory.mktemp("archive") / "large.sql.zst"
    with source.observer() as session:
        backup(session, large.slug, path, tool="bench")
    return path


@pytest.fixture(scope="module")
def dump(source, large, archive):
    """The same tenant by pg_dump, in its custom format."""
    path = archive.with_name("large.dump")
    arguments, environment = program_arguments(source.url("superuser"))
    schema = f"--schema={quoted(large.schema_name)}"
    subprocess.run([source.server.programs / "pg_dump", "-Fc", schema, f"--file={path}", *arguments], env=environment, check=True)
    return path


def pg_restore(database, path):
    """Restore as pg_restore does by default: one job."""
    arguments, environment = program_arguments(database.url("superuser"))
    command = [database.server.programs / "pg_restore", "--exit-on-error", *arguments, path]
    subprocess.run(command, env=environment, check=True)


def whole(database, path):
    with open_archive(path) as opened, database.operator() as session:
        restore_whole(session, database.server.roles, opened, Trust("bench", is_given=True))


@pytest.mark.parametrize("is_compared", [True, False], ids=["compared", "not compared"])
def test_beside_pg_restore(benchmark, claims, server, archive, dump, size, monkeypatch, is_compared):
    """A restore that compares each row with the manifest takes hardly longer than pg_restore, which compares nothing."""
    if not is_compared:
        monkeypatch.setattr(loading, "_compare_rows", lambda *_: None)
        monkeypatch.setattr(loading, "_compare_definition", lambda *_: None)
    into = server.fresh("into")
    ratio = compared(
        benchmark,
        lambda: whole(into, archive),
        lambda: pg_restore(into, dump),
        rounds=3 if size == "full" else 1,
        peer="pg_restore",
        before=lambda: server.fresh("into"),
    )
    benchmark.extra_info |= {"megabytes": MEGABYTES[size], "archive_bytes": archive.stat().st_size, "over_pg_restore": 1 / ratio}
    work = "restore with each row compared" if is_compared else "restore without comparison"
    claims.at_most(f"{work}: times slower than pg_restore", 1 / ratio, full=1.2, ci=5)


def test_memory(benchmark, source, server, large, size, tmp_path):
    """Neither backup nor restore takes more memory for a large tenant than for one that is nearly empty, but for buffers."""
    with source.operator() as session:
        few = create(session, server.roles, new_tenant("small"), actor="bench")
    measured = {"small": few, f"{MEGABYTES[size]} MB": large}
    if size == "full":
        measured["1 GB"] = large_tenant(source, "huge", GIGABYTE)
    found = benchmark.pedantic(lambda: [*growths(source, server, measured, tmp_path)], rounds=1)
    benchmark.extra_info |= {f"{work} of {name}, MB": grew / 2**20 for name, work, grew in found}
    assert max(grew for _, _, grew in found) <= MOST


def growths(source, server, measured, folder):
    """Back each tenant up and restore it, as a drill and whole, each in a process of its own."""
    for name, tenant in measured.items():
        path = folder / f"{tenant.slug}.sql.zst"
        for work, database in (("backup", source), ("drill", source), ("whole", server.fresh("into"))):
            yield name, work, grown(work, database, path, tenant.slug)
