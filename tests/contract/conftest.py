"""What the contract tests look at: the source tree as text, never as imported code."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "capliquify_ops"
RANK = {
    "model": 0,
    "configuration": 1,
    "evidence": 1,
    "rendering": 1,
    "database": 2,
    "http_client": 2,
    "tenants": 3,
    "integrations": 3,
    "observation": 3,
    "integrity": 4,
    "identity_providers": 4,
    "load": 4,
    "reference": 4,
    "diagnostics": 5,
    "isolation": 5,
    "remedies": 6,
    "monitoring": 6,
    "escalation": 6,
    "preflight": 7,
    "signoff": 7,
    "cli": 8,
    "pytest_plugin": 8,
    "": 9,
}


class Tree:
    """The library's modules below a folder that holds `capliquify_ops`."""

    def __init__(self, source: Path) -> None:
        self.source = source

    @cache  # noqa: B019 -- a tree is looked at once; whoever changes it makes another
    def modules(self):
        paths = sorted((self.source / PACKAGE).rglob("*.py"))
        return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]

    def package_of(self, path: Path) -> str:
        parts = path.relative_to(self.source / PACKAGE).parts
        return parts[0].removesuffix(".py") if parts != ("__init__.py",) else ""

    def upward_imports(self):
        """Every import, lazy and type-checking ones too, of a package that is not lower than the importing one."""
        for path, tree in self.modules():
            here = self.package_of(path)
            for line, target in self._targets(tree):
                if target is None:
                    yield f"{path.relative_to(self.source)}:{line}: relative import"
                elif target not in RANK or here not in RANK:
                    yield f"{path.relative_to(self.source)}:{line}: {here} -> {target}: a package without a rank"
                elif target != here and RANK[target] >= RANK[here]:
                    yield f"{path.relative_to(self.source)}:{line}: {here} (rank {RANK[here]}) -> {target} (rank {RANK[target]})"

    def _targets(self, tree: ast.AST):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    yield node.lineno, None
                    continue
                module = node.module or ""
                names = [f"{module}.{alias.name}" for alias in node.names] if module == PACKAGE else [module]
            else:
                continue
            for name in names:
                if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                    yield node.lineno, ([*name.split("."), ""])[1]

    def importers_of(self, library: str):
        """The packages that import a library, with the path inside `capliquify_ops`."""
        for path, name in self._imports():
            if name == library or name.startswith(f"{library}."):
                yield path

    @cache  # noqa: B019 -- as above
    def _imports(self):
        """All modules that are imported, each with the path of who imports it."""
        found = []
        for path, tree in self.modules():
            here = path.relative_to(self.source / PACKAGE).as_posix()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    found += [(here, alias.name) for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    found.append((here, node.module or ""))
        return found

    def attribute_uses(self, *wanted: str):
        """Where an expression such as `os.environ` or `datetime.now` stands, as (path, line, expression)."""
        lasts = {each.rpartition(".")[2] for each in wanted}
        for path, tree in self.modules():
            for node in ast.walk(tree):
                last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
                text = ast.unparse(node) if last in lasts else ""
                if text in wanted:
                    yield path.relative_to(self.source / PACKAGE).as_posix(), node.lineno, text


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def library() -> Tree:
    return Tree(ROOT / "src")


@pytest.fixture(scope="session")
def tree_of():
    return Tree
