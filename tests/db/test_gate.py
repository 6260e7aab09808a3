"""The plugin on a real target: whatever happens to a test, its box is ticked only by a record that passed."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from capliquify_ops.cli import main

HEAD = """
import os, signal, pytest
from capliquify_ops.pytest_plugin import check
from capliquify_ops.model.finding import Evidence, Finding, Subject, SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Outcome, Severity

def finding(outcome=Outcome.HEALTHY, why="all is well"):
    evidence = Evidence("x", "y", "2026-01-02T03:04:05.000Z", 1.0)
    subject = Subject(SubjectKind.DATABASE, "d")
    return Finding(check_id("registry_catalogue"), subject, outcome, Severity.HIGH, evidence, why, 1, 1)
"""
GOOD = """
@check("registry_catalogue")
def test_good(require):
    \"\"\"Every tenant has its schema.\"\"\"
    require(finding())
"""


@pytest.fixture
def gate(tmp_path, database, forked):
    """Runs pytest on a suite of one file against this test's database; returns exit code, output and signoff.json."""
    (tmp_path / "observer.url").write_text(database.observer_url.reveal())
    (tmp_path / "gate.toml").write_text('[targets.here]\nclass = "loopback"\ndatabase_url_file = "observer.url"\n')

    class Gate:
        folder = tmp_path
        evidence = tmp_path / "evidence"

        def command(self, *options):
            arguments = ["--config", str(tmp_path / "gate.toml"), "--target", "here", "--evidence-dir", str(self.evidence)]
            suite = tmp_path / "suite"
            return [
                sys.executable,
                "-m",
                "pytest",
                str(suite),
                "-c",
                "/dev/null",
                "-p",
                "no:cacheprovider",
                *arguments,
                "--basetemp",
                str(tmp_path / "inner"),
                *options,
            ]

        def write(self, body):
            (tmp_path / "suite").mkdir(exist_ok=True)
            (tmp_path / "suite" / "test_it.py").write_text(HEAD + body)

        def run(self, body, *options, **environment):
            self.write(body)
            sys.path.insert(0, str(tmp_path))
            done = forked(lambda: pytest.main(self.command(*options)[3:]), cwd=tmp_path, env=os.environ | environment)
            sys.path.remove(str(tmp_path))
            self.output = done.stdout + done.stderr
            self.code = done.returncode
            return self

        def verify(self, *options):
            arguments = ["signoff", "verify", "--evidence-dir", str(self.evidence), *options]
            return forked(lambda: main(arguments), cwd=tmp_path, env=os.environ)

        def records(self):
            paths = sorted((self.evidence / "records").glob("*.json"))
            return {record["check"]: record for record in map(json.loads, map(type(tmp_path).read_text, paths))}

        def box(self, name="integration"):
            document = json.loads((self.evidence / "signoff.json").read_text())
            return next(box for box in document["boxes"] if box["id"] == name)

        def state(self, check="registry_catalogue"):
            found = [record["state"] for record in self.box()["records"] if record["check"] == check]
            return found[0] if found else "absent"

    return Gate()


def test_a_healthy_finding_passes(gate):
    """A test that requires a healthy finding leaves a passed record with claim, finding, times and target."""
    gate.run(GOOD)
    record = gate.records()["registry_catalogue"]
    assert record["state"] == "passed"
    assert record["title"] == "Every tenant has its schema."
    assert record["findings"][0]["why"] == "all is well"
    assert record["started_at"] <= record["finished_at"]
    assert record["target"]["name"] == "here"
    assert (gate.evidence / "report" / "index.html").is_file()
    assert (gate.evidence / "junit.xml").is_file()
    assert str(gate.evidence / "report" / "index.html") in gate.output


def test_one_pass_is_not_a_ticked_sheet(gate):
    """pytest's 0 is raised to 1 while a measured box is open, and the output says which in one line."""
    gate.run(GOOD)
    assert gate.code == 1
    assert "not ticked: integration, load, security" in gate.output


