"""That the diagnosis names what was done to a running service: each condition caused for real, all issues asked at once, through the command.

    python tests/proof/diagnostics.py --state FILE [--only WORD]

An embedded stack serves light traffic of seven tenants. Without a fault nothing may be found, fifty times; then each fault alone, and
two at once. What the person on call sees is kept for docs/reference/proof-diagnostics.md. A changed library starts the proof again.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from capliquify_ops.cli.app import run as command
from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import TokenRequest
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference.tokens import make_tokens
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.unit.integrations import fake_clerk, fake_render  # noqa: E402 -- `tests` is no package of the environment
from tests.unit.integrations.conftest import Fake  # noqa: E402
from tests.unit.integrations.conftest import Fault as Answer  # noqa: E402

PAGE = ROOT / "docs/reference/proof-diagnostics.md"
TENANTS = 7
HEALTHY = 50
LONG_S = 40.0


class Scene:
    """A stack that serves its tenants, a Render and a Clerk beside it, and the configuration that names them."""

    def __init__(self, running: embedded.Stack, folder: Path) -> None:
        self.running, self.folder = running, folder
        self.target = load_settings(running.config, environment={}).targets["running"]
        self.render, self.clerk = fake_render.FakeRender(), fake_clerk.FakeClerk()
        self.render.now = datetime.now(UTC) - timedelta(hours=6)
        self.service = self.render.add(instances=2)
        self.render.variables[self.service] = {"DATABASE_URL": "postgresql://secret", "CLERK_SECRET_KEY": "sk_secret"}
        self.render.now = datetime.now(UTC)
        self.servers = [Fake(self.render), Fake(self.clerk.answer)]
        self.tenants, self.headers = [], []
        with self.connection("superuser", "proof", autocommit=True) as connection:
            connection.execute(
                f"GRANT pg_signal_backend, pg_read_all_stats TO {quoted(running.roles.operator)} WITH INHERIT TRUE"
            )
        self._people()
        self.config = self._configured()
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._ask, daemon=True)
        self._worker.start()

    def close(self) -> None:
        self._stop.set()
        self._worker.join(30)
        for server in self.servers:
            server.close()

    def _people(self) -> None:
        asked = []
        with operator(self.target.changing_url(), "proof") as session:
            for number in range(TENANTS):
                slug = f"t{number}-{uuid.uuid4().hex[:8]}"
                owner = FirstUser(f"user_{number + 1}", f"{slug}@example.com", "Owner")
                new = NewTenant(uuid.uuid4(), slug, slug, f"org_{number}", status="active", owner=owner, company="A Ltd")
                self.tenants.append(create(session, self.target.roles, new, actor="proof"))
                self.clerk.join(owner.clerk_user_id, new.organization)
                asked.append(TokenRequest(owner.clerk_user_id, owner.email, new.organization, "owner"))
        tokens = make_tokens(self.running.run_folder, asked, SystemClock())
        self.headers = [
            {"Authorization": f"Bearer {token}", "X-Organization-ID": one.organization_id}
            for token, one in zip(tokens, asked, strict=True)
        ]

    def _configured(self) -> Path:
        text = self.running.config.read_text(encoding="utf-8")
        render, clerk = (server.url for server in self.servers)
        text = text.replace(
            "[targets.running.roles]",
            f"""[targets.running.integrations.render]
