"""docs/faults.md against the tests that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
TEST = re.compile(r"`([\w/]+\.py)::((?:test_|Test)\w+)`")
NAMED = sorted(set(TEST.findall(PAGE)))


def names_in(file: str) -> set[str]:
    """The tests of a file: functions, and state machines that hypothesis makes test cases of."""
    nodes = ast.parse((TESTS / file).read_text()).body
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return functions | assigned


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    assert {test for named_file, test in NAMED if named_file == file} <= names_in(file)


def test_every_fault_says_what_people_see_and_is_held_by_a_test() -> None:
    assert len(ROWS) > 25
    for row in ROWS:
        _, fault, seen, _back, test, _ = [cell.strip() for cell in row.split("|")]
        assert fault
        assert seen
        assert TEST.search(test), fault
