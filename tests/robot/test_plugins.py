"""Devices of other packages: the example of the guide, installed and run, and what is said when one does not work."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import TextContent, TextResourceContents

from hw_mocks.platform import simulated_platform
from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.plugin import ENTRY_POINTS, DeviceContext, DevicePlugin
from robot_node.errors import SettingsError
from robot_node.robot import stop_all as stopping
from robot_node.robot.plugins import open_plugins
from robot_node.settings.loading import load_settings
from robot_node.settings.reactions import ReactionSettings
from robot_node.tools.access import guarded
from robot_node.tools.server import build_server
from tests.devices.pins.rig import Rig, robot
from tests.guide import blocks
from tests.robots import reactions_of
from tests.waiting import DEADLINE_S, eventually

EXAMPLE = Path(__file__).parents[2] / "docs" / "device-example"


def install(
    folder: Path,
    code: str,
    entry_points: dict[str, str],
    module: str = "robot_node_thermometer",
    *,
    group: str = ENTRY_POINTS,
) -> None:
    """What pip does with a package of one module."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for module in ("robot_node_thermometer", "robot_node_pump", "robot_node_hunter"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return folder


@pytest.fixture
def example(site: Path) -> None:
    """The example of the guide is installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(site, (EXAMPLE / "robot_node_thermometer.py").read_text(), project["entry-points"][ENTRY_POINTS])


def context(name: str = "thermometer", told: list[str] | None = None, **settings: Any) -> DeviceContext:
    platform = simulated_platform(scene="clock").platform
    return DeviceContext(name, settings, platform, RobotState(), EventLog(), (told if told is not None else []).append)


@pytest.mark.usefixtures("example")
async def test_the_example_gives_a_tool_a_resource_updates_and_events(tmp_path: Path) -> None:
    file, told = tmp_path / "temp", list[str]()
    file.write_text("41500\n")
    given = context(told=told, file=str(file), every_s=0.01, limit=70)
    async with AsyncExitStack() as devices, robot() as it:
        for plugin in (await open_plugins([given], devices)).values():
            plugin.offer(it.server)
        async with Client(it.server) as client:
            result = await client.call_tool("get_temperature", {})
            assert result.structured_content == {"result": 41.5}
            file.write_text("71000\n")
            await eventually(lambda: told == ["robot://thermometer"])
            (content,) = (await client.read_resource("robot://thermometer")).contents
            assert isinstance(content, TextResourceContents)
            assert content.text == "71.0"
        await eventually(
            lambda: [event.text for event in given.events.after()] == ["The processor is hot: 71 degrees."]
        )


@pytest.mark.usefixtures("example")
async def test_the_example_without_its_sensor_raises_an_error_in_place_of_a_number(tmp_path: Path) -> None:
    file = tmp_path / "temp"
    given = context(file=str(file), every_s=0.01)
    async with AsyncExitStack() as devices, robot() as it:
        for plugin in (await open_plugins([given], devices)).values():
            plugin.offer(it.server)
        async with Client(it.server) as client:
            failed = await client.call_tool("get_temperature", {})
            assert failed.is_error
            (block,) = failed.content
            assert isinstance(block, TextContent)
            assert "The temperature cannot be read; faults in get_status has the reason." in block.text
            assert "No such file" in given.state.snapshot.faults["device thermometer"]

            file.write_text("41500\n")
            await eventually(lambda: not given.state.snapshot.faults)
            assert (await client.call_tool("get_temperature", {})).structured_content == {"result": 41.5}


@pytest.mark.usefixtures("example")
async def test_a_role_names_the_tool_and_the_resource_of_a_device(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("41500\n")
    (tmp_path / "robot.toml").write_text(
        """
        [access]
        default_role = "nurse"
        confirm_tools = ["get_temperature"]
        tool_calls_per_minute = { get_temperature = 6 }
        [access.roles.nurse]
        allowed_tools = ["get_temperature"]
        allowed_resources = ["robot://thermometer"]
        """
    )
    async with AsyncExitStack() as devices, robot() as it:
        for plugin in (await open_plugins([context(file=str(tmp_path / "temp"))], devices)).values():
            plugin.offer(it.server)
        policy = await guarded(it.server, load_settings(tmp_path / "robot.toml").access)
        nurse = policy.role_of("anybody")
        assert nurse.may_call("get_temperature")
        assert not nurse.may_call("take_photo")
        assert nurse.may_read("robot://thermometer")
        assert not nurse.may_read("robot://status")


def test_the_guide_says_what_the_example_does() -> None:
    guide = (EXAMPLE.parent / "add-a-device.md").read_text()
    entry = re.search(r"```toml\n# pyproject\.toml\n(.*?)```", guide, re.DOTALL)
    assert entry
    assert entry[1] in (EXAMPLE / "pyproject.toml").read_text()
    lines = (EXAMPLE / "robot_node_thermometer.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 50


PUMP, WHEEL = 23, {"kind": "motor", "pins": [20, 21]}


@asynccontextmanager
async def watered(site: Path, **others: DevicePlugin) -> AsyncIterator[Rig]:
    """A robot with a motor on its pins, and the pump of the guide."""
    install(site, blocks("add-a-device.md")["a pump"], {"pump": "robot_node_pump:Pump"}, "robot_node_pump")
    async with AsyncExitStack() as devices, robot(pins={"outputs": {"wheel": WHEEL}}) as it:
        given = dataclasses.replace(context("pump", pin=PUMP), platform=it.pi.platform)
        parts = dataclasses.replace(it.parts, plugins={**await open_plugins([given], devices), **others})
        yield dataclasses.replace(
            it, parts=parts, server=build_server(parts, name="tests/robot", description="A robot.")
        )


class Still:
    """A device that cannot move: it has no ``stop``."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def offer(self, server: MCPServer) -> None: ...


