"""Back many tenants up: some at a time, past failures, resumable, with connections that do not grow old."""

import fcntl
import json
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from capliquify_ops.model.errors import ArchiveUnwritable
from capliquify_ops.tenants.archive.naming import stamp_of
from capliquify_ops.tenants.backup_job import Access, Job, Outcome
from capliquify_ops.tenants.backup_worker import Elsewhere, Here, outcome_of
from capliquify_ops.tenants.registry import Tenant


def fleet_backup(access: Access, tenants: Sequence[Tenant], job: Job) -> Iterator[Outcome]:
    """Back tenants up and yield what became of each, as they end. A tenant that fails does not stop the others.

    Stopping to iterate stops the workers after the tenants that they are at; what is unfinished leaves no file.
    """
    waiting: queue.SimpleQueue[Tenant] = queue.SimpleQueue()
    for tenant in tenants:
        waiting.put(tenant)
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    stop = threading.Event()
    number = min(job.workers, len(tenants))
    workers = [Elsewhere(access, job) for _ in range(number)] if number > 1 else [Here(access, job)]
    threads = [threading.Thread(target=_work, args=(worker, waiting, ended, stop), name="backup") for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for _ in tenants:
            yield ended.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(
    worker: Here | Elsewhere,
    waiting: "queue.SimpleQueue[Tenant]",
    ended: "queue.SimpleQueue[Outcome]",
    stop: threading.Event,
) -> None:
    with closing(worker):
        while not stop.is_set():
            try:
                tenant = waiting.get_nowait()
            except queue.Empty:
                return
            ended.put(outcome_of(worker, tenant))


class Progress:
    """The journal of a run in its folder: one line a tenant. A run without its last line is unfinished, and is gone on with."""

    def __init__(self, folder: Path, stamp: str, only: Sequence[str] = ()) -> None:
        self.stamp = stamp
        self.only = sorted(only)
        self.path = folder / f"fleet-{stamp}.jsonl"

    @classmethod
    def unfinished(cls, folder: Path, since: datetime, only: Sequence[str] = ()) -> "Progress | None":
        """Return the newest run over the same tenants that has not ended; one from before `since` is too old to go on with."""
        for path in sorted(folder.glob("fleet-*.jsonl"), reverse=True):
            stamp, lines = path.stem.removeprefix("fleet-"), _lines(path)
            chosen = next((line["only"] for line in lines if "only" in line), [])
            if stamp >= stamp_of(since) and chosen == sorted(only) and not any("finished" in line for line in lines):
                return cls(folder, stamp, only)
        return None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Own the run, and write down which tenants it is over; nothing where they are all.

        Raises ArchiveUnwritable while another process owns it.
        """
        is_new = not self.path.exists()
        try:
            file = self._open()
        except OSError as error:
            raise self._unwritable(error) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = f"Another fleet backup is running in {self.path.parent}."
                raise ArchiveUnwritable(message, hint="Wait until it has ended, or choose another folder.") from None
            if self.only and is_new:
                self._append({"only": self.only})
            yield

    def done(self) -> set[str]:
        """Return the ids of the tenants whose archive is there."""
        return {
            str(line["id"])
            for line in _lines(self.path)
            if line.get("sha256") and (self.path.parent / str(line["file"])).is_file()
        }

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a tenant."""
        line: dict[str, str | int] = {"id": str(outcome.tenant.id), "slug": outcome.tenant.slug}
        if outcome.receipt:
            line |= {"file": Path(outcome.receipt.path).name, "sha256": outcome.receipt.sha256, "bytes": outcome.receipt.bytes}
        else:
            line["why"] = outcome.why
        self._append(line)

    def finish(self, failed: int) -> None:
        """Write down that the run went over every tenant."""
        self._append({"finished": True, "failed": failed})

    def _append(self, line: Mapping[str, str | int | list[str]]) -> None:
        try:
            with self._open() as file:
                # The line before may have been cut: it stays the only one that is lost.
                file.write(b"\n" + json.dumps(line, sort_keys=True).encode() + b"\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _open(self) -> BinaryIO:
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb")

    def _unwritable(self, error: OSError) -> ArchiveUnwritable:
        return ArchiveUnwritable(f"{self.path} cannot be written: {error.strerror}.", hint="Choose another folder.")


def owners(folder: Path) -> dict[str, str]:
    """Return which tenant's id each archive is of that a run in the folder wrote."""
    lines = [line for path in folder.glob("fleet-*.jsonl") for line in _lines(path)]
    return {str(line["file"]): str(line["id"]) for line in lines if line.get("sha256")}


def _lines(path: Path) -> list[dict[str, object]]:
    """Read a journal; a last line that was cut is no line."""
    found = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found