token = "{fake_render.TOKEN}"
service = "{self.service}"
base_url = "{render}/v1"
[targets.running.integrations.clerk]
secret_key = "{fake_clerk.SECRET_KEY}"
base_url = "{clerk}/v1"
[limits]
idle_in_transaction_s = 1
provisioning_grace_s = 0
[targets.running.roles]""",
        )
        path = self.folder / "capliquify-ops.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def _ask(self) -> None:
        """Light traffic: about fifty requests a second, whatever becomes of them."""
        while not self._stop.is_set():
            with contextlib.suppress(OpsError), Client(self.running.base_url, timeout_s=2.0) as client:
                for headers in self.headers:
                    client.request("GET", "/api/products", headers=headers)
                    self._stop.wait(0.02)

    def schema(self, number: int) -> str:
        return self.tenants[number].schema_name

    def owner(self, *statements: str) -> None:
        with (
            operator(self.target.changing_url(), "proof") as session,
            session.transaction(),
            as_owner(session, self.target.roles),
        ):
            for statement in statements:
                session.script(composed(statement))

    def connection(self, who: str = "app", name: str = "worker-forecast", **given: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(getattr(self.running, f"{who}_url"), application_name=name, **given)

    def look(self, *issues: str) -> "Seen":
        """Ask as the person on call does, and read the screen and the document."""
        said, document = (self._run(*issues, *more) for more in ((), ("--json",)))
        return Seen(
            said, {each["issue"]: [cause["name"] for cause in each["causes"]] for each in json.loads(document)["diagnoses"]}
        )

    def mend(self, *arguments: str) -> str:
        """Run a remedy as a person does who has read the screen; return the command and what it said."""
        asked, out = ("remedy", "run", *arguments), io.StringIO()
        with contextlib.redirect_stdout(out):
            command([*asked, *self._where(), "--log", str(self.folder / "actions.jsonl"), "--yes"])
        return f"$ capliquify-ops {' '.join(asked)}\n{out.getvalue()}"

    def trail(self) -> str:
        """Return what the log of actions has kept."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            command(["remedy", "trail", "--config", str(self.config), "--log", str(self.folder / "actions.jsonl")])
        return out.getvalue()

    def _where(self) -> tuple[str, ...]:
        return ("--config", str(self.config), "--target", "running")

    def _run(self, *arguments: str) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            command(["diagnose", *arguments, *self._where()])
        return out.getvalue()


@dataclasses.dataclass(frozen=True)
class Seen:
    """A screen, and the causes by issue."""

    screen: str
    causes: dict[str, list[str]]

    @property
    def wrong(self) -> dict[str, list[str]]:
        return {issue: names for issue, names in self.causes.items() if names}


@dataclasses.dataclass(frozen=True)
class Condition:
    """Something that is done to the service, and which issue must name it first, and the remedy that must help against it."""

    title: str
    issue: str
    first: str
    cause: Callable[[Scene], AbstractContextManager[object]]
    remedy: Callable[[Scene, Seen], tuple[str, ...]] | None = None


@contextlib.contextmanager
def stopped(scene: Scene, word: str) -> Iterator[None]:
    """Stop the processes of the stack whose command line holds a word."""
    pids = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if word.encode() in line and str(scene.running.run_folder).encode() in line:
                pids.append(int(entry.name))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def leaked(scene: Scene) -> Iterator[None]:
    """Three sessions of one program leave their transactions open, each in another tenant."""
    with contextlib.ExitStack() as held:
        for number in (1, 5, 6):
            connection = held.enter_context(contextlib.closing(scene.connection()))
            connection.execute(f"SELECT * FROM {quoted(scene.schema(number))}.products WHERE sku = 'secret-{number}'")
        time.sleep(1.2)  # as long as the limit of this configuration
        yield


@contextlib.contextmanager
def queued(scene: Scene) -> Iterator[None]:
    """A forgotten reader, a change of the table behind it, and everybody's requests behind that."""
    schema = quoted(scene.schema(0))
    with scene.connection(name="report") as reader:
        reader.execute(f"SELECT count(*) FROM {schema}.products")
        waiting = threading.Thread(target=_tried, args=(scene, f"ALTER TABLE {schema}.products ADD COLUMN late text"))
        waiting.start()
        _until(
            scene,
            "SELECT count(*) > 2 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND clock_timestamp() - query_start > '1.2 s'",
        )
        yield
        with contextlib.suppress(psycopg.Error):
            reader.rollback()
    waiting.join(30)
    scene.owner(f"ALTER TABLE {schema}.products DROP COLUMN IF EXISTS late")


