"""Backup of many tenants: past failures, resumed, with retention, and a drill of a sample."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.db.archive.conftest import make_tenant, script

from capliquify_ops.database import fill, operator
from capliquify_ops.model.errors import ArchiveUnwritable
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.backup_job import Access, Job
from capliquify_ops.tenants.fleet_backup import Progress, fleet_backup, owners
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import list_tenants


@pytest.fixture(scope="module")
def furnished_with_six(furnish, roles):
    def fill_it(database):
        with operator(database.operator_url, "test") as session:
            for number in range(6):
                make_tenant(session, roles, f"t{number}")
            with session.transaction():
                return list_tenants(session)

    return furnish(fill_it)


@pytest.fixture
def fleet(furnished_with_six, database):
    return furnished_with_six.content


@pytest.fixture
def access(database):
    return Access(database.observer_url)


def _break(session, roles, tenant):
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('ALTER SCHEMA :"s" RENAME TO lost', {"s": tenant.schema_name}))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.whole), 9])
def test_a_failing_tenant_stops_nobody(session, roles, fleet, access, tmp_path, workers):
    """All but the broken tenant are backed up, it is reported with its reason; connections are recycled on the way."""
    _break(session, roles, fleet[2])
    job = Job(tmp_path, "20260101T000000Z", "test", workers=workers, tenants_per_connection=2)
    outcomes = list(fleet_backup(access, fleet, job))
    assert {one.tenant.slug for one in outcomes if one.receipt} == {"t0", "t1", "t3", "t4", "t5"}
    [failed] = [one for one in outcomes if not one.receipt]
    assert "does not exist" in failed.why
    assert len(list(tmp_path.iterdir())) == 5
    for one in outcomes:
        if one.receipt:
            with open_archive(Path(one.receipt.path)) as archive:
                assert archive.manifest.tenant["slug"] == one.tenant.slug


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_to_listen_stops_the_workers(fleet, access, tmp_path, workers):
    """Whoever stops after two outcomes finds whole archives only."""
    outcomes = fleet_backup(access, fleet, Job(tmp_path, "20260101T000000Z", "test", workers=workers))
    next(outcomes), next(outcomes)
    outcomes.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert 2 <= len(names) < 6
    assert _programs() == []
    assert all(name.endswith(".sql.zst") for name in names)


def _programs(pid=None):
    """The workers of a process: children belong to the thread that started them."""
    tasks = Path(f"/proc/{pid or os.getpid()}/task").glob("*/children")
    children = [child for task in tasks for child in _bytes(task).decode().split()]
    return [int(child) for child in children if b"backup_worker" in _bytes(Path(f"/proc/{child}/cmdline"))]


def _bytes(path):
    """What /proc says of a thread or process, empty when it has ended since it was listed."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_a_killed_worker_is_one_outcome(fleet, access, tmp_path):
    """A worker that the kernel kills loses the tenant that it was at; another one goes on with the rest."""
    outcomes = fleet_backup(access, fleet, Job(tmp_path, "20260101T000000Z", "test", workers=2))
    first = next(outcomes)
    for pid in _programs():
        os.kill(pid, signal.SIGKILL)
    found = [first, *outcomes]
    lost = [one for one in found if one.receipt is None]
    assert len(found) == 6
    assert 1 <= len(lost) <= 2
    assert all("ended (-9)" in one.why for one in lost)
    assert _programs() == []


@pytest.mark.parametrize(("program", "says"), [("/nonexistent/python", "could not be started"), ("/bin/true", "ended (0)")])
def test_a_worker_that_never_works_is_an_outcome_of_each(fleet, access, tmp_path, monkeypatch, program, says):
    """Where no worker starts, or each ends at once, every tenant has its outcome, and nothing waits."""
    monkeypatch.setattr(sys, "executable", program)
    outcomes = list(fleet_backup(access, fleet, Job(tmp_path, "20260101T000000Z", "test", workers=2)))
    assert len(outcomes) == 6
    assert all(says in one.why for one in outcomes)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_mistake_of_ours_is_an_outcome_too(fleet, access, tmp_path, capfd, workers):
    """What no sentence was written for (a name with a NUL, as no command makes) ends no run, and no traceback shows what it held."""
    outcomes = list(fleet_backup(access, fleet, Job(tmp_path, "2026\0", "test", workers=workers)))
    assert [one.why for one in outcomes] == ["The backup failed: ValueError."] * 6
    assert capfd.readouterr().err == ""


