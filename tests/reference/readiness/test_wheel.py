"""The wheel alone: suites included, run without a clone."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_the_suites(wheel):
    """The wheel holds both suites, the type marker, all SQL and templates, and no test."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("suites/readiness/test_integration.py", "suites/security/test_selectors.py", "py.typed", "signoff/boxes.toml"):
        assert f"capliquify_ops/{name}" in names
    package = ROOT / "src" / "capliquify_ops"
    data = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.suffix in {".sql", ".toml", ".html", ".css"}
    }
    assert data <= names
    assert not any(name.startswith("tests/") for name in names)


def test_readiness_runs_from_the_wheel(wheel, tmp_path):
    """Installed into a fresh environment and started far from a clone, `capliquify-ops readiness` measures and writes its report."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    # Dependencies are those of this environment: what is under test is the wheel, not the registry. An editable install of
    # ours is not seen through it, since .pth files of an added folder are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import capliquify_ops; print(capliquify_ops.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert where.stdout.startswith(str(site))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "PYTEST", "PYTHONPATH"))}
    done = subprocess.run(
        [
            tmp_path / "venv" / "bin" / "capliquify-ops",
            "readiness",
            "--target",
            "embedded",
            "-k",
            "own_rows or registry or viewer_refused_write or sees_only",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    boxes = json.loads((tmp_path / ".readiness" / "signoff.json").read_text())["boxes"]
    passed = {record["check"] for box in boxes for record in box["records"] if record["state"] == "passed"}
    own = {"sec_015_own_rows_only", "int_16_a_sees_only_a", "int_17_b_sees_only_b"}
    assert passed == {"int_15_viewer_refused_write", "registry_catalogue", *own}
    assert (tmp_path / ".readiness" / "report" / "index.html").is_file()
