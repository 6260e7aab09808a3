"""The runbook's procedures as commands: plans that do nothing, documents, sentences, exit codes."""

import json

import pytest

from capliquify_ops.cli.app import run
from capliquify_ops.database import operator
from capliquify_ops.tenants.ownership import as_owner


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, database):
    """Runs a command in this process, on this test's database; returns exit code, stdout and stderr."""
    lines = {
        "class": "loopback",
        "database_url": database.observer_url.reveal(),
        "operator_url": database.operator_url.reveal(),
        "app_role": database.roles.app,
    }
    roles = {name: getattr(database.roles, name) for name in ("owner", "observer", "operator")}
    text = "[targets.here]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    text += "[targets.here.roles]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in roles.items())
    (tmp_path / "capliquify-ops.toml").write_text(text)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = run(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def _document(answer, code=0):
    assert answer[0] == code, answer
    return json.loads(answer[1])


def test_the_runbooks_procedures(command, tmp_path):
    """Create, suspend, resume, cancel, delete and purge one tenant by commands, as the runbook's procedures 1 to 3 say."""
    created = _document(
        command(
            "tenant", "create", "acme", "--organization", "org_1", "--name", "Acme Ltd", "--tier", "professional",
            "--trial-days", "30", "--owner-id", "user_1", "--owner-email", "a@example.com", "--company", "Acme",
            "--schema-name", "acme_data", "--yes", "--json",
        )
    )["tenant"]  # fmt: skip
    assert (created["schema_name"], created["subscription_status"]) == ("acme_data", "trial")
    assert _document(command("tenant", "activate", "acme", "--yes", "--json"))["tenant"]["subscription_status"] == "active"
    code, out, _ = command("tenant", "suspend", "acme", "--reason", "payment_failed", "--yes")
    assert code == 0
    assert "not verified: target 'here' has no base_url" in out or "not verified: The target has no [identity]" in out
    assert _document(command("tenant", "resume", "org_1", "--yes", "--json"))["tenant"]["subscription_status"] == "active"
    cancelled = _document(command("tenant", "cancel", "acme", "--yes", "--json"))
    assert "retained_until" in cancelled["noted"]
    assert _document(command("tenant", "delete", "acme", "--yes", "--json"))["tenant"]["deleted_at"]
    waiting = _document(command("tenant", "purge", "acme", "--yes", "--json"))
    assert (waiting["purged"], waiting["archives"]) == (False, [])
    assert [t["slug"] for t in _document(command("tenant", "list", "--quarantined", "--json"))["tenants"]] == ["acme"]
    code, out, _ = command("tenant", "verify", "acme")
    assert code == 1
    assert "A 'tenant purge' of 'acme' is unfinished" in out
    code, _, err = command("tenant", "activate", "acme", "--yes")
    assert (code, "quarantined since" in err) == (64, True)
    undo = _document(command("tenant", "purge", "acme", "--undo", "--plan", "--json"))["plan"]
    assert [step["statement"].split()[0] for step in undo["steps"]] == ["ALTER", "GRANT", "GRANT", "INSERT"]
    assert command("tenant", "purge", "acme", "--undo", "--yes")[0] == 0
    assert command("tenant", "purge", "acme", "--undo", "--yes")[0] == 64
    done = _document(command("tenant", "purge", "acme", "--now", "--yes", "--json"))
    assert done["purged"]
    assert [path.name for path in tmp_path.glob("acme*")] == [done["archives"][0]["path"].rpartition("/")[2]]
    assert command("tenant", "show", "acme")[0] == 64


CHANGES = {
    "create": ["new", "--organization", "org_new"],
    "activate": ["acme"],
    "past-due": ["paying"],
    "change-tier": ["acme", "enterprise"],
    "suspend": ["acme", "--reason", "x"],
    "resume": ["away"],
    "cancel": ["acme"],
    "expire-trials": [],
    "delete": ["acme"],
    "purge": ["gone"],
    "install": [],
}


def test_a_plan_changes_nothing(command, make, session, roles, everything, database):
    """`--plan` prints statements and concerns and ends with 0, for every command that changes anything; so does a missing yes, with 64."""
    for slug in ("acme", "paying", "away", "gone"):
        make(slug, products=0)
    for arguments in (["activate", "paying"], ["suspend", "away", "--reason", "x"], ["delete", "gone"]):
        assert command("tenant", *arguments, "--yes")[0] == 0
    before = everything()
    for verb, arguments in CHANGES.items():
        plan = _document(command("tenant", verb, *arguments, "--plan", "--json"))["plan"]
        assert plan["verb"] == f"tenant {verb}"
        assert any(step["statement"] for step in plan["steps"]) or verb in {"install", "expire-trials"}
        code, out, err = command("tenant", verb, *arguments, "--plan")
        assert (code, err) == (0, "")
        assert out.startswith(f"plan: tenant {verb}")
        if plan["steps"]:
            assert command("tenant", verb, *arguments)[0] == 64
    assert everything() == before


def test_no_archive_is_typed_in_full(command, make, monkeypatch):
    """An abbreviated option is none, and at the terminal the phrase says that there will be no archive."""
    make(products=0)
    command("tenant", "delete", "acme", "--yes")
    assert command("tenant", "purge", "acme", "--no-arch", "--yes")[0] == 64
    monkeypatch.setattr("sys.stdin", _Terminal("acme\n"))
    code, _, err = command("tenant", "purge", "acme", "--no-archive", "--now")
    assert (code, "Type acme without archive to go on" in err) == (64, True)
    monkeypatch.setattr("sys.stdin", _Terminal("acme without archive\n"))
    assert command("tenant", "purge", "acme", "--no-archive", "--now")[0] == 0


class _Terminal:
    def __init__(self, typed):
        self.readline = lambda: typed

    def isatty(self):
        return True


def test_lists_are_filtered(command, make, session, roles):
    """By status, tier, deletion, and by trials that end soon or have ended."""
    for slug, tier in (("a", "starter"), ("b", "professional"), ("c", "starter")):
        make(slug, tier=tier, products=0)
    with session.transaction(), as_owner(session, roles):
        session.execute("UPDATE public.tenants SET trial_ends_at = now() + interval '3 days' WHERE slug = 'a'")
        session.execute("UPDATE public.tenants SET trial_ends_at = now() - interval '3 days' WHERE slug = 'b'")
    command("tenant", "delete", "c", "--yes")

    def slugs(*options):
        return [tenant["slug"] for tenant in _document(command("tenant", "list", *options, "--json"))["tenants"]]

    assert slugs() == ["a", "b"]
    assert slugs("--tier", "starter") == ["a"]
    assert slugs("--deleted") == ["c"]
    assert (slugs("--expiring-within", "4"), slugs("--expiring-within", "2")) == (["a", "b"], ["b"])
    assert slugs("--quarantined") == []
    assert command("tenant", "list", "--tier", "gold")[0] == 64
    assert [t["slug"] for t in _document(command("tenant", "expire-trials", "--yes", "--json"))["tenants"]] == ["b"]
    assert slugs("--status", "suspended") == ["b"]


def test_verify_tells_of_backups_and_drills(command, make, session, roles):
    """Never backed up is an open question beside the tenant, which is sound; a backup and a drill are told with time and digest, whoever made them."""
    for slug in ("a", "b"):
        make(slug, products=0)
    answers = {a["question"]: a for a in _document(command("tenant", "verify", "a", "--json"))["answers"]}
    assert (answers["last backup"]["detail"], answers["last restore drill"]["holds"]) == ("never", None)
    assert answers["nothing unfinished"]["holds"]
    assert "public.users 1" in answers["rows"]["detail"]
    with session.transaction(), as_owner(session, roles):
        for verb in ("fleet backup", "tenant restore-drill"):
            session.execute(
                "INSERT INTO capliquify_ops.audit (actor, verb, tenant_id, after) SELECT 'x', %(verb)s, t.id,"
                """ '{"sha256": "abc", "path": "/x.sql.zst", "bytes": 9}' FROM public.tenants t WHERE slug = 'a'""",
                {"verb": verb},
            )
    answers = {a["question"]: a for a in _document(command("tenant", "verify", "a", "--json"))["answers"]}
    assert "sha256 abc" in answers["last backup"]["detail"]
    assert answers["last restore drill"]["holds"]


def test_a_database_with_older_ledgers_says_what_to_do(command, make, superuser_url):
    """A verb on a database whose ledgers are older names the command that brings them up to date."""
    make(products=0)
    with operator(superuser_url, "test") as superuser, superuser.transaction():
        superuser.execute("DROP TABLE capliquify_ops.sequence, capliquify_ops.quarantine")
    code, _, err = command("tenant", "activate", "acme", "--yes")
    assert (code, "tenant install" in err) == (78, True)
