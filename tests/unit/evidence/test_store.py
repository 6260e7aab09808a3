"""The evidence folder: nothing lost, nothing changed unseen, no secret written."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.evidence import Store, canonical, digest
from capliquify_ops.evidence.canonical import record_from
from capliquify_ops.evidence.redaction import MASK, Redactor
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable
from capliquify_ops.model.outcome import State


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "evidence")
    made.prepare()
    return made


def test_a_record_comes_back_as_it_was(store, record):
    """A finished record is read back equal, findings, limits, witness and all."""
    store.start(record(state=State.NOT_RUN, finished_at=None, findings=()))
    store.finish(record())
    assert store.records() == [record()]


def test_a_started_record_is_there_before_the_end(store, record):
    """A run that dies leaves its started record."""
    store.start(record(state=State.NOT_RUN, finished_at=None, findings=()))
    assert store.records()[0].finished_at is None


@pytest.mark.parametrize("damage", ["edit", "delete", "add", "swap", "truncate"])
def test_a_damaged_record_is_found(store, record, damage):
    """A record that was edited, deleted, added, swapped or cut by hand is refused; untouched evidence is not."""
    for name in ("one", "two"):
        store.finish(record(id=name))
    assert len(store.records()) == 2
    one, two = (store.folder / "records" / f"{name}.json" for name in ("one", "two"))
    content = one.read_bytes()
    if damage == "edit":
        one.write_bytes(content.replace(b'"state":"passed"', b'"state":"failed"'))
    elif damage == "delete":
        one.unlink()
    elif damage == "add":
        (store.folder / "records" / "three.json").write_bytes(content)
    elif damage == "swap":
        one.write_bytes(two.read_bytes())
    else:
        one.write_bytes(content[:-20])
    with pytest.raises(EvidenceDamaged):
        store.records()
    one.write_bytes(content)
    (store.folder / "records" / "three.json").unlink(missing_ok=True)
    assert len(store.records()) == 2


def test_every_flipped_byte_of_the_ledger_is_found(store, record):
    """A change of any single byte of the ledger is noticed."""
    store.finish(record(id="one"))
    store.finish(record(id="two"))
    path = store.folder / "ledger.jsonl"
    content = path.read_bytes()
    for at in range(0, len(content), 11):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(EvidenceDamaged):
            store.records()
    path.write_bytes(content)
    assert len(store.records()) == 2


def test_a_removed_line_of_the_ledger_is_found(store, record):
    """A line taken out of the middle, or the whole ledger gone, is noticed."""
    for name in ("one", "two", "three"):
        store.finish(record(id=name))
    path = store.folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(EvidenceDamaged):
        store.records()
    path.unlink()
    with pytest.raises(EvidenceDamaged):
        store.records()


def test_raw_data_is_kept_by_content(store, record):
    """Raw bytes are found by their digest, kept once, and missed when they are changed."""
    name = store.keep(b"samples")
    assert name == digest(b"samples") == store.keep(b"samples")
    assert store.raw(name) == b"samples"
    store.finish(record(raw=(name,)))
    assert len(store.records()) == 1
    (store.folder / "raw" / "sha256" / name[:2] / name).write_bytes(b"other")
    assert store.raw(name) is None
    with pytest.raises(EvidenceDamaged):
        store.records()


def test_two_writers_share_a_folder(store, record):
    """Two threads that write at once leave a whole ledger."""

    def write(prefix):
        for number in range(25):
            Store(store.folder).finish(record(id=f"{prefix}{number}"))

    threads = [threading.Thread(target=write, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.records()) == 50


def test_a_writer_that_is_killed_leaves_whole_records(store):
    """SIGKILL in the middle of writing leaves only whole records."""
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.conftest import make_record\n"
        "from capliquify_ops.evidence import Store\n"
        "store = Store(Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    store.finish(make_record(id=f'r{n}')); n += 1; print(n, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    writer = subprocess.Popen([sys.executable, "-c", program, str(store.folder)], stdout=subprocess.PIPE, env=environment)
    for _ in range(20):
        writer.stdout.readline()
    writer.kill()
    writer.communicate()
    assert len(store.records()) >= 19


def test_a_record_announced_and_never_written_is_one_that_died(store, record):
    """Killed between the ledger and the file, or removed by hand: a start, and a finish that was not written, read as not run."""
    store.start(record(id="one", state=State.NOT_RUN, finished_at=None, findings=()))
    started = (store.folder / "records" / "one.json").read_bytes()
    store.finish(record(id="one"))
    (store.folder / "records" / "one.json").write_bytes(started)
    assert store.records()[0].finished_at is None
    store.start(record(id="two", state=State.NOT_RUN, finished_at=None, findings=()))
    (store.folder / "records" / "two.json").unlink()
    assert [(found.id, found.finished_at) for found in store.records()] == [("one", None), ("two", None)]
    store.finish(record(id="two", state=State.FAILED))
    (store.folder / "records" / "two.json").unlink()
    with pytest.raises(EvidenceDamaged, match="missing"):
        store.records()


def test_an_unwritable_folder_is_one_sentence(tmp_path):
    """A file in the folder's place is EvidenceUnwritable with a hint."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnwritable, match="--evidence-dir"):
        Store(tmp_path / "file" / "evidence").prepare()


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half():
    """On a full disk the write fails with a sentence, and no temporary file stays."""
    store = Store(Path("/dev/full/evidence"))
    with pytest.raises(EvidenceUnwritable):
        store.prepare()


