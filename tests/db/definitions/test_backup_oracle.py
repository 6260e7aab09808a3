"""What our reader makes of real shapes is what pg_dump makes of them: definitions, rows, sequences, fingerprints."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.sql"))


def _header(text, key):
    found = re.search(rf"^-- {key}: (.*)$", text, re.MULTILINE)
    return found and json.loads(found[1])


def _cases():
    """Every file with both servers; without --whole each of them gets a third of the files, and those for it alone."""
    for place, path in enumerate(CORPUS):
        text = path.read_text(encoding="utf-8")
        since, only = _header(text, "since") or 0, _header(text, "only")
        for major in (18, 15):
            if major >= since and only in {None, major}:
                is_sampled = only or place % 3 == (0 if major == 15 else 1)
                yield pytest.param(major, path, id=f"{path.stem}-{major}", marks=[] if is_sampled else pytest.mark.whole)


@pytest.mark.parametrize(("oracle", "path"), list(_cases()), indirect=["oracle"])
def test_the_corpus_is_carried_byte_for_byte(oracle, path):
    """A schema of the corpus is restored by psql so that pg_dump cannot tell the difference, and so that rows hash the same."""
    sql = path.read_text(encoding="utf-8")
    schema = _header(sql, "schema")
    oracle.make(sql)
    try:
        oracle.check(schema)
    finally:
        oracle.clear(schema)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is not installed: apt-get install zstd")
def test_the_promised_command_restores_an_archive(oracle):
    """`zstd -dc FILE | psql -X -1 -v ON_ERROR_STOP=1 DATABASE` is all that a restore needs."""
    oracle.make(
        "CREATE SCHEMA promised; CREATE TABLE promised.t (id serial PRIMARY KEY, t text); INSERT INTO promised.t (t) VALUES ('a')"
    )
    try:
        with oracle.archive("promised") as (_, _, path):
            command = 'zstd -dc "$1" | "$2" -X -q -1 -v ON_ERROR_STOP=1 "$3"'
            arguments = [path, oracle.programs / "psql", oracle.target.reveal()]
            subprocess.run(
                ["/bin/bash", "-o", "pipefail", "-c", command, "restore", *arguments], check=True, stdout=subprocess.DEVNULL
            )
        assert oracle.dump(oracle.target, "promised") == oracle.dump(oracle.source, "promised")
    finally:
        oracle.clear("promised")