CASES = {
    "skipped": ('@pytest.mark.skip\n@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n', "not_run"),
    "skips itself": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding())\n    pytest.skip("x")\n',
        "not_run",
    ),
    "xfailed": (
        '@pytest.mark.xfail\n@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    assert 0\n',
        "not_run",
    ),
    "xpassed": (
        '@pytest.mark.xfail\n@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding())\n',
        "not_run",
    ),
    "not run": ('@check("registry_catalogue")\ndef test_it(not_run):\n    """C."""\n    not_run("no Prometheus")\n', "not_run"),
    "failing": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding(Outcome.FAILING, "leak"))\n',
        "failed",
    ),
    "failing beside healthy": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding(), finding(Outcome.FAILING, "leak"))\n',
        "failed",
    ),
    "failing and swallowed": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    try:\n        require(finding(Outcome.FAILING, "leak"))\n'
        "    except AssertionError:\n        pass\n",
        "failed",
    ),
    "inconclusive and swallowed": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    try:\n        require(finding(Outcome.INCONCLUSIVE, "no"))\n'
        "    except Exception:\n        pass\n",
        "inconclusive",
    ),
    "inconclusive": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding(Outcome.INCONCLUSIVE, "no grant"))\n',
        "inconclusive",
    ),
    "no findings": ('@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require()\n', "inconclusive"),
    "measured nothing": ('@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n', "error"),
    "crashed": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding())\n    1 / 0\n',
        "error",
    ),
    "bare assert": (
        '@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding())\n    assert 0\n',
        "error",
    ),
    "fixture crashed": (
        '@pytest.fixture\ndef bad():\n    1 / 0\n\n@check("registry_catalogue")\ndef test_it(bad, require):\n    """C."""\n    require(finding())\n',
        "error",
    ),
    "failing in a fixture": (
        '@pytest.fixture\ndef bad(require):\n    require(finding(Outcome.FAILING, "leak"))\n\n@check("registry_catalogue")\ndef test_it(bad, require):\n    """C."""\n    require(finding())\n',
        "failed",
    ),
    "failing in a teardown": (
        '@pytest.fixture\ndef bad(require):\n    yield\n    require(finding(Outcome.FAILING, "leak"))\n\n@check("registry_catalogue")\ndef test_it(bad, require):\n    """C."""\n    require(finding())\n',
        "failed",
    ),
    "a failure without its finding": (
        'from capliquify_ops.pytest_plugin.outcomes import GateFailure\n@check("registry_catalogue")\ndef test_it(require):\n    """C."""\n    require(finding())\n    raise GateFailure("leak")\n',
        "failed",
    ),
    "teardown crashed": (
        '@pytest.fixture\ndef bad():\n    yield\n    1 / 0\n\n@check("registry_catalogue")\ndef test_it(bad, require):\n    """C."""\n    require(finding())\n',
        "error",
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.whole if place % 2 else []) for place, case in enumerate(sorted(CASES))]
)
def test_anything_else_leaves_the_box_unticked(gate, case):
    """A test that skips, is expected to fail, fails, cannot tell, crashes or measures nothing leaves its state and no tick."""
    body, expected = CASES[case]
    gate.run(body)
    assert gate.state() == expected
    assert gate.code == 1
    assert gate.box()["state"] != "passed"
    junit = (gate.evidence / "junit.xml").read_text()
    assert "<skipped" not in junit
    assert not re.search(r"\d passed", gate.output) or case in {"teardown crashed", "failing in a teardown"}
    assert "Traceback" not in gate.output or case in {"crashed", "bare assert", "fixture crashed", "teardown crashed"}