def _tried(scene: Scene, statement: str) -> None:
    with contextlib.suppress(psycopg.Error), scene.connection("superuser", "migration") as connection:
        connection.execute(statement)


def _until(scene: Scene, question: str) -> None:
    end = time.monotonic() + 30
    with scene.connection("superuser", "proof", autocommit=True) as connection:
        while not connection.execute(question).fetchone()[0]:
            if time.monotonic() > end:
                raise AssertionError(question)
            time.sleep(0.05)


@contextlib.contextmanager
def filled_pool(scene: Scene) -> Iterator[None]:
    """One tenant's table is locked, and its users ask again and again: all connections of the pool wait for it."""
    with scene.connection(name="nightly-import") as holder, contextlib.ExitStack() as busy:
        holder.execute(f"LOCK TABLE {quoted(scene.schema(1))}.products")
        stop = threading.Event()
        busy.callback(stop.set)
        for _ in range(16):
            threading.Thread(target=_insists, args=(scene, stop, 1, "/api/products"), daemon=True).start()
        _until(
            scene,
            "SELECT count(*) >= 9 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND clock_timestamp() - query_start > '1.2 s'",
        )
        yield
        with contextlib.suppress(psycopg.Error):
            holder.rollback()


def _insists(scene: Scene, stop: threading.Event, tenant: int, path: str) -> None:
    while not stop.is_set():
        with contextlib.suppress(OpsError), Client(scene.running.base_url, timeout_s=20.0) as client:
            client.request("GET", path, headers=scene.headers[tenant])


@contextlib.contextmanager
def without_schema(scene: Scene) -> Iterator[None]:
    scene.owner(f"DROP SCHEMA {quoted(scene.schema(0))} CASCADE")
    try:
        yield
    finally:
        with scene.connection("superuser", "proof", autocommit=True) as connection:
            there = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [quoted(scene.schema(0))]).fetchone()[0]
        if not there:
            scene.owner(f"SELECT public.create_tenant_schema('{scene.tenants[0].id}')")


@contextlib.contextmanager
def without_column(scene: Scene) -> Iterator[None]:
    tables = [f"ALTER TABLE {quoted(scene.schema(number))}.products" for number in (2, 3, 4)]
    scene.owner(*(f"{table} RENAME COLUMN category TO was_category" for table in tables))
    try:
        yield
    finally:
        scene.owner(*(f"{table} RENAME COLUMN was_category TO category" for table in tables))


@contextlib.contextmanager
def without_right(scene: Scene) -> Iterator[None]:
    role = quoted(scene.running.roles.app)
    tables = [f"SELECT ON {quoted(each.schema_name)}.products" for each in scene.tenants]
    scene.owner(*(f"REVOKE {table} FROM {role}" for table in tables))
    try:
        yield
    finally:
        scene.owner(*(f"GRANT {table} TO {role}" for table in tables))