class Stuck(Still):
    """A device that answers ``stop`` with an error, or not at all."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    async def stop(self) -> bool:
        if self.error is not None:
            raise self.error
        await asyncio.get_running_loop().create_future()
        return True


class Slow(Still):
    """A device that takes its time to stop."""

    def __init__(self) -> None:
        self.stopping, self.may_stop, self.stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stop(self) -> bool:
        self.stopping.set()
        await self.may_stop.wait()
        self.stopped.set()
        return True


async def test_a_device_stops_even_if_whoever_asked_for_it_has_gone() -> None:
    async with robot() as it, asyncio.timeout(DEADLINE_S):
        arm = Slow()
        asking = asyncio.create_task(dataclasses.replace(it.parts, plugins={"arm": arm}).stop_all())
        await arm.stopping.wait()
        asking.cancel()
        await asyncio.wait([asking])
        arm.may_stop.set()
        await arm.stopped.wait()


async def test_stop_all_stops_a_device_that_moves_and_says_so(site: Path) -> None:
    async with watered(site, still=Still()) as it, Client(it.server) as client:
        await client.call_tool("drive_motor", {"name": "wheel", "speed": 0.5, "duration": 5})
        watering = asyncio.create_task(client.call_tool("water", {"seconds": 60}))
        await eventually(lambda: it.pi.gpio.level(PUMP) == 1)
        assert (await client.call_tool("stop_all", {})).structured_content == {"stopped": ["wheel", "pump"]}
        assert it.pi.gpio.level(PUMP) == 0
        assert (await client.call_tool("stop_all", {})).structured_content == {"stopped": []}
        watering.cancel()


async def test_a_device_stops_when_its_caller_has_gone_as_the_guide_says(site: Path) -> None:
    async with watered(site) as it:
        async with Client(it.server) as client:
            watering = asyncio.create_task(client.call_tool("water", {"seconds": 60}))
            await eventually(lambda: it.pi.gpio.level(PUMP) == 1)
            watering.cancel()
        await eventually(lambda: it.pi.gpio.level(PUMP) == 0)


async def test_a_reaction_stops_a_device_that_moves(site: Path) -> None:
    rules = ReactionSettings.model_validate({"rules": [{"when": {"camera": "on"}, "then": {"stop_all": True}}]}).rules
    async with watered(site) as it, Client(it.server) as client:
        reacting = asyncio.create_task(reactions_of(it.parts, rules).run())
        watering = asyncio.create_task(client.call_tool("water", {"seconds": 60}))
        await eventually(lambda: it.pi.gpio.level(PUMP) == 1)
        await it.parts.camera.start()
        await eventually(lambda: it.pi.gpio.level(PUMP) == 0)
        watering.cancel()
        reacting.cancel()


async def test_a_device_that_cannot_be_stopped_is_told_of_and_holds_up_no_other(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_LIMIT_S", 0.1)
    # The arm waits for a task of its own that it has cancelled.
    others = {"crane": Stuck(OSError("no answer")), "arm": Stuck(asyncio.CancelledError()), "door": Stuck()}
    async with watered(site, **others) as it, Client(it.server) as client:
        watering = asyncio.create_task(client.call_tool("water", {"seconds": 60}))
        await eventually(lambda: it.pi.gpio.level(PUMP) == 1)
        result = await client.call_tool("stop_all", {})
        assert result.is_error
        assert isinstance(result.content[0], TextContent)
        failed = "crane (no answer), arm (CancelledError), door (TimeoutError)"
        assert f"Could not be stopped: {failed}. Everything else" in result.content[0].text
        assert it.pi.gpio.level(PUMP) == 0
        watering.cancel()


@pytest.mark.usefixtures("example")
async def test_a_device_that_nobody_brings_is_refused_with_those_there_are() -> None:
    async with AsyncExitStack() as devices:
        with pytest.raises(SettingsError, match=r"devices\.nose: no installed .* Installed devices: thermometer\."):
            await open_plugins([context("nose")], devices)


async def test_a_device_whose_open_raises_is_a_fault_and_the_robot_goes_on(site: Path) -> None:
    code = """
class Thermometer:
    def __init__(self, robot): ...
    async def open(self): raise OSError("unplugged")
    async def close(self): ...
    def offer(self, server): ...
"""
    install(site, code, {"thermometer": "robot_node_thermometer:Thermometer"})
    given = context()
    async with AsyncExitStack() as devices:
        assert len(await open_plugins([given], devices)) == 1
        assert "'thermometer' does not work" in given.state.snapshot.faults["device thermometer"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package\n", "cannot be loaded: No module named 'no_such_package'"),
        ("def Thermometer(robot):\n    raise ValueError('too cold')\n", "cannot be loaded: too cold"),
        (
            (
                "from robot_node.errors import SettingsError\n"
                "def Thermometer(robot):\n    raise SettingsError('limit must be a number.')\n"
            ),
            "limit must be a number",
        ),
    ],
)
async def test_what_cannot_be_loaded_is_refused_with_the_reason(site: Path, code: str, reason: str) -> None:
    install(site, code, {"thermometer": "robot_node_thermometer:Thermometer"})
    async with AsyncExitStack() as devices:
        with pytest.raises(SettingsError, match=reason):
            await open_plugins([context()], devices)


async def test_without_devices_in_the_settings_nothing_is_loaded() -> None:
    async with AsyncExitStack() as devices:
        assert await open_plugins([], devices) == {}