def test_not_run_and_inconclusive_are_errors_of_pytest(gate):
    """What nobody knows is shown as an error, not as a failure and not as a skip."""
    gate.run(CASES["not run"][0])
    assert "1 error" in gate.output
    assert "no Prometheus" in gate.output
    assert "skipped" not in gate.output


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (GOOD, ["--deselect", "suite/test_it.py::test_good"]),
        (GOOD, ["-k", "nothing_of_that_name"]),
        ("import no_such_module\n" + GOOD, []),
        ("", []),
        ('@check("structure_equality")\ndef test_first():\n    """C."""\n    assert 0\n' + GOOD, ["-x"]),
    ],
    ids=["deselected", "no tests", "uncollectable", "empty", "stopped by -x"],
)
def test_what_was_never_started_has_no_record(gate, body, options):
    """A test that is deselected, not collected, not there or behind `-x` leaves no record, so its box stays open."""
    gate.run(body, *options)
    assert gate.code != 0
    assert "registry_catalogue" not in gate.records()


def test_a_crash_of_pytest_leaves_a_started_record(gate):
    """A run that is killed in the middle of a test leaves a started record; the verdict reads it as not run, an earlier pass or not."""
    gate.run(GOOD)
    gate.run(GOOD.replace("require(finding())", "os.kill(os.getpid(), signal.SIGKILL)"))
    assert gate.code == -signal.SIGKILL
    done = gate.verify("--json")
    assert done.returncode == 11
    box = json.loads(done.stdout)["boxes"][0]
    assert [record["state"] for record in box["records"] if record["check"] == "registry_catalogue"] == ["not_run"]


def test_an_interrupt_keeps_what_was_measured(gate):
    """Ctrl-C: finished records and the report are there, the interrupted one reads as not run."""
    gate.write(
        GOOD
        + '\n@check("structure_equality")\ndef test_long(tmp_path):\n    """C."""\n    open("started", "w")\n    signal.pause()\n'
    )
    running = subprocess.Popen(gate.command(), cwd=gate.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not (gate.folder / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 2
    assert gate.state() == "passed"
    assert gate.state("structure_equality") == "not_run"


@pytest.mark.parametrize("options", [["-n", "2"], ["--lf"], ["--ff"]])
def test_what_would_blur_the_evidence_is_refused(gate, options):
    """Parallel runs and partial re-runs are refused with 64 (in a worker of xdist: not passed), and leave no record."""
    gate.run(GOOD, *options, "-p", "xdist", "-p", "cacheprovider")
    assert gate.code != 0
    assert gate.records() == {}
    assert "cannot be used" in gate.output


def test_tests_without_a_check_are_left_alone(gate):
    """In a run without checks the plugin opens no target, writes nothing, and changes no exit code."""
    gate.run("def test_plain():\n    pass\n")
    assert gate.code == 0
    assert not gate.evidence.exists()


def test_a_read_only_evidence_folder(gate):
    """An evidence folder that cannot be made is one sentence and 73, before anything is measured."""
    gate.evidence.parent.mkdir(exist_ok=True)
    gate.evidence.write_text("a file")
    gate.run(GOOD)
    assert gate.code == 73
    assert "--evidence-dir" in gate.output
    assert "Traceback" not in gate.output


def test_a_full_disk_in_the_middle(gate):
    """A disk that fills up while measuring ends the run with a sentence; nothing half-written is taken for evidence."""
    body = GOOD.replace(
        "require(finding())",
        "import shutil, pathlib; shutil.rmtree('evidence/records'); os.symlink('/dev/full', 'evidence/records'); require(finding())",
    )
    gate.run(body)
    assert gate.code == 73
    assert "Traceback" not in gate.output


def test_an_edited_record_is_found(gate):
    """A record edited by hand makes `signoff verify` end with 15."""
    gate.run(CASES["failing"][0])
    for path in (gate.evidence / "records").glob("*.json"):
        path.write_text(path.read_text().replace('"state":"failed"', '"state":"passed"'))
    done = gate.verify()
    assert done.returncode == 15
    assert "changed after it was written" in done.stderr


@pytest.mark.parametrize(("case", "code"), [("failing", 10), ("not run", 11), ("inconclusive", 11), ("measured nothing", 20)])
def test_the_gates_exit_codes(gate, case, code):
    """`signoff verify` ends with the code of the worst cause (an inconclusive check beside boxes that are not run: 11)."""
    gate.run(CASES[case][0])
    assert gate.verify().returncode == code


def test_secrets_never_reach_the_evidence(gate, database):
    """The connection string, planted in a claim, a finding, captured output and a traceback, is in no byte that is written or printed."""
    secret = "p4ssw0rd-Zq8-visible"
    (gate.folder / "observer.url").write_text(database.observer_url.reveal() + f"&application_name={secret}")
    planted = (gate.folder / "observer.url").read_text()
    body = (
        f'@check("registry_catalogue")\ndef test_it(require):\n    """Claim."""\n    print({planted!r})\n'
        f"    require(finding(why={planted!r}))\n    raise RuntimeError({planted!r})\n"
    )
    gate.run(body)
    assert gate.state() == "error"
    written = b"".join(path.read_bytes() for path in gate.evidence.rglob("*") if path.is_file())
    assert planted.encode() not in written
    assert planted not in gate.output.replace(f"RuntimeError({planted!r})", "").replace(f"print({planted!r})", "")


def test_any_secret_of_any_setting_stays_out(gate, database):
    """A password in the configuration is masked wherever a suite might have let it out."""
    password = "Zq8-p4ss-visible"
    (gate.folder / "gate.toml").write_text(
        f'[targets.here]\nclass = "loopback"\ndatabase_url_file = "observer.url"\n'
        "[targets.other]\n"
        f'[targets.other.identity]\nprovider = "static"\n[targets.other.identity.tokens]\nuser = "{password}"\n'
    )
    gate.run(
        f'@check("registry_catalogue")\ndef test_it(require):\n    """Claim {password}."""\n'
        f"    print('{password}'); require(finding(why='{password}'))\n    assert 0, '{password}'\n"
    )
    written = b"".join(path.read_bytes() for path in gate.evidence.rglob("*") if path.is_file())
    assert password.encode() not in written


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (GOOD + GOOD.replace("test_good", "test_again"), "is measured by"),
        ('@pytest.mark.parametrize("n", [1, 2])' + GOOD.replace("(require)", "(n, require)"), "is measured by"),
        ("@pytest.mark.check\ndef test_it():\n    pass\n", "not a check id"),
        ('@check("Bad Id")\ndef test_it():\n    pass\n', "not a check id"),
    ],
    ids=["two tests", "parametrised", "no id", "bad id"],
)
def test_a_check_has_one_test_and_a_usable_id(gate, body, says):
    """Two tests of one check, of which the later would hide the earlier, and markers without a usable id are refused with 64."""
    gate.run(body)
    assert gate.code == 64
    assert says in gate.output
    assert "INTERNALERROR" not in gate.output
    assert not (gate.evidence / "records").exists()


