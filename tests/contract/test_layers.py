"""Ranks: a module imports only lower ranks or its own package."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SINGLE_IMPORTERS = {
    "psycopg": ("database/", "reference/service/"),
    "psycopg_pool": ("reference/service/",),
    "httpx": ("http_client/",),
    "pytest": ("pytest_plugin/",),
    "locust": ("load/worker.py",),
    "gevent": ("load/worker.py",),
    "pglast": ("tenants/migration_rules.py",),
    "granian": ("reference/service/",),
    "starlette": ("reference/service/",),
    "typer": ("cli/",),
    "jinja2": ("signoff/report/",),
}


def test_no_upward_import(library):
    """No module imports a package of its own rank or above, not even lazily or for type checking."""
    assert list(library.upward_imports()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "import capliquify_ops.signoff",
        "from capliquify_ops.cli import main",
        "def lazy():\n    from capliquify_ops.evidence import Store",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import capliquify_ops.rendering.junit",
        "from capliquify_ops import signoff",
        "from . import settings",
        "import capliquify_ops.brand_new",
    ],
)
def test_a_planted_upward_import_is_found(root, tmp_path, tree_of, planted):
    """An upward, sideways, lazy, relative or unranked import in `configuration` is reported with file and line; then it is clean again."""
    copy, package = tmp_path / "src", Path("capliquify_ops", "configuration")
    shutil.copytree(root / "src" / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / "capliquify_ops" / "configuration" / "planted.py"
    assert list(tree_of(copy).upward_imports()) == []
    module.write_text(planted)
    found = list(tree_of(copy).upward_imports())
    assert len(found) == 1
    assert "configuration/planted.py" in found[0]
    module.unlink()
    assert list(tree_of(copy).upward_imports()) == []


@pytest.mark.parametrize("name", sorted(SINGLE_IMPORTERS))
def test_single_importers(library, name):
    """Each outside library with a home of its own is imported nowhere else."""
    strangers = [path for path in library.importers_of(name) if not path.startswith(SINGLE_IMPORTERS[name])]
    assert strangers == []


def test_reference_service_imports_nothing_of_ours(library):
    """The reference service can be copied: it imports no other package of the library."""
    for path, tree in library.modules():
        if "/reference/service/" in path.as_posix():
            inside = [target for _, target in library._targets(tree)]
            text = path.read_text(encoding="utf-8")
            assert set(inside) <= {"reference"}, path
            assert "from capliquify_ops.reference import" not in text, path
            others = [
                line
                for line in text.splitlines()
                if "capliquify_ops." in line and "import" in line and "reference.service" not in line
            ]
            assert others == [], path


def test_environment_is_read_in_configuration_only(library):
    """`os.environ` and `os.getenv` stand in `configuration/` and nowhere else."""
    found = [
        use for use in library.attribute_uses("os.environ", "os.getenv", "os.environb") if not use[0].startswith("configuration/")
    ]
    assert found == []


def test_clock_and_randomness_are_passed_in(library):
    """The clock and randomness are read in configuration/system.py; the reference stack and the load worker are programs of their own."""
    wanted = (
        "datetime.now",
        "datetime.utcnow",
        "time.time",
        "time.time_ns",
        "uuid.uuid4",
        "uuid4",
        "secrets.token_hex",
        "random.random",
    )
    programs = ("configuration/system.py", "reference/", "load/worker.py")
    assert [use for use in library.attribute_uses(*wanted) if not use[0].startswith(programs)] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("capliquify_ops", "psycopg httpx pytest locust gevent jinja2 typer"),
        ("capliquify_ops.load", "locust gevent"),
        ("capliquify_ops.pytest_plugin", "psycopg httpx locust gevent jinja2 typer starlette capliquify_ops.configuration"),
        ("capliquify_ops.model.finding", "psycopg httpx pytest"),
    ],
)
def test_imports_stay_light(module, absent):
    """Importing the façade, the load package or the plugin does not load what only their users need."""
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & set({absent.split()!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_facade_is_exact():
    """Every exported name exists, the list is sorted and without repeats."""
    import capliquify_ops

    names = capliquify_ops.__all__
    assert list(names) == sorted(set(names))
    for name in names:
        assert getattr(capliquify_ops, name) is not None
    assert set(names) <= set(dir(capliquify_ops))
