"""docs/contributing.md: its map is of this house, and what it shows works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.server import MCPServer

from hw_mocks.platform import simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face
from robot_node.settings.devices import DisplaySettings
from scripts import rooms
from tests.guide import DOCS, Terminal, blocks

ROOT = DOCS.parent
PAGE = (DOCS / "contributing.md").read_text()


def test_the_map_is_of_this_house() -> None:
    rooms = set[Path]()
    for row in re.findall(r"^\| (`.+`) \| .+ \|$", PAGE, re.MULTILINE):
        folder = ROOT
        for path in re.findall(r"`([^`]+)`", row):
            folder = (ROOT / path).parent if path.startswith("robot_node/") else folder
            found = set(folder.glob(path.removeprefix("robot_node/")))
            assert found, path
            rooms |= found
    packages = {file.parent for file in (ROOT / "robot_node").glob("*/__init__.py")}
    assert packages - rooms == set()
    for path in re.findall(r"`((?:robot_node|tests)/\S+?)`", PAGE):
        assert list(ROOT.glob(path)) or path == "robot_node/tools/wink.py", path


def test_the_picture_shows_the_rooms_and_imports_that_there_are() -> None:
    assert rooms.PICTURE.read_text() == rooms.picture(), "docs/images/rooms.svg is stale: run 'make reference'"


def test_no_import_runs_upwards_and_every_room_has_a_layer() -> None:
    order = [room for layer in rooms.layers() for room in layer]
    assert len(order) <= 20
    assert set(rooms.imports()) - set(order) == rooms.LEFT_OUT
    for room, used in rooms.imports().items():
        if room not in rooms.LEFT_OUT:
            assert all(order.index(other) > order.index(room) for other in used), room


def test_no_module_is_longer_than_400_lines_and_20_entries_are_at_the_top() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "robot_node"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    modules = [ROOT / name for name in tracked if name.endswith(".py")]
    assert [file for file in modules if file.exists() and len(file.read_text().splitlines()) > 400] == []
    at_the_top = {name.split("/")[1] for name in tracked if name.startswith("robot_node/")}
    entries = at_the_top - {"__init__.py", "__main__.py", "py.typed"}
    assert len(entries) <= 20


async def test_the_tool_can_be_called() -> None:
    names: dict[str, Any] = {"__name__": "wink"}
    exec(compile(blocks("contributing.md")["a tool"], "wink.py", "exec"), names)  # noqa: S102  # our own page
    state = RobotState()
    face = Face(Display(simulated_platform().platform, DisplaySettings(driver="none"), state), state)
    server = MCPServer("tests/robot")
    names["offer_wink"](server, face)
    async with Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.description == "Wink at the person in front of the robot."
        result = await client.call_tool("wink", {"text": "Psst"})
        assert result.structured_content == {"emotion": "playful"}
    assert state.snapshot.emotion == "playful"


async def test_the_faces_are_drawn(broker: PrivateBroker, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, broker)
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (script,) = re.findall(r"<!-- tested: faces -->\n +```sh\n(.*?) +```", PAGE, re.DOTALL)
    await terminal.run("PATH=$PWD/.venv/bin:$PATH\n" + script.replace("--seconds 3", "--seconds 0.1"))
    assert (tmp_path / "docs" / "images" / "expressions.png").read_bytes().startswith(b"\x89PNG")
