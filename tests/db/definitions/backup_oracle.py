"""The oracle: a schema is backed up, restored by psql into another database, and pg_dump has to print the same of both."""

import difflib
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from capliquify_ops.database import fill, operator
from capliquify_ops.database.identifiers import composed, quoted
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.archive import script
from capliquify_ops.tenants.archive.frames import script_of
from capliquify_ops.tenants.archive.rows import count
from capliquify_ops.tenants.backup import Source, backup_source
from capliquify_ops.tenants.definitions import define

ROLES = ("oracle_owner", "oracle_reader", "oracle_writer", 'Oracle "odd" rôle, x=y/z')
SETTINGS = {"PGOPTIONS": "-c client_min_messages=warning", "PGCLIENTENCODING": "UTF8"}
_ROLE = """DO $do$ BEGIN CREATE ROLE :"role"; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$"""


@dataclass
class Copied:
    """What a restore left: the receipt, the script, and pg_dump's word on both sides."""

    receipt: object
    script: bytes
    expected: str
    found: str
    differing_rows: list
    differing_sequences: list
    fingerprints: tuple


class Oracle:
    """Two databases of one server: schemas are made in the first and restored into the second."""

    def __init__(self, superuser_url, programs, databases):
        self.superuser_url = Secret(superuser_url)
        self.programs = Path(programs)
        self.source, self.target = (self._url(name) for name in databases)
        self.databases = databases

    def _url(self, database):
        return Secret(urlunsplit(urlsplit(self.superuser_url.reveal())._replace(path=f"/{database}")))

    def make_databases(self):
        """Make both databases from template0, and the roles that schemas of the corpus name."""
        with operator(self.superuser_url, "oracle") as session:
            for role in ROLES:
                session.outside_transaction(fill(_ROLE, {"role": role}))
            for name in self.databases:
                session.outside_transaction(
                    fill("CREATE DATABASE :\"name\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'", {"name": name})
                )

    def drop_databases(self):
        with operator(self.superuser_url, "oracle") as session:
            for name in self.databases:
                session.outside_transaction(fill('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', {"name": name}))

    def psql(self, url, text, *options):
        """Run a script through the real psql, stopping at the first error."""
        command = [self.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, url.reveal()]
        raw = text if isinstance(text, bytes) else text.encode()
        # In a folder of its own: whatever a name could make psql do there is seen (names say: touch MARKER).
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                command, input=raw, capture_output=True, check=False, env=os.environ | SETTINGS, timeout=120, cwd=folder
            )
            assert not list(Path(folder).iterdir()), "psql executed something"
        return done

    def run(self, url, text):
        done = self.psql(url, text)
        assert done.returncode == 0, done.stderr.decode()

    def attempt(self, statements):
        """Run statements one by one in the source database; return how many it took."""
        taken = 0
        with psycopg.connect(self.source.reveal(), autocommit=True) as connection:
            for statement in statements:
                try:
                    connection.execute(statement.encode())
                    taken += 1
                except psycopg.Error:
                    continue
        return taken

    def dump(self, url, schema):
        """What pg_dump prints of one schema."""
        pattern = '"' + schema.replace('"', '""') + '"'
        command = [self.programs / "pg_dump", "--schema-only", "--restrict-key=oracle", "-n", pattern, url.reveal()]
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | SETTINGS, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def make(self, sql):
        """Make a schema in the source database."""
        self.run(self.source, sql)

    @contextmanager
    def archive(self, schema, url=None):
        """Back a schema up and give the receipt with the script."""
        with tempfile.TemporaryDirectory() as folder, operator(url or self.source, "oracle") as session:
            path = Path(folder) / "a.sql.zst"
            receipt = backup_source(session, Source(schema, None), path, tool="oracle")
            with path.open("rb") as file:
                yield receipt, script_of(file).read(), path

    def copy(self, schema):
        """Back a schema up, restore it with psql, and gather what has to be equal."""
        with self.archive(schema) as (receipt, text, _):
            done = self.psql(self.target, text, "-1")
            assert done.returncode == 0, done.stderr.decode() + "\n" + text.decode()
        return Copied(
            receipt,
            text,
            self.dump(self.source, schema),
            self.dump(self.target, schema),
            *self._content(receipt.manifest),
            self.fingerprints(schema),
        )

    def _content(self, manifest):
        with operator(self.target, "oracle") as session, session.transaction():
            session.apply(script.OUTPUT)
            rows = []
            for section in manifest.tables:
                columns = f" ({', '.join(section.columns)})" if section.columns else ""
                with session.copy_out(composed(f"COPY {section.table}{columns} TO STDOUT")) as lines:
                    found = count(lines)
                if (found.rows, found.hash) != (section.rows, section.content):
                    rows.append((section.table, section.rows, found.rows))
            values = script.sequence_values(session, [name for name, _, _ in manifest.sequences])
        return rows, sorted(set(map(tuple, manifest.sequences)) ^ set(values))

    def fingerprints(self, schema):
        found = []
        for url in (self.source, self.target):
            with operator(url, "oracle") as session, session.transaction():
                found.append(define(session, schema))
        return tuple(found)

    def clear(self, *schemas):
        """Drop schemas on both sides."""
        for url in (self.source, self.target):
            with operator(url, "oracle") as session, session.transaction():
                session.execute("SET LOCAL client_min_messages = warning")
                for schema in schemas:
                    session.execute(composed(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE"))

    def check(self, schema):
        """Back up, restore, compare everything."""
        copied = self.copy(schema)
        assert copied.found == copied.expected, _difference(copied.expected.splitlines(), copied.found.splitlines())
        assert copied.differing_rows == [], copied.differing_rows
        assert copied.differing_sequences == [], copied.differing_sequences
        before, after = (sorted([*one.before, *one.after]) for one in copied.fingerprints)
        assert before == after, _difference(before, after)
        assert {one.fingerprint for one in copied.fingerprints} == {copied.receipt.manifest.fingerprint}
        return copied


def _difference(original, restored):
    """Lines that differ, for people: outside of pytest an assertion says nothing by itself."""
    return "\n".join(difflib.unified_diff(original, restored, "original", "restored", lineterm="", n=2))