def test_a_killed_command_takes_its_workers_along(database, fleet, tmp_path):
    """Workers end by themselves when who started them is gone, and leave whole archives."""
    program = (
        "import sys, pathlib\nfrom capliquify_ops.model.secret import Secret\nfrom capliquify_ops.database import observer\n"
        "from capliquify_ops.tenants.backup_job import Access, Job\nfrom capliquify_ops.tenants.fleet_backup import fleet_backup\n"
        "from capliquify_ops.tenants.registry import list_tenants\nurl = Secret(sys.stdin.read())\n"
        "with observer(url, 'x') as session, session.transaction():\n    tenants = list_tenants(session)\n"
        "for each in fleet_backup(Access(url), tenants * 1000, Job(pathlib.Path(sys.argv[1]), sys.argv[2], 'test')):\n"
        "    print(each.why[:9], flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), "20260101T000000Z"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write(database.observer_url.reveal())
        process.stdin.close()
        process.stdout.readline()
        workers = _programs(process.pid)
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_dead_server_is_an_outcome_of_each(fleet, database, tmp_path):
    """With nobody to connect to, every tenant is reported, and nothing hangs."""
    nowhere = type(database.observer_url)("postgresql://x@127.0.0.1:1/x")
    outcomes = list(fleet_backup(Access(nowhere), fleet, Job(tmp_path, "20260101T000000Z", "test")))
    assert len(outcomes) == 6
    assert all("cannot be reached" in one.why for one in outcomes)


def test_the_journal_says_where_to_go_on(fleet, tmp_path):
    """A run without its last line is unfinished; a line that was cut, and a file that is gone, count as not done."""
    progress = Progress(tmp_path, "20260101T000000Z")
    (tmp_path / "a.sql.zst").touch()
    done = [{"id": str(fleet[0].id), "file": "a.sql.zst", "sha256": "x"}, {"id": str(fleet[1].id), "file": "gone", "sha256": "x"}]
    progress.path.write_text("".join(json.dumps(line) + "\n" for line in done) + '{"id": "cut')
    since = datetime(2025, 12, 31, 12, tzinfo=UTC)
    found = Progress.unfinished(tmp_path, since)
    assert (found.stamp, found.done()) == ("20260101T000000Z", {str(fleet[0].id)})
    # Neither a run of long ago nor one over other tenants is gone on with: its archives are not those that were asked for.
    assert Progress.unfinished(tmp_path, since + timedelta(days=1)) is None
    assert Progress.unfinished(tmp_path, since, ["a"]) is None
    # While it runs nobody else goes on with it.
    other, second = (Progress(tmp_path, "20260101T000001Z", only) for only in (["b", "a"], []))
    with other.running(), pytest.raises(ArchiveUnwritable, match="Another fleet backup"), second.running():
        pass
    assert Progress.unfinished(tmp_path, since, ["a", "b"]).stamp == "20260101T000001Z"
    assert Progress.unfinished(tmp_path, since).stamp == "20260101T000000Z"
    assert owners(tmp_path) == {"a.sql.zst": str(fleet[0].id), "gone": str(fleet[1].id)}
    found.finish(0)
    assert Progress.unfinished(tmp_path, since) is None


@pytest.fixture
def run(command_on, database):
    return command_on(database.observer_url, database.operator_url, database.roles)


def test_the_commands_of_a_fleet(run, fleet, session, roles, tmp_path):
    """fleet backup, again with retention, past a failure, and a drill that knows its archives by the audit."""
    folder = tmp_path / "archives"
    assert "is not a folder" in run("fleet", "backup", "-o", str(folder), code=73).err
    folder.mkdir()
    first = json.loads(run("fleet", "backup", "-o", str(folder), "--json").out)
    assert (first["backed_up"], first["failed"]) == (6, [])
    with session.transaction():
        assert audit_of(session, fleet[0].id)[-1].verb == "fleet backup"
    drilled = json.loads(run("fleet", "restore-drill", "-o", str(folder), "--sample", "2", "--seed", "1", "--json").out)
    assert [drill["rows"] for drill in drilled["drills"]] == [60, 60]
    # An interrupted run: its journal lacks the end, and two archives.
    journal = Path(first["journal"])
    lines = [line for line in journal.read_text().splitlines() if line]
    journal.write_text("\n".join(lines[:4]) + "\n")
    for line in lines[4:6]:
        (folder / json.loads(line)["file"]).unlink()
    resumed = json.loads(run("fleet", "backup", "-o", str(folder), "--json").out)
    assert (resumed["backed_up"], resumed["before"], resumed["journal"]) == (2, 4, first["journal"])
    # Killed: an archive is there that reached neither the audit nor the journal. It is made again, and the old one left alone.
    lines = [line for line in journal.read_text().splitlines() if line and "finished" not in line]
    journal.write_text("\n".join(lines[:-1]) + "\n")
    again = json.loads(run("fleet", "backup", "-o", str(folder), "--json").out)
    assert (again["backed_up"], again["failed"], again["before"]) == (1, [], 5)
    assert len(list(folder.glob("*.sql.zst"))) == 7
    _break(session, roles, fleet[3])
    told = run("fleet", "backup", "-o", str(folder), "--keep", "1", code=1).out
    assert "FAILED  t3: The schema" in told
    assert "5 tenants backed up, 1 failed" in told
    assert sum(1 for path in folder.iterdir() if path.name.startswith("t3-")) == 1


def test_the_commands_of_one_tenant(run, tenant, tmp_path):
    """tenant backup, restore in its four ways and clone, as a person types them; what is wrong is a sentence and changes nothing."""
    made = json.loads(run("tenant", "backup", "acme", "-o", "acme.sql.zst", "--json").out)
    assert made["path"] == "acme.sql.zst"
    assert "never replaces a file" in run("tenant", "backup", "acme", "-o", "acme.sql.zst", code=73).err
    assert "60 rows compared" in run("tenant", "restore", "acme.sql.zst", "--drill").out
    for way in ((), ("--in-place",), ("--drill",), ("--as", "two", "--organization", "org_2")):
        assert "compare" in run("tenant", "restore", "acme.sql.zst", *way, "--plan").out
    assert json.loads(run("tenant", "clone", "acme", "five", "--organization", "o", "--plan", "--json").out)["plan"]["steps"]
    assert "--in-place" in run("tenant", "restore", "acme.sql.zst", "--yes", code=64).err
    assert "no terminal" in run("tenant", "restore", "acme.sql.zst", "--in-place", code=64).err
    assert "quarantine_" in run("tenant", "restore", "acme.sql.zst", "--in-place", "--yes").out
    assert "organisation" in run("tenant", "restore", "acme.sql.zst", "--as", "two", "--yes", code=64).err
    run("tenant", "restore", "acme.sql.zst", "--as", "two", "--organization", "org_2", "--yes")
    run("tenant", "clone", "acme", "three", "--organization", "org_3", "--yes")
    assert json.loads(run("tenant", "show", "three", "--json").out)["tenant"]["subscription_status"] == "active"
    assert "one way" in run("tenant", "restore", "acme.sql.zst", "--drill", "--in-place", code=64).err
    assert "cannot be read" in run("tenant", "restore", "nothing.sql.zst", code=65).err
    (tmp_path / "noise").write_bytes(b"x" * 500)
    assert "does not end as an archive" in run("tenant", "restore", "noise", "--yes", code=65).err
    assert "no engine" in run("tenant", "backup", "acme", "--engine", "magic", code=64).err
    piped = subprocess.run(
        [sys.executable, "-m", "capliquify_ops.cli", "tenant", "backup", "acme", "-o", "-", "--engine", "pg_dump", "--target", "here"],
        capture_output=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    (tmp_path / "piped").write_bytes(piped.stdout)
    with open_archive(tmp_path / "piped") as archive:
        assert b"CREATE TABLE" in script(tmp_path / "piped")
        assert [section.kind for section in archive.manifest.sections][-1] == "pg_dump"
    assert (
        "zstd -dc FILE | psql"
        in run("tenant", "restore", "piped", "--trust", "--as", "four", "--organization", "o", "--yes", code=65).err
    )


def test_a_full_disk_behind_the_standard_output(run, tenant, tmp_path):
    """An archive that stdout does not take is one sentence, and the audit knows nothing of it."""
    del run  # wrote the configuration
    command = [sys.executable, "-m", "capliquify_ops.cli", "tenant", "backup", "acme", "-o", "-", "--target", "here"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, text=True, check=False, timeout=60)
    assert done.returncode == 73, done.stderr
    assert "The standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
