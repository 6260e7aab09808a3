"""The evidence folder: records/<id>.json, raw/sha256/.., ledger.jsonl."""

from pathlib import Path

from capliquify_ops.evidence import ledger
from capliquify_ops.evidence.canonical import canonical, digest, plain, record_from
from capliquify_ops.evidence.files import writable, write_whole
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.record import Record

_AGAIN = "Move the evidence folder away and measure again."


class Store:
    """One evidence folder. Whatever is written passes the redactor first."""

    def __init__(self, folder: Path, redactor: Redactor | None = None) -> None:
        self.folder = folder
        self.redactor = redactor or Redactor()

    def prepare(self) -> None:
        """Make the folder and prove that it can be written. Raises EvidenceUnwritable."""
        with writable(self.folder):
            (self.folder / "records").mkdir(parents=True, exist_ok=True)
            (self.folder / "raw" / "sha256").mkdir(parents=True, exist_ok=True)
            probe = self.folder / "records" / ".probe"
            write_whole(probe, b"")
            probe.unlink()

    def start(self, record: Record) -> None:
        """Keep a record as started: should the run die, it reads as not run."""
        self._write("started", record, record.started_at)

    def finish(self, record: Record) -> Record:
        """Keep the finished record in the place of the started one; return it as it was written (redacted)."""
        return self._write("finished", record, record.finished_at or record.started_at)

    def _write(self, kind: str, record: Record, at: str) -> Record:
        content = canonical(self.redactor.values(plain(record)))
        with writable(self.folder):
            # The ledger first: a writer killed in between leaves an announced record, never an unexplained one.
            ledger.append(self.folder / "ledger.jsonl", kind, record.id, content, at)
            write_whole(self._path(record.id), content)
        return record_from(content, record.id)

    def _path(self, record: str) -> Path:
        return self.folder / "records" / f"{record}.json"

    def keep(self, content: bytes) -> str:
        """Keep raw bytes by content and return their SHA-256."""
        content = self.redactor.content(content)
        name = digest(content)
        path = self.folder / "raw" / "sha256" / name[:2] / name
        with writable(self.folder):
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, content)
        return name

    def raw(self, name: str) -> bytes | None:
        """Return raw bytes by digest, None when they are not here or not what the digest says."""
        path = self.folder / "raw" / "sha256" / name[:2] / name
        content = path.read_bytes() if path.is_file() else b""
        return content if digest(content) == name else None

    def records(self) -> list[Record]:
        """Return all records, checked against the ledger, in the order in which the ledger has their starts.

        Not by their times: clocks go back. A record that was announced and never written, or not beyond its start, is that
        of a run that died. Raises EvidenceDamaged when a record was changed, removed or added by hand, a raw file is not what
        it was, or the folder cannot be read.
        """
        try:
            return self._records()
        except OSError as error:
            message = f"The evidence folder {self.folder} cannot be read: {error.strerror}."
            raise EvidenceDamaged(message, hint="Check --evidence-dir and its rights.") from None

    def _records(self) -> list[Record]:
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(20, "it is not a folder")
        announced: dict[str, list[ledger.Entry]] = {}
        for entry in ledger.read(self.folder / "ledger.jsonl"):
            announced.setdefault(entry.record, []).append(entry)
        for path in (self.folder / "records").glob("[!.]*.json"):
            if path.stem not in announced:
                raise EvidenceDamaged(f"Record {path.stem} is not in the ledger.", hint=_AGAIN)
        return [self._checked(name, entries) for name, entries in announced.items()]

    def _checked(self, name: str, entries: list[ledger.Entry]) -> Record:
        path = self._path(name)
        if not path.is_file():
            if [entry.kind for entry in entries] == ["started"]:
                return record_from(entries[0].content.encode(), f"Record {name}")
            raise EvidenceDamaged(f"Record {name} is missing although the ledger names it.", hint=_AGAIN)
        content = path.read_bytes()
        payloads = [entry.payload for entry in entries]
        if digest(content) not in payloads[-2:]:
            raise EvidenceDamaged(f"Record {name} was changed after it was written.", hint=_AGAIN)
        record = record_from(content, f"Record {name}")
        if digest(content) != payloads[-1] and record.finished_at is not None:
            raise EvidenceDamaged(f"Record {name} is not the last one that the ledger names.", hint=_AGAIN)
        for raw in record.raw:
            if self.raw(raw) is None:
                raise EvidenceDamaged(f"Record {name} rests on raw data {raw[:12]} that is missing or changed.", hint=_AGAIN)
        return record

    def write(self, name: str, content: bytes) -> Path:
        """Write a derived file (report, junit.xml, ...) into the folder."""
        path = self.folder / name
        with writable(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, self.redactor.content(content))
        return path