@contextlib.contextmanager
def slow_tenant(scene: Scene) -> Iterator[None]:
    """One tenant has many sales and lost the index of its newest: its users wait until all have been read and sorted."""
    schema, stop = quoted(scene.schema(5)), threading.Event()
    with scene.connection("superuser", "proof", autocommit=True) as connection:
        connection.execute(f"DROP INDEX {schema}.sales_created_at_idx")
        connection.execute(
            f"WITH c AS (INSERT INTO {schema}.companies (name) VALUES ('Many') RETURNING id), p AS (INSERT INTO {schema}.products"
            f" (company_id, sku, name) SELECT id, 'many', 'many' FROM c RETURNING id, company_id) INSERT INTO {schema}.sales"
            " (company_id, product_id, sold_on, quantity, unit_price, created_at) SELECT company_id, id, current_date, 1, 1,"
            " now() - g * interval '1 second' FROM p, generate_series(1, 600000) AS g"
        )
        connection.execute(f"ANALYZE {schema}.sales")
        workers = [threading.Thread(target=_insists, args=(scene, stop, 5, "/api/sales"), daemon=True) for _ in range(6)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            stop.set()
            for worker in workers:
                worker.join(30)
            connection.execute(f"TRUNCATE {schema}.sales")
            connection.execute(f"DELETE FROM {schema}.products WHERE sku = 'many'")
            connection.execute(f"CREATE INDEX IF NOT EXISTS sales_created_at_idx ON {schema}.sales (created_at)")


@contextlib.contextmanager
def limited_provider(scene: Scene) -> Iterator[None]:
    """The identity provider refuses by rate, and the service, which lost its tokens' key, refuses with it."""
    scene.servers[1].faults += [Answer(status=429, body={"errors": []}, headers={"Retry-After": "30"})] * 50
    with without_right(scene):
        yield
    scene.servers[1].faults.clear()


@contextlib.contextmanager
def failed_deploy(scene: Scene) -> Iterator[None]:
    """A push whose build lacks a setting."""
    deploy = scene.render._new_deploy(
        scene.service, "new_commit", {"id": "c0ffee1", "message": "Read the bucket"}, "build_in_progress"
    )
    scene.render.say(scene.service, "Error: missing required environment variable REPORT_BUCKET", kind="build")
    scene.render.now += timedelta(seconds=1)
    deploy |= {"status": "build_failed", "finishedAt": scene.render._stamp()}
    scene.render.now = datetime.now(UTC)
    try:
        yield
    finally:
        scene.render.deploys[scene.service].remove(deploy)


@contextlib.contextmanager
def out_of_memory(scene: Scene) -> Iterator[None]:
    scene.render.crash(scene.service, oomKilled={"memoryLimit": "512Mi"})
    try:
        yield
    finally:
        scene.render.events[scene.service].clear()


@contextlib.contextmanager
def growing_memory(scene: Scene) -> Iterator[None]:
    """The platform's chart of the last hours climbs by half a megabyte a minute, with the noise that charts have."""
    steady, scene.render.memory = scene.render.memory, lambda minutes: (180 + 0.5 * minutes + 4 * (minutes % 3)) * 2**20
    try:
        yield
    finally:
        scene.render.memory = steady


@contextlib.contextmanager
def planted_member(scene: Scene) -> Iterator[None]:
    """Somebody of one organisation is let into another tenant by hand, and the service records what he reaches for."""
    tenant = scene.tenants[6]
    with scene.connection("superuser", "proof", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO public.users (clerk_user_id, email, tenant_id) VALUES ('user_1', 'planted@example.com', %s)", [tenant.id]
        )
        connection.execute("INSERT INTO public.audit_logs (tenant_id, action) VALUES (%s, 'unauthorized_access')", [tenant.id])
        yield
        connection.execute("DELETE FROM public.users WHERE email = 'planted@example.com'")
        connection.execute("DELETE FROM public.audit_logs WHERE action = 'unauthorized_access'")


@contextlib.contextmanager
def both(scene: Scene, *causes: Callable[[Scene], AbstractContextManager[object]]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for cause in causes:
            stack.enter_context(cause(scene))
        yield


CONDITIONS = (
    Condition("the database stands still", "service-down", "database", lambda scene: stopped(scene, "postgres")),
    Condition("the service stands still", "service-down", "service", lambda scene: stopped(scene, "reference.service")),
    Condition("an instance used too much memory", "service-down", "out of memory", out_of_memory),
    Condition(
        "a tenant's schema is gone",
        "error-rate",
        "missing schema",
        without_schema,
        lambda scene, _: ("provision-schema", str(scene.tenants[0].slug)),
    ),
    Condition("three tenants lack a column", "error-rate", "drift of 3 tenants", without_column),
    Condition("the identity provider answers 429", "error-rate", "identity provider", limited_provider),
    Condition("a burst of errors that nothing explains", "error-rate", "errors", without_right),
    Condition(
        "one tenant's large table lost its index",
        "slow-responses",
        "missing index",
        slow_tenant,
        lambda *_: ("create-missing-indexes",),
    ),
    Condition(
        "a change of a table waits behind a forgotten reader",
        "slow-responses",
        "change of a table in the queue",
        queued,
        lambda _, seen: ("end-blocker", "--pid", _pid(seen)),
    ),
    Condition(
        "transactions are left open",
        "connection-exhaustion",
        "leaked transactions",
        leaked,
        lambda *_: ("end-idle-transactions", "--over", "1"),
    ),
    Condition(
        "the pool is used up by sessions that wait",
        "connection-exhaustion",
        "blocked sessions",
        filled_pool,
        lambda _, seen: ("end-blocker", "--pid", _pid(seen)),
    ),
    Condition(
        "somebody is let into another tenant", "cross-tenant-access", "unauthorized access in the audit log", planted_member
    ),
    Condition("the service's memory grows", "memory", "memory leak", growing_memory),
    Condition(
        "a deploy lacks a setting",
        "failed-deployment",
        "missing environment variable",
        failed_deploy,
        lambda *_: ("set-environment-variable", "REPORT_BUCKET", "--value-env", "HOME", "--deploy-now"),
    ),
)


def _pid(seen: Seen) -> str:
    """The session that the screen says to end."""
    return re.search(r"end-blocker --pid (\d+)", seen.screen)[1]


PAIRS = (
    (without_schema, "error-rate", "missing schema"),
    (without_column, "error-rate", "drift of 3 tenants"),
    (leaked, "connection-exhaustion", "leaked transactions"),
    (planted_member, "cross-tenant-access", "unauthorized access in the audit log"),
    (growing_memory, "memory", "memory leak"),
    (failed_deploy, "failed-deployment", "missing environment variable"),
    (out_of_memory, "service-down", "out of memory"),
)


def tried(scene: Scene, condition: Condition) -> tuple[str, str]:
    """Cause one condition; return what was wrong about what was said ("" for nothing), and the screen."""
    mended = ""
    with condition.cause(scene):
        seen = scene.look(condition.issue)
        names = seen.causes[condition.issue]
        if names[:1] != [condition.first]:
            return f"said {names}", seen.screen
        if condition.remedy:
            mended = scene.mend(*condition.remedy(scene, seen))
    wrong = "" if "helped: Gone" in mended or not condition.remedy else "the remedy did not help"
    return wrong or quiet(scene, condition.issue), f"{seen.screen}{mended}"


def quiet(scene: Scene, *issues: str) -> str:
    """Wait until nothing is found any more; return what still is, "" for nothing."""
    end = time.monotonic() + LONG_S
    while wrong := scene.look(*issues).wrong:
        if time.monotonic() > end:
            return f"afterwards still {wrong}"
    return ""


def run(path: Path | None, only: str) -> int:
    """Run the whole proof; return how many conditions were judged wrongly."""
    state = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    if state.get("of") != (of := _digest()):
        state = {"of": of, "done": {}, "screens": {}}

    def keep(name: str, wrong: str, screen: str = "") -> None:
        print(f"{name}: {wrong or 'right'}", flush=True)
        state["done"][name] = wrong
        state["screens"][name] = screen
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(state), encoding="utf-8")

    with embedded.start() as running, tempfile.TemporaryDirectory() as folder:
        scene = Scene(running, Path(folder))
        try:
            for name, one in _all(scene):
                if only in name and state["done"].get(name) != "":
                    keep(name, *one())
            if not only:
                state["screens"]["trail"] = scene.trail()
        finally:
            scene.close()
    if not only:
        _write(state)
    return sum(wrong != "" for wrong in state["done"].values())


def _all(scene: Scene) -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
    yield f"nothing is wrong, {HEALTHY} times", lambda: healthy(scene)
    for condition in CONDITIONS:
        yield condition.title, lambda condition=condition: tried(scene, condition)
    for number, (first, *told) in enumerate(PAIRS):
        for second, *also in PAIRS[number + 1 :]:
            yield f"{told[1]} and {also[1]}", lambda pair=((first, *told), (second, *also)): paired(scene, *pair)


def healthy(scene: Scene) -> tuple[str, str]:
    """Ask so many times for all issues: nothing may be found, and all that are configured must answer."""
    longest = 0.0
    for number in range(HEALTHY):
        began = time.monotonic()
        seen = Seen(scene._run(), {})
        longest = max(longest, time.monotonic() - began)
        if strange := [line for line in seen.screen.splitlines() if line.startswith(("WRONG", "UNKNOWN"))]:
            return f"time {number + 1}: {strange}", seen.screen
    return "", f"{seen.screen}(the longest of {HEALTHY} times took {longest:.1f} s)\n"


def paired(scene: Scene, *told: tuple[Any, str, str]) -> tuple[str, str]:
    with both(scene, *(cause for cause, _, _ in told)):
        seen = scene.look()
    missing = [name for _, issue, name in told if name not in seen.causes[issue]]
    return (f"missed {missing}, said {seen.wrong}" if missing else quiet(scene, *{issue for _, issue, _ in told})), seen.screen


def _digest() -> str:
    library = ROOT / "src/capliquify_ops"
    folders = ("diagnostics", "observation", "integrations")
    files = [file for folder in folders for file in sorted((library / folder).glob("**/*.*")) if file.suffix in {".py", ".sql"}]
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*files, Path(__file__)))).hexdigest()


