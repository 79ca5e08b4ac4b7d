"""Which tests say by a mark that they show something that stands in a list."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def marked(mark: str) -> dict[str, set[str]]:
    """By what ``pytest.mark.<mark>`` names the tests that it stands at; read, so that no file is collected twice."""
    found: dict[str, set[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        for test in ast.walk(ast.parse(file.read_text())):
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                for name in _named(mark, test):
                    found.setdefault(name, set()).add(f"{file.relative_to(TESTS)}::{test.name}")
    return found


def _named(mark: str, test: ast.FunctionDef) -> list[str]:
    calls = [each for each in test.decorator_list if isinstance(each, ast.Call)]
    here = [call for call in calls if ast.unparse(call.func) == f"pytest.mark.{mark}"]
    return [ast.literal_eval(each) for call in here for each in call.args]
