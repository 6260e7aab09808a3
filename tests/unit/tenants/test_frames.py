"""The file format of archives: readable by zstd alone, and no damage goes unseen."""

import hashlib
import io
import json
import random
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import ArchiveRefused
from capliquify_ops.tenants.archive.frames import ArchiveWriter, checked, script_of
from capliquify_ops.tenants.archive.manifest import Manifest, Needs, Origin, Section, parse
from capliquify_ops.tenants.archive.rows import Content, count, counted

MANIFEST = b'{"format":1}\n'


def sealed(*script: bytes, manifest: bytes = MANIFEST) -> bytes:
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    for piece in script:
        writer.write(piece)
    digest = writer.close(manifest)
    assert digest == hashlib.sha256(file.getvalue()).hexdigest()
    assert writer.bytes == len(file.getvalue())
    return file.getvalue()


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_the_script_comes_back(pieces):
    """Script, manifest and digest of any archive are read as they were written."""
    content = sealed(*pieces)
    file = io.BytesIO(content)
    assert checked(file, "it") == (MANIFEST, hashlib.sha256(content).hexdigest())
    with script_of(file) as script:
        assert script.read() == b"".join(pieces)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the program zstd is not installed: apt-get install zstd")
def test_zstd_alone_gives_the_script(tmp_path):
    """`zstd -dc` prints the script and nothing of what is ours, and `zstd -t` finds the file whole."""
    path = tmp_path / "a.sql.zst"
    path.write_bytes(sealed(b"SELECT 1;\n" * 1000, b"-- end\n"))
    assert subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout == b"SELECT 1;\n" * 1000 + b"-- end\n"
    subprocess.run(["zstd", "-qt", path], check=True)


def test_a_flip_of_each_byte_is_seen():
    """An archive with any one byte changed is refused."""
    content, choose = sealed(b"CREATE SCHEMA a;\n"), random.Random(5)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << choose.randrange(8)
        with pytest.raises(ArchiveRefused):
            checked(io.BytesIO(bytes(changed)), "it")


def test_a_cut_or_longer_file_is_refused():
    """Every shorter file, and one with something behind its end, is refused."""
    content = sealed(b"CREATE SCHEMA a;\n")
    for length in range(len(content)):
        with pytest.raises(ArchiveRefused):
            checked(io.BytesIO(content[:length]), "it")
    for more in (b"\0", content, b"garbage"):
        with pytest.raises(ArchiveRefused):
            checked(io.BytesIO(content + more), "it")


def test_a_newer_format_is_named():
    """A manifest of a format from the future is refused with its number and another way to restore."""
    with pytest.raises(ArchiveRefused, match=r"format 2.*up to 1.*zstd and psql"):
        parse(b'{"format":2}', "it")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format":"x"}', b"\xff", b'{"format":1,"sections":3}'])
def test_a_manifest_that_is_none_is_refused(content):
    """Anything else than a manifest is a sentence, never a traceback."""
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        parse(content, "it")


def test_sections_of_other_versions():
    """What a later version says of a section besides is left out, and what an earlier one did not say is empty."""
    origin = Origin("18.1", 18, "UTF8", "d", "", "", "", "test")
    section = Section("rows", 1, "s.t", ("a",), 2, "c", 3)
    manifest = Manifest(1, "s", {}, "f", origin, Needs(), (section,), (), (), ())
    table = json.loads(canonical(manifest))
    table["sections"][0]["later"] = 1
    del table["sections"][0]["stream"]
    assert parse(json.dumps(table).encode(), "it") == manifest


@given(st.lists(st.binary(max_size=50)), st.randoms(use_true_random=False))
def test_content_does_not_depend_on_order(lines, random):
    """The content hash is one of the rows, not of their order; it tells a row more, less or changed."""
    shuffled = random.sample(lines, len(lines))
    assert count(lines) == count(shuffled)
    if lines:
        assert count(lines[1:]).hash != count(lines).hash
        assert count([*lines[1:], lines[0] + b"x"]).hash != count(lines).hash
        assert count([*lines, lines[0]]).hash != count(lines).hash


def test_rows_pass_through_whole():
    """What is counted is passed on unchanged, in pieces that stay small however many rows there are."""
    lines = [bytes([65 + i % 26]) * 100 + b"\n" for i in range(5000)]
    content = Content()
    pieces = list(counted(lines, content))
    assert b"".join(pieces) == b"".join(lines)
    assert content.rows == 5000
    assert max(map(len, pieces)) < 70_000