def _write(state: dict[str, Any]) -> None:
    """Write the page: what was caused, what was said, and the screens."""
    lines = [PREFACE, "| condition | named rightly, gone afterwards |", "|---|---|"]
    lines += [f"| {name} | {'yes' if wrong == '' else wrong} |" for name, wrong in state["done"].items()]
    lines += ["", "## The screens", ""]
    for condition in CONDITIONS:
        screen = state["screens"].get(condition.title, "")
        lines += [
            f"### {condition.title}",
            "",
            "```text",
            f"$ capliquify-ops diagnose {condition.issue}",
            _shown(screen),
            "```",
            "",
        ]
    lines += [
        "### nothing is wrong",
        "",
        "```text",
        "$ capliquify-ops diagnose",
        _shown(state["screens"].get(f"nothing is wrong, {HEALTHY} times", "")),
        "```",
    ]
    lines += ["", "### what the remedies above left in the log of actions", "", "```text", "$ capliquify-ops remedy trail"]
    lines += [_shown(state["screens"].get("trail", "")), "```"]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shown(screen: str) -> str:
    """A screen whose long names are cut, as a page is no terminal."""
    return re.sub(r"(tenant_[0-9a-f]{4})[0-9a-f]{28}", r"\1…", screen).rstrip()


PREFACE = f"""# That a diagnosis names what is wrong, and nothing where nothing is

`make proof-diagnostics` runs the tests of all diagnoses whole, and then `tests/proof/diagnostics.py`: an embedded stack with {TENANTS} tenants and light
traffic, a Render and a Clerk on loopback that keep state. Each condition is caused for real, the command is asked as a person on call asks it, the first
cause must be the right one, and afterwards nothing may be left. Deploys, restarts and the hours of a memory chart are Render's to show, so the Render on
loopback shows them; a process that really grows is watched by `tests/unit/diagnostics/test_memory.py`.
"""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--state", type=Path)
    options.add_argument("--only", default="")
    given = options.parse_args()
    return 1 if run(given.state, given.only) else 0


if __name__ == "__main__":
    sys.exit(main())
