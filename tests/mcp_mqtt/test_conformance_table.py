"""docs/conformance.md against the tests that it names, and the tests against it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "docs" / "conformance.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
DEFAULT_FILES = {
    "Server": "mcp_mqtt/test_conformance_server.py",
    "Client": "mcp_mqtt/test_conformance_client.py",
    "Deliberate differences": "mcp_mqtt/test_conformance_server.py",
    "Faults of connections": "mcp_mqtt/test_faults.py",
}


def functions_of(file: str) -> set[tuple[str, str]]:
    nodes = ast.parse((TESTS / file).read_text()).body
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {(file, function.name) for function in functions if function.name.startswith("test_")}


def named_in(text: str, default_file: str) -> set[tuple[str, str]]:
    named = set()
    for file, name in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", text):
        full = file if "/" in file else f"mcp_mqtt/{file}"
        named.add((full if file else default_file, name))
    return named


ALL_NAMED = {test for title, file in DEFAULT_FILES.items() for test in named_in(SECTIONS[title], file)}


def test_the_page_has_no_other_sections() -> None:
    assert set(SECTIONS) == set(DEFAULT_FILES)


@pytest.mark.parametrize("file", sorted({file for file, _ in ALL_NAMED}))
def test_every_test_that_the_page_names_exists(file: str) -> None:
    assert {test for test in ALL_NAMED if test[0] == file} <= functions_of(file)


@pytest.mark.parametrize("file", [*sorted(set(DEFAULT_FILES.values())), "mcp_mqtt/test_faults_paused.py"])
def test_every_test_of_conformance_and_faults_stands_on_the_page(file: str) -> None:
    assert functions_of(file) <= ALL_NAMED


@pytest.mark.parametrize(("title", "letter", "demands"), [("Server", "S", 18), ("Client", "C", 15)])
def test_every_demand_is_held_by_a_test(title: str, letter: str, demands: int) -> None:
    rows = re.findall(rf"^\| {letter}(\d+) \|(.+)$", SECTIONS[title], re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, demands + 1))
    assert not [number for number, row in rows if not named_in(row, DEFAULT_FILES[title])]


def test_whatever_happens_is_held_by_a_test() -> None:
    rows = [line for line in SECTIONS["Faults of connections"].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert not [row for row in rows if not named_in(row, "")]
