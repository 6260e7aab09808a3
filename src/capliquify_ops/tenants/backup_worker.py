"""The program that backs tenants up, one of several at a time: Python runs one thread at a time, and half the work is its own.

Its standard input gives where to connect and the job, then tenants; its standard output takes an outcome for each. It ends when
its input does, so it never outlives who started it by more than the tenant that it is at.
"""

import os
import pickle
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import IO

from capliquify_ops.database import Session, observer
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.archive.naming import file_name
from capliquify_ops.tenants.backup import Source, backup_source
from capliquify_ops.tenants.backup_job import Access, Job, Outcome
from capliquify_ops.tenants.registry import Tenant

_ENDS_S = 60


class Here:
    """Backs tenants up in this process, over connections that do not grow old."""

    def __init__(self, access: Access, job: Job) -> None:
        self._access, self._job = access, job
        self._stack = ExitStack()
        self._session: Session | None = None
        self._left = 0

    def back_up(self, tenant: Tenant) -> Outcome:
        """Back one tenant up. What goes wrong is the outcome; the session may be lost then, so the next tenant gets another."""
        path = self._job.folder / file_name(tenant, self._job.stamp)
        source = Source(tenant.schema_name, tenant, self._job.registry, self._job.shared)
        try:
            return Outcome(tenant, backup_source(self._connected(), source, path, tool=self._job.tool))
        except OpsError as fault:
            self.close()
            return Outcome(tenant, None, str(fault))

    def close(self) -> None:
        """Let go of the connection."""
        self._session, self._left = None, 0
        self._stack.close()

    def _connected(self) -> Session:
        if self._session is None or not self._left:
            self.close()
            opened: AbstractContextManager[Session] = observer(self._access.url, "fleet backup", pooled=self._access.pooled)
            self._session, self._left = self._stack.enter_context(opened), self._job.tenants_per_connection
        self._left -= 1
        return self._session


@dataclass(slots=True)
class Elsewhere:
    """Backs tenants up in a process of its own, and in another one when that has ended."""

    access: Access
    job: Job
    _process: subprocess.Popen[bytes] | None = None

    def back_up(self, tenant: Tenant) -> Outcome:
        """Back one tenant up."""
        try:
            process = self._process = self._process or self._started()
            given, answers = _pipes(process)
            pickle.dump(tenant, given)
            given.flush()
            outcome: Outcome = pickle.load(answers)  # noqa: S301 -- from our own program
        except (OSError, EOFError, pickle.UnpicklingError) as fault:
            code = self._ended()
            why = f"ended ({code})" if code is not None else f"could not be started ({fault})"
            return Outcome(tenant, None, f"The process that backs it up {why}. Run the command again.")
        return outcome

    def close(self) -> None:
        """End the process; it is at no tenant."""
        self._ended()

    def _ended(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in _pipes(process):
            with suppress(OSError):  # what it did not take any more
                pipe.close()
        try:
            return process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        # A group of its own: whoever interrupts the command interrupts who started us, and the process goes by its input.
        command = [sys.executable, "-P", "-m", __name__]
        process = self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        # Through the pipe, where nobody else looks: a password is no argument.
        pickle.dump((self.access.url.reveal(), self.access.pooled, self.job), _pipes(process)[0])
        return process


def outcome_of(worker: Here | Elsewhere, tenant: Tenant) -> Outcome:
    """Back one tenant up, whatever happens: who waits for a tenant must hear of it, and no traceback shows what it held."""
    try:
        return worker.back_up(tenant)
    except Exception as fault:  # noqa: BLE001 -- as said
        return Outcome(tenant, None, f"The backup failed: {type(fault).__name__}.")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def main() -> None:
    """Be the program."""
    given, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever else prints does not print between the answers.
    os.dup2(2, 1)
    url, pooled, job = pickle.load(given)  # noqa: S301 -- from who started us
    worker = Here(Access(Secret(url), pooled=pooled), job)
    try:
        while True:
            try:
                tenant = pickle.load(given)  # noqa: S301 -- from who started us
            except EOFError:
                return
            pickle.dump(outcome_of(worker, tenant), answers)
            answers.flush()
    except BrokenPipeError:
        return
    finally:
        worker.close()


if __name__ == "__main__":
    main()
