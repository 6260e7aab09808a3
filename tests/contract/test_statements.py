"""SQL files: one statement, a whole header, qualified names."""

import re

import pytest
import sqlparse

from capliquify_ops.database.statements import parse

NOT_STATEMENTS = ("sql/product/", "sql/ops/", "reference/service/")


def _files(root):
    return sorted(path for path in (root / "src").rglob("*.sql") if not any(part in path.as_posix() for part in NOT_STATEMENTS))


def test_every_statement_file_is_whole(root):
    """Each SQL file has its header, is named as it says, and holds exactly one statement."""
    files = _files(root)
    assert files
    for path in files:
        statement = parse(path.read_text(encoding="utf-8"))
        assert statement.name == path.name.split(".")[0], path
        bodies = [part for part in sqlparse.split(sqlparse.format(statement.text, strip_comments=True)) if part.strip(" ;\n")]
        assert len(bodies) == 1, path


def test_functions_are_qualified(root):
    """Catalogue relations and functions are named with pg_catalog: an observer's search_path is not trusted."""
    bare = re.compile(r"(?<![\w.\"'])(pg_[a-z_]+|to_reg[a-z]+|set_config|current_setting|format_type|hashtextextended)\s*(\(|\b)")
    for path in _files(root):
        text = re.sub(r"--.*|'[^']*'", "", path.read_text(encoding="utf-8"))
        found = [match[1] for match in bare.finditer(text) if match[1] not in {"pg_catalog", "pg_temp"}]
        assert found == [], path


def test_parameters_are_declared(root):
    """The parameters that a statement uses are those of its header."""
    for path in _files(root):
        statement = parse(path.read_text(encoding="utf-8"))
        used = set(re.findall(r"%\((\w+)\)s", statement.text))
        assert used == set(statement.params), path


@pytest.mark.parametrize("missing", ["name", "needs", "since", "params", "why"])
def test_an_incomplete_header_is_refused(missing):
    """A statement file without one of its header lines does not load."""
    lines = [
        f"-- {key}: {value}"
        for key, value in {"name": "x", "needs": "nothing", "since": "14", "params": "none", "why": "y"}.items()
        if key != missing
    ]
    with pytest.raises(ValueError, match=missing):
        parse("\n".join([*lines, "SELECT 1"]))
