"""The page of the programs that robot-node was tried with, from tests/peers.toml and the marks of the tests.

``@pytest.mark.peer("GStreamer", works="H.264", since="0.1.0")`` on a test, or in a ``pytest.param``, makes one row.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
PEERS = TESTS / "peers.toml"

KINDS = {
    "viewer": "Viewers (WebRTC over MQTT)",
    "backend": "Media backends that the robot calls",
    "client": "Clients of MCP over MQTT",
    "server": "Servers of MCP over MQTT",
    "broker": "Brokers",
    "agent program": "Agents' programs",
    "proxy": "Reverse proxies and TURN servers",
}
"""The sections of the page, in order, by the kind of their peers."""

_HEAD = """# Interoperability

Programs that robot-node was tried with, and what works: {peers} programs, {cases} cases. Each row is a test; `make
test` runs the quick ones, `make test-all` all of them. [Contributing](contributing.md) describes how to add one. A
*stand-in* is a program of our tests that does what the named program's source does. Made by `make reference`.
"""
_HEADER = ["| program | version | from | works | since | test |", "|---|---|---|---|---|---|"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that a test uses.

    Attributes:
        name: Its name.
        kind: A key of :data:`KINDS`.
        version: The version, or versions, that it was tried with.
        source: Where the tests have it from.
    """

    name: str
    kind: str
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Case:
    """A test with a peer.

    Attributes:
        peer: The peer's name.
        works: What works with it.
        since: The version of robot-node.
        test: File below tests/, and function.
    """

    peer: str
    works: str
    since: str
    test: str


def peers() -> dict[str, Peer]:
    """Return all peers by name, in the order of the file."""
    table = tomllib.loads(PEERS.read_text(encoding="utf-8"))
    return {name: Peer(name, **entry) for name, entry in table.items()}


def cases() -> list[Case]:
    """Return the cases of all tests, by file and place in it."""
    files = sorted(TESTS.rglob("test_*.py"))
    return [case for file in files for case in _cases_in(file)]


def interoperability_page() -> str:
    """Return the page as Markdown."""
    known, found = peers(), cases()
    lines = [_HEAD.format(peers=len(known), cases=len(found))]
    for kind, title in KINDS.items():
        rows = [
            f"| {peer.name} | {peer.version} | {peer.source} | {case.works} | {case.since} | `{case.test}` |"
            for peer in known.values()
            if peer.kind == kind
            for case in found
            if case.peer == peer.name
        ]
        if rows:
            lines += [
                f"## {title}\n",
                "| program | version | from | works | since | test |",
                "|---|---|---|---|---|---|",
            ]
            lines += [*rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _cases_in(file: Path) -> Iterator[Case]:
    text = file.read_text(encoding="utf-8")
    if "mark.peer(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                for call in filter(_is_mark, ast.walk(decorator)):
                    yield _case(call, f"{file.relative_to(TESTS)}::{node.name}")


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.peer"


def _case(call: ast.AST, test: str) -> Case:
    assert isinstance(call, ast.Call)
    (peer,) = (ast.literal_eval(argument) for argument in call.args)
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    return Case(peer, keywords["works"], keywords.get("since", "0.1.0"), test)
