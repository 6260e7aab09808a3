"""Run folders: swept when their process is dead, left alone otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.reference import run_folder

MAKE_AND_DIE = """
import os, sys
from pathlib import Path
from capliquify_ops.reference import run_folder
folder = run_folder.create(Path(sys.argv[1]))
(folder.path / "sub").mkdir()
(folder.path / "sub" / "file").write_text("x")
print(folder.path, flush=True)
os._exit(9)
"""


@pytest.fixture
def dead(tmp_path) -> Path:
    done = subprocess.run([sys.executable, "-c", MAKE_AND_DIE, str(tmp_path)], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_folder_of_a_dead_process_is_swept(tmp_path, dead):
    """A folder whose process died is removed, however young it is."""
    assert dead.is_dir()
    assert run_folder.sweep([tmp_path]) == [dead]
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_living_process_stays(tmp_path):
    """A folder whose process lives stays, however old it is."""
    folder = run_folder.create(tmp_path)
    os.utime(folder.path, (0, 0))
    os.utime(folder.path / "lock", (0, 0))
    assert run_folder.sweep([tmp_path]) == []
    assert folder.path.is_dir()
    folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_user_stays(tmp_path, dead, monkeypatch):
    """Another user's folder is not looked into."""
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert run_folder.sweep([tmp_path]) == []
    assert dead.is_dir()


def test_removal_that_was_cut_short_is_finished(tmp_path, dead):
    """The lock is the last to go: what a half-finished removal leaves is swept later."""
    (dead / "sub" / "file").unlink()
    assert run_folder.sweep([tmp_path]) == [dead]


def test_folder_that_died_before_its_lock_is_swept(tmp_path):
    """An empty folder without a lock is removed; one with content and no lock was not made here."""
    (tmp_path / f"{run_folder.PREFIX}empty").mkdir()
    kept = tmp_path / f"{run_folder.PREFIX}full"
    kept.mkdir()
    (kept / "something").touch()
    run_folder.sweep([tmp_path])
    assert list(tmp_path.iterdir()) == [kept]


def test_links_and_files_are_not_followed(tmp_path, dead):
    """A link with the name of a run folder is left, and what it leads to as well."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    dead.rename(elsewhere / "dead")
    (tmp_path / f"{run_folder.PREFIX}link").symlink_to(elsewhere / "dead")
    (tmp_path / f"{run_folder.PREFIX}file").touch()
    assert run_folder.sweep([tmp_path]) == []
    assert (elsewhere / "dead" / "sub" / "file").exists()


def test_absent_place_is_no_error(tmp_path):
    """A place that does not exist has nothing to sweep."""
    assert run_folder.sweep([tmp_path / "absent"]) == []


def test_place_that_cannot_be_used_is_named(tmp_path):
    """A folder that cannot be made is reported with its place."""
    with pytest.raises(TargetUnreachable, match="absent"):
        run_folder.create(tmp_path / "absent")


def test_written_files_are_private(tmp_path):
    """A file written into a run folder is its owner's alone, whatever the umask."""
    folder = run_folder.create(tmp_path)
    before = os.umask(0)
    try:
        path = folder.write("secret", "x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    folder.remove()
