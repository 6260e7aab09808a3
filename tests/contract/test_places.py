"""The places of a check: one stem names the module, the suite's test, the test that provokes it and the page that explains it."""

import ast
import tomllib

import pytest

CHECK_PACKAGES = ("integrity", "diagnostics", "isolation", "load")
TABLES = ("scenarios", "controls", "families")


def _markers(folder):
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in {"check", "pytest.mark.check"}:
                        yield ast.literal_eval(decorator.args[0]), path, node


@pytest.fixture(scope="module")
def marked(root):
    return [found for suite in ("readiness", "security") for found in _markers(root / suite)]


@pytest.fixture(scope="module")
def planned(root):
    boxes = tomllib.loads((root / "src/capliquify_ops/signoff/boxes.toml").read_text())["box"]
    return [check for box in boxes for check in box.get("checks", [])]


@pytest.fixture(scope="module")
def rows(root):
    """The rows of the three tables of the isolation package, by check id."""
    folder = root / "src/capliquify_ops/isolation"
    found = {}
    for table in TABLES:
        document = tomllib.loads((folder / f"{table}.toml").read_text())
        for row in document[table]:
            found[row["check"]] = row | {"table": table}
    return found


def _modules(root):
    """Modules with both `measure`/`run` and `judge` in a package of checks: the checks that are not rows of a table."""
    for package in CHECK_PACKAGES:
        for path in sorted((root / "src/capliquify_ops" / package).glob("*.py")):
            if {"judge", "measure"} <= set(_defined(ast.parse(path.read_text()))):
                yield path.stem


def _defined(tree):
    """The names that a module defines: functions, and names assigned (two checks may share one way of measuring)."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_boxes_and_suites_agree(marked, planned):
    """Every planned check has exactly one test, and every marked test is planned."""
    stems = [stem for stem, _, _ in marked]
    assert sorted(stems) == sorted(set(stems)), "a check is measured twice"
    assert sorted(planned) == sorted(set(planned)), "a check is planned twice"
    assert set(stems) - set(planned) == set(), "measured but not planned"
    assert set(planned) - set(stems) == set(), "planned but not measured"


def test_claims(marked):
    """Every checked test's docstring is a claim: one paragraph, a sentence, not repeated."""
    claims = [ast.get_docstring(node) or "" for _, _, node in marked]
    for claim, (stem, _, _) in zip(claims, marked, strict=True):
        assert claim.endswith("."), stem
        assert "\n\n" not in claim, stem
    assert len(set(claims)) == len(claims)


def test_suites_only_assert(root):
    """Suites import the plugin and checks, and hold no SQL, no requests and no numbers of their own."""
    for suite in ("readiness", "security"):
        for path in sorted((root / suite).glob("*.py")):
            text = path.read_text()
            assert not any(word in text for word in ("SELECT ", "psycopg", "httpx", "requests.", "os.environ")), path


def test_every_check_module_has_its_places(root, marked):
    """A check module has a suite test, a provoking test and a page, all of one stem."""
    stems = {stem for stem, _, _ in marked}
    found = list(_modules(root))
    assert found
    for stem in found:
        assert stem in stems, f"{stem}: no test in a suite"
        provoking = list((root / "tests").glob(f"*/**/test_{stem}.py"))
        assert provoking, f"{stem}: no test provokes it"
        assert (root / f"docs/reference/checks/{stem}.md").is_file(), f"{stem}: no page"


def test_every_page_is_of_a_check(root, marked):
    """No page explains a check that is gone."""
    known = set(_modules(root)) | set(TABLES)
    pages = {path.stem for path in (root / "docs/reference/checks").glob("*.md")} - {"README"}
    assert pages == known


def test_rows_are_marked_in_security_or_readiness(rows, marked):
    """Scenarios, controls and families are rows of a table, each with one test; the table and the suites name the same checks."""
    stems = {stem for stem, _, _ in marked if stem.startswith(("int_", "sec_", "iso_"))}
    assert stems == set(rows)
    assert sum(row["table"] == "scenarios" for row in rows.values()) == 18
    assert sum(row["table"] == "controls" for row in rows.values()) == 20


def test_every_row_is_explained(root, rows):
    """Each scenario, control and family is named on its table's page."""
    for check, row in rows.items():
        assert check in (root / f"docs/reference/checks/{row['table']}.md").read_text(), check
