"""docs/recipes.md: each recipe is carried out as it is written, and does what it says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from PIL import Image

from robot_node.apps.demo_buttons import PIN_SETTINGS, Buttons
from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.loading import load_settings
from tests.guide import DOCS, Terminal, blocks, robot
from tests.ports import free_port
from tests.waiting import eventually

RECIPES = blocks("recipes.md")
QUICK_SLEEP = "sleep() { command sleep 0.1; }\n"
pytestmark = pytest.mark.timeout(400)  # each starts several programs, on a busy machine


@pytest.fixture
def terminal(tmp_path: Path, broker: PrivateBroker) -> Terminal:
    return Terminal(tmp_path, broker)


@pytest.fixture
async def buttons(broker: PrivateBroker) -> AsyncIterator[Buttons]:
    """The demo's robot is online; what is typed into its terminal."""
    async with robot(broker, **PIN_SETTINGS) as (settings, platform):
        yield Buttons(settings, platform)


def test_every_recipe_is_tried_here() -> None:
    tests = Path(__file__).read_text()
    assert [name for name in RECIPES if f'RECIPES["{name}"]' not in tests] == []
    page = (DOCS / "recipes.md").read_text()
    untried = re.findall(r"(?<!-->\n)^```(?:sh|toml|js|python)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert all(block.startswith("export ROBOT_NODE_BROKER__") for block in untried)


@pytest.mark.slow
@pytest.mark.usefixtures("buttons")
async def test_a_photo_every_minute(terminal: Terminal) -> None:
    async with terminal.running(QUICK_SLEEP + RECIPES["every minute"]):
        await eventually(lambda: len(list(terminal.folder.glob("photo-*.jpg"))) > 1)
    for photo in terminal.folder.glob("photo-*.jpg"):
        with Image.open(photo) as picture:
            assert picture.size == (320, 240)


@pytest.mark.usefixtures("buttons")
async def test_the_schedule(terminal: Terminal) -> None:
    entries = [re.split(r"\s+", line, maxsplit=5) for line in RECIPES["schedule"].splitlines()]
    assert [(hour, weekdays) for _, hour, _, _, weekdays, _ in entries] == [("8", "1-5"), ("18", "1-5")]
    assert '"camera": "on"' in await terminal.run(entries[0][-1])
    assert '"camera": "off"' in await terminal.run(entries[1][-1])


@pytest.mark.parametrize(
    "settings", [RECIPES["off by itself"], RECIPES["reactions"]], ids=["off by itself", "reactions"]
)
def test_the_settings(tmp_path: Path, settings: str) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(settings)
    load_settings(file)


async def test_the_agent_reacts(terminal: Terminal, buttons: Buttons) -> None:
    async with terminal.running(RECIPES["button agent"], program=sys.executable) as agent:
        await agent.until("Waiting for what happens.")
        buttons.execute("press doorbell")
        await agent.until("Button doorbell was pressed.")
        await agent.until("The face shows laugh.")
        buttons.execute("press hall")
        await agent.until("Motion sensor hall sees motion.")
        with Image.open(terminal.folder / "visitor.jpg") as picture:
            assert picture.size == (320, 240)


@pytest.mark.slow
@pytest.mark.usefixtures("buttons")
async def test_two_robots(terminal: Terminal) -> None:
    log = terminal.folder / "robots.log"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(terminal.running(RECIPES["watch robots"]))
        async with terminal.running(RECIPES["second robot"]) as second:
            await second.until("WebRTC connection to")
            await eventually(lambda: log.exists() and "robot-two" in log.read_text())
            await terminal.run(RECIPES["watch both"].replace("--frames 90", "--frames 15"))
            for name in ("demo-robot", "robot-two"):
                assert (terminal.folder / f"{name}.mp4").stat().st_size > 0
            await second.until("has ended: Terminated by the viewer")  # it leaves without waiting for that
            said = await terminal.run(RECIPES["all robots"], program=sys.executable)
            assert "demo/two shows neutral and has 0 viewers" in said
            assert "demo/robot shows neutral and has" in said
        await eventually(lambda: '"offline"' in log.read_text())
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["event"], line["server_id"]) for line in told if line["server_id"] == "robot-two"] == [
        ("online", "robot-two"),
        ("offline", "robot-two"),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("buttons")
async def test_http(terminal: Terminal) -> None:
    port = str(free_port())
    async with terminal.running(RECIPES["bridge"].replace("8765", port)) as bridge:
        await bridge.until(f":{port}/mcp")
        answer = json.loads(await terminal.run(RECIPES["curl"].replace("8765", port)))
        assert answer["result"]["structuredContent"] == {"emotion": "surprised"}
        assert await terminal.run(RECIPES["node"].replace("8765", port), program="node") == "image/jpeg\n"
        with Image.open(terminal.folder / "photo.jpg") as picture:
            assert picture.size == (320, 240)
