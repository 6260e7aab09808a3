"""Several stacks at once: a process for each, which is given whole stacks and tells how each run ended. The journal has one writer.

A worker that dies loses the run that it was at; its stack ends with it, and another worker goes on. When this process dies, however,
the workers' standard input closes: they end at once, and their stacks with them.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from statistics import fmean

START_S, WORLD_S = 5.0, 2.0
USUAL_S = {"quick": 60.0, "full": 300.0}
"""What a stack, a world and a whole audit take where no earlier run says so; a single check takes RUN_S."""
RUN_S = 10.0
MOST_DEATHS = 2
"""Workers that one stack may cost before its runs are given up until the next start."""
DONE = "done"


class Journal:
    """How each job ended, by its key: one line of JSON each. Runs that never came to be are forgotten by the next start."""

    def __init__(self, path: Path, digest: str, at_once: int = 1) -> None:
        self._path, self._digest, self._at_once = path, digest, at_once
        self._lock = threading.Lock()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [row for line in lines if (row := _parsed(line))]
        self.done = {row["key"]: row for row in rows if row["digest"] == digest and not row.get("again")}
        self._seconds = defaultdict(list)
        for row in rows:
            self._seconds[row["of"], row["check"]].append(row["seconds"])

    def keep(self, job, ended):
        row = {"digest": self._digest, "key": job.key, "part": job.part, "of": job.of, "check": job.check}
        row |= {"shape": job.stack.shape, "order": job.order, "at_once": self._at_once, **ended}
        seen = ", ".join(row.get("seen", {})) or row.get("why", "")
        with self._lock:
            self.done[job.key] = row
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as journal:
                # What a killed writer left of its last line is ended, so that it spoils no other one.
                journal.write((b"" if _is_ended(self._path) else b"\n") + json.dumps(row).encode() + b"\n")
            print(f"{job.key}: {row.get('outcome', '')} {row['seconds']:.1f} s: {seen[:200]}", flush=True)

    def expected_s(self, batch) -> float:
        """Return what the jobs of one stack will take: what earlier ones took, whatever library they ran on."""
        return START_S + sum(WORLD_S * (not job.shares) + self._expected_run_s(job) for job in batch)

    def _expected_run_s(self, job):
        known = self._seconds.get((job.of, job.check))
        return fmean(known) if known else USUAL_S.get(job.check, RUN_S)


def _parsed(line):
    with suppress(ValueError):
        return json.loads(line)
    return None


def _is_ended(path):
    with path.open("rb") as journal:
        if not journal.seek(0, os.SEEK_END):
            return True
        journal.seek(-1, os.SEEK_END)
        return journal.read(1) == b"\n"


def in_order(batches, journal):
    """Services that are right first, as the protocol asks; of each kind the longest first, so that the end has no tail."""
    return sorted(batches, key=lambda batch: (batch[0].part != "clean", -journal.expected_s(batch)))


def perform_at_once(batches, journal, command: Sequence[str], at_once: int, given_up: Callable) -> None:
    """Run batches of jobs, each the whole of one stack, in so many processes. `given_up(job, why)`: what stands for a lost one."""
    crew = Crew(deque(in_order(batches, journal)), journal, command, given_up)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for thread in [pool.submit(crew.go_on) for _ in range(at_once)]:
                thread.result()
        finally:
            crew.stop()


class Crew:
    """Threads, each with a worker, that share what is left."""

    def __init__(self, left: deque, journal: Journal, command: Sequence[str], given_up: Callable) -> None:
        self._left, self._journal, self._command, self._given_up = left, journal, command, given_up
        self._lock, self._is_stopped, self._workers = threading.Lock(), False, []

    def go_on(self) -> None:
        """Perform batch after batch until none is left."""
        worker = None
        try:
            while not self._is_stopped:
                with self._lock:
                    if not self._left:
                        return
                    batch = self._left.popleft()
                worker = self._performed(batch, worker)
        finally:
            if worker is not None:
                worker.end()

    def _performed(self, batch, worker):
        """Perform one, with another worker where one dies; return the worker that is left."""
        for _ in range(MOST_DEATHS):
            worker = worker or self._new_worker()
            if worker.perform(self._open(batch), self._journal):
                return worker
            worker.end()
            worker = None
            if self._is_stopped:
                return None
        for job in self._open(batch):
            self._journal.keep(job, self._given_up(job, "Its worker died."))
        return None

    def _open(self, batch):
        return [job for job in batch if job.key not in self._journal.done]

    def _new_worker(self):
        worker = Worker(self._command)
        with self._lock:
            self._workers.append(worker)
        if self._is_stopped:
            worker.kill()
        return worker

    def stop(self) -> None:
        """End all workers; the threads see that, and close what they have."""
        self._is_stopped = True
        with self._lock:
            workers = [*self._workers]
        for worker in workers:
            worker.kill()


class Worker:
    """A process of its own session that performs batches."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def perform(self, batch, journal) -> bool:
        """Hand it a batch and keep how each job ended. False when the process died meanwhile."""
        jobs = {job.key: job for job in batch}
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([*jobs]) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                if not line.endswith("\n"):
                    return False
                key, ended = json.loads(line)
                if key == DONE:
                    return True
                journal.keep(jobs[key], ended)
        return False

    def kill(self) -> None:
        """End it and what it started besides stacks, which end by themselves. Any thread may call it, and again."""
        with self._lock:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def end(self) -> None:
        """Kill it and close its pipes: for the thread that reads them."""
        self.kill()
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()


class Teller:
    """What a worker has for a journal: it tells its parent."""

    def __init__(self, stream) -> None:
        self.done, self._stream = {}, stream

    def keep(self, job, ended):
        self.done[job.key] = ended
        self.tell(job.key, ended)

    def tell(self, key, ended=None):
        self._stream.write(json.dumps([key, ended]) + "\n")
        self._stream.flush()


def work(jobs: Iterable, perform: Callable) -> int:
    """Be a worker: perform what standard input asks for until it closes; when it does in the middle of something, end at once."""
    known = {job.key: job for job in jobs}
    wanted, is_busy = SimpleQueue(), threading.Event()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stream:
        # What is printed is for people.
        os.dup2(2, 1)
        threading.Thread(target=_listen, args=(wanted, is_busy), daemon=True).start()
        while (line := wanted.get()) is not None:
            teller = Teller(stream)
            perform([known[key] for key in json.loads(line)], teller)
            is_busy.clear()
            teller.tell(DONE)
    return 0


def _listen(wanted, is_busy):
    for line in sys.stdin:
        is_busy.set()
        wanted.put(line)
    if is_busy.is_set():
        os.killpg(0, signal.SIGKILL)
    wanted.put(None)
