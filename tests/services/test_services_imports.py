"""The services stand for other teams' systems: of this project they know the port to brokers."""

import ast
import sys
from pathlib import Path

import pytest

import services

DECLARED = {"fastapi", "pydantic", "sqlalchemy", "sqlmodel", "starlette", "uvicorn"}
OURS = {"brokers", "services"}
SOURCES = sorted(Path(services.__file__).parent.glob("**/*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_imports(source: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= DECLARED | OURS | set(sys.stdlib_module_names)
