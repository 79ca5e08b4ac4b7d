"""Every requirement of the public suite for record stores is kept by a test of ours, or says why it needs none.

Requirements have numbers there: XAPI-00001 to XAPI-00336 without XAPI-00136, which was never given, for xAPI 1.0.3, and
all but the last one for 2.0. Our tests write them out, each by itself: in a docstring, beside a line, or in a table.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [path for folder in ("web", "xapi") for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))]
ONE = {f"XAPI-{number:05}" for number in range(1, 337) if number != 136}
TWO = ONE - {"XAPI-00336"}  # forms that stand for a request

NEED_NONE = {
    "XAPI-00021": "the specification leaves open what a key means that is there twice (Part Two, 2.2)",
    "XAPI-00095": "withdrawn by the suite: no context activities at all are allowed",
    "XAPI-00137": "withdrawn by the suite: a message in parts need not name a version of MIME",
    "XAPI-00138": "withdrawn by the suite: a part of a message need not be multipart/mixed itself",
    "XAPI-00185": "how documents are merged inside; what comes out of it is XAPI-00183 and XAPI-00184",
    "XAPI-00186": "how documents are merged inside; what comes out of it is XAPI-00183 and XAPI-00184",
    "XAPI-00223": "withdrawn by the suite: state is deleted without since, and XAPI-00205 refuses it",
    "XAPI-00320": "allowed, and not demanded: there are no extensions to tell of",
    "XAPI-00323": "about all answers together: each status is another requirement",
    "XAPI-00329": "what a server answers that is broken: nobody can ask for that",
}


def in_tests(path: Path) -> Iterator[str]:
    """The lines of its tests and of its tables, without what is said around them."""
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.parse(text).body:
        is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if is_test or isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            yield from lines[first - 1 : node.end_lineno]


TESTED = {found for path in FILES for line in in_tests(path) for found in re.findall(r"XAPI-\d{5}", line)}


def test_every_requirement_of_both_versions_is_tested_or_says_why_not():
    assert sorted((ONE | TWO) - TESTED - NEED_NONE.keys()) == []


def test_no_requirement_is_tested_and_excused_and_none_is_made_up():
    assert sorted(TESTED & NEED_NONE.keys()) == []
    assert sorted((TESTED | NEED_NONE.keys()) - ONE) == []


def test_requirements_are_written_out():
    """No range and no shortened number, which nobody would find by its name."""
    short = re.compile(r"XAPI-\d{5} to |XAPI-(?!\d{5}(?!\w))|(?<![\w.-])00\d{3}(?!\w)")
    known = [path for path in FILES if "XAPI-" in path.read_text()]
    found = [(path.name, line) for path in known for line in path.read_text().splitlines() if short.search(line)]
    assert found == []


def test_the_page_about_conformance_has_the_figures():
    text = " ".join((ROOT / "docs" / "conformance.md").read_text().split())
    assert f"{len(TESTED)} of its {len(ONE)} requirements" in text
    assert f"{len(NEED_NONE)} need none" in text