def test_a_finding_of_another_check_is_an_error(gate):
    """A test cannot pass with somebody else's finding."""
    gate.run(GOOD.replace("registry_catalogue", "structure_equality"))
    assert gate.state("structure_equality") == "error"


def test_a_class_of_production_is_not_attacked(gate, database):
    """On a production target what needs test tenants is not run, with the reason, and nothing is an error."""
    url = database.observer_url.reveal()
    (gate.folder / "gate.toml").write_text(
        f"[targets.here]\ndatabase_url = {json.dumps(url)}\noperator_url = {json.dumps(database.operator_url.reveal())}\n"
        '[targets.here.identity]\nprovider = "static"\n[targets.here.identity.tokens]\n'
    )
    gate.run('@check("int_01_valid_session")\ndef test_it(world, require):\n    """C."""\n    require(finding())\n')
    assert gate.state("int_01_valid_session") == "not_run"
    assert gate.output.count("is of class production: it is only read") == 1
    assert gate.output.count("NOT RUN") == 1


def test_tests_beside_checks_are_redacted_too(gate, database):
    """A test without a check, in a run with one, does not print a secret of the configuration."""
    url = (gate.folder / "observer.url").read_text()
    gate.run(GOOD + f"\ndef test_plain():\n    raise RuntimeError(open({str(gate.folder / 'observer.url')!r}).read())\n")
    assert "test_plain" in gate.output
    assert url not in gate.output