def test_a_newer_format_is_refused(record):
    """A record of a newer format is refused, not guessed at."""
    table = json.loads(canonical(record()))
    table["schema"] = "capliquify_ops.record/2"
    with pytest.raises(EvidenceDamaged, match="format"):
        record_from(json.dumps(table).encode(), "x")


@given(st.binary(max_size=300))
def test_anything_that_is_not_a_record_is_refused(content):
    """Arbitrary bytes are EvidenceDamaged, never another exception."""
    with pytest.raises(EvidenceDamaged):
        record_from(content, "x")


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=60).map(lambda text: f"§{text}")


@settings(max_examples=25)
@given(secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_known_secret_is_never_written(tmp_path_factory, secret, before, after):
    """A known secret in any free text of a record is in none of the bytes on disk, and the record can still be read."""
    from tests.unit.conftest import make_finding, make_record

    folder = tmp_path_factory.mktemp("evidence")
    store = Store(folder, Redactor([secret]))
    store.prepare()
    text = f"{before}{secret}{after}"
    finding = make_finding(why=text, measured={"seen": text})
    record = make_record(title=text, reason=text, findings=(finding,))
    finding = dataclasses.replace(finding, witness=dataclasses.replace(finding.witness, lines=(text,), look=text))
    store.finish(dataclasses.replace(record, findings=(finding, record.findings[0])))
    store.keep(text.encode())
    store.write("report.txt", text.encode())
    assert len(store.records()) == 1
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    if secret not in MASK:
        assert secret.encode() not in written
        assert json.dumps(secret, ensure_ascii=False)[1:-1].encode() not in written


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh12345678",
        "postgresql://user:s3cretpw@host/db",
        "password=s3cretpw host=x",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl",
        "sk_live_abcdefghijklmnop",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_credential_is_masked(text):
    """Credentials that nobody told us about are masked by their shape."""
    masked = Redactor().text(f"before {text} after")
    assert MASK in masked
    assert not any(part in masked for part in ("s3cretpw", "abcdefgh12345678", "eyJzdWIi", "sk_live_abc", "\nabc\n"))
    assert masked.startswith("before")


def test_words_are_left_alone():
    """Ordinary text is not masked."""
    text = "All 12 tenants have their schema; see https://example.com/a?b=c and user@example.com."
    assert Redactor(["abc"]).text(text) == text


def test_a_tail_cut_off_is_found(store, record):
    """The last lines of the ledger removed together with the record that they name: noticed, as is the whole ledger removed."""
    store.finish(record(id="one"))
    store.start(record(id="two", state=State.NOT_RUN, finished_at=None, findings=()))
    store.finish(record(id="two", state=State.FAILED))
    path = store.folder / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    (store.folder / "records" / "two.json").unlink()
    for kept in (lines[:1], []):
        path.write_bytes(b"".join(kept))
        with pytest.raises(EvidenceDamaged, match="were written"):
            store.records()
        with pytest.raises(EvidenceDamaged, match="were written"):
            store.finish(record(id="three"))


def test_a_tail_cut_off_with_the_head_is_found(store, record):
    """Removing the file that says where the ledger ends does not hide that its end is missing."""
    for name in ("one", "two", "three"):
        store.finish(record(id=name))
    path = store.folder / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    (store.folder / "records" / "three.json").unlink()
    path.with_suffix(".head").unlink()
    with pytest.raises(EvidenceDamaged, match="were written"):
        store.records()


def test_a_writer_killed_before_the_head_is_followed(store, record):
    """One line beyond the head is a writer that was killed in between: it reads, and another one can follow."""
    store.finish(record(id="one"))
    head = (store.folder / "ledger.head").read_bytes()
    store.finish(record(id="two"))
    (store.folder / "ledger.head").write_bytes(head)
    assert [found.id for found in store.records()] == ["one", "two"]
    store.finish(record(id="three"))
    assert [found.id for found in store.records()] == ["one", "two", "three"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root alone")
def test_a_small_disk_that_fills_up_can_be_used_again(tmp_path, record):
    """On a real disk that is full in the middle of a line or of the head, the folder is usable as soon as there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = Store(disk / "evidence")
        store.prepare()
        kept = []
        for room in range(0, 40_000, 4096):
            ballast = disk / "ballast"
            free = os.statvfs(disk).f_bavail * 4096
            ballast.write_bytes(b"x" * max(0, free - room))
            try:
                store.start(record(id=f"r{room}", title="t" * 3000, state=State.NOT_RUN, finished_at=None, findings=()))
                store.finish(record(id=f"r{room}", title="t" * 3000))
                kept.append(f"r{room}")
            except EvidenceUnwritable as error:
                assert "No space left" in str(error)
            ballast.unlink()
            assert {found.id for found in store.records() if found.finished_at} >= set(kept)
        assert 0 < len(kept) < 10
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_ledgers_order_counts_and_not_the_clock(store, record):
    """Records come in the order in which they were started, also when the clock went back in between."""
    store.finish(record(id="first", started_at="2026-01-02T00:00:00.000Z"))
    store.finish(record(id="second", started_at="2026-01-01T00:00:00.000Z"))
    assert [found.id for found in store.records()] == ["first", "second"]


def test_a_line_that_did_not_fit_is_taken_back(store, record, monkeypatch):
    """A disk that is full in the middle of a line leaves the ledger as it was; with room again, the next record is kept."""
    from capliquify_ops.evidence import ledger

    store.finish(record(id="one"))
    before = (store.folder / "ledger.jsonl").read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger.os, "fsync", full)
    with pytest.raises(EvidenceUnwritable, match="No space"):
        store.finish(record(id="two"))
    monkeypatch.undo()
    assert (store.folder / "ledger.jsonl").read_bytes() == before
    store.finish(record(id="three"))
    assert [found.id for found in store.records()] == ["one", "three"]


def test_a_long_record_can_be_followed(store, record):
    """A start whose line is longer than the first look at the ledger's end is followed by the next one."""
    for name in ("one", "two", "three"):
        store.start(record(id=name, state=State.NOT_RUN, finished_at=None, findings=(), title="x" * 50_000))
    assert len(store.records()) == 3


def test_evidence_that_cannot_be_read_is_one_sentence(tmp_path):
    """A file in the folder's place, or a folder in the ledger's, is EvidenceDamaged and not a traceback, nor 'nothing measured'."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceDamaged, match="cannot be read"):
        Store(tmp_path / "file").records()
    (tmp_path / "folder" / "ledger.jsonl").mkdir(parents=True)
    with pytest.raises(EvidenceDamaged, match="cannot be read"):
        Store(tmp_path / "folder").records()
    assert Store(tmp_path / "none").records() == []