def test_no_word_of_pytests_holds_a_secret(gate):
    """Warnings, ids of parametrised tests, skip reasons, properties and a refusal's sentence: masked on the terminal and in junitxml."""
    token = "Zq8-t0ken-visible"
    (gate.folder / "gate.toml").write_text(
        '[targets.here]\nclass = "loopback"\ndatabase_url_file = "observer.url"\n'
        f'[targets.here.identity]\nprovider = "static"\n[targets.here.identity.tokens]\nuser = "{token}"\n'
    )
    body = (
        f"import warnings\nSECRET = {token!r}\n" + GOOD + "    warnings.warn(SECRET)\n"
        "@pytest.mark.parametrize('n', [SECRET])\ndef test_id(n, record_property):\n    record_property('x', n)\n"
        "    warnings.warn(n)\n    print(n)\n    assert not n\n"
        "def test_skip():\n    pytest.skip(SECRET)\n"
        "@pytest.mark.xfail(reason=SECRET)\ndef test_xfail():\n    assert 0\n"
    )
    gate.run(body, "-v", "-rA", "--junitxml", str(gate.folder / "own.xml"))
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed" in gate.output
    written = b"".join(path.read_bytes() for path in [*gate.evidence.rglob("*"), gate.folder / "own.xml"] if path.is_file())
    assert token not in gate.output
    assert token.encode() not in written
    gate.run(f"@pytest.mark.parametrize('n', [{token!r}, 2])" + GOOD.replace("(require)", "(n, require)"))
    assert gate.code == 64
    assert token not in gate.output


def test_a_url_of_some_other_product_is_no_reason_to_stop(gate):
    """DATABASE_URL that no libpq can read, in the environment of a run on another target, is masked and not complained about."""
    url = "sqlite:////srv/s3cret-place/x.db"
    gate.run(GOOD + f"    print({url!r}); assert 0\n", DATABASE_URL=url)
    assert gate.state() == "error"
    assert url not in gate.output.replace(f"print({url!r})", "")


@pytest.mark.whole
def test_known_security_records_are_used_again_only_where_nobody_asked(gate):
    """`readiness` runs a security check again unless it passed on this very target; one that is named is always run."""
    suites = {
        "readiness/test_security.py": "",
        "security/test_good.py": HEAD + GOOD,
        "security/test_bad.py": HEAD
        + CASES["failing"][0].replace("registry_catalogue", "structure_equality").replace("finding(Outcome", "other(Outcome"),
    }
    other = "\ndef other(outcome, why):\n    import dataclasses\n    return dataclasses.replace(finding(outcome, why), check=check_id('structure_equality'))\n"
    for name, text in suites.items():
        path = gate.folder / "suite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@check", other + "@check", 1) if "bad" in name else text)

    def counts(*paths):
        before = len(list((gate.evidence / "records").glob("*.json")))
        command = gate.command()
        command[3:4] = [str(gate.folder / "suite" / path) for path in paths]
        done = subprocess.run(command, capture_output=True, text=True, cwd=gate.folder, check=False)
        assert done.returncode == 1, done.stdout
        return len(list((gate.evidence / "records").glob("*.json"))) - before

    assert counts("readiness") == 2
    assert counts("readiness") == 1
    assert counts("readiness", "security/test_good.py") == 2
    assert counts("readiness", "security") == 2


AUDITED = """
@check("registry_catalogue")
def test_it(world, require):
    \"\"\"C.\"\"\"
    require(finding())
"""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--i-own-this-production here"),
        (("--i-own-this-production", "there"), "--i-own-this-production here"),
        (("--i-own-this-production", "here"), "no base_url"),
    ],
)
def test_a_production_target_is_audited_for_its_owner_alone(gate, options, says):
    """A check that needs test tenants is not run on production, and says how its owner has it read; only the right name opens it."""
    (gate.folder / "gate.toml").write_text('[targets.here]\nclass = "production"\ndatabase_url_file = "observer.url"\n')
    gate.run(AUDITED, *options)
    record = gate.records()["registry_catalogue"]
    assert record["state"] == "not_run"
    assert says in record["reason"]
