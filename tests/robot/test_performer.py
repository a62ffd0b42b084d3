"""Behaviours: what a robot shows, moves and sounds in each step, and how they end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client

from robot_node.errors import DeviceError, NotReadyError, SettingsError
from robot_node.robot.performer import Performer
from robot_node.settings.behaviours import BUILT_IN
from robot_node.settings.loading import load_settings
from robot_node.tools.server import build_server
from tests.devices.pins.rig import Rig, robot
from tests.waiting import DEADLINE_S, eventually

LAMP, BUZZER, PAN, TILT = 5, 13, 18, 19
PINS: dict[str, Any] = {
    "outputs": {
        "lamp": {"kind": "led", "pin": LAMP},
        "mood": {"kind": "rgb_led", "pins": [6, 16, 26]},
        "horn": {"kind": "buzzer", "pin": BUZZER},
        "neck": {"kind": "servo", "pin": PAN, "limits": [-30, 30]},
        "chin": {"kind": "servo", "pin": TILT, "max_speed": 1},
    },
    "pan": "neck",
    "tilt": "chin",
}
WAVE = {
    "steps": [
        {"emotion": "happy", "led": "#ff8000", "pan": 20, "beep_s": 0.5, "seconds": 0.1},
        {"led": "#000000", "pan": -90, "seconds": 0.2},
        {"pan": 0, "tilt": 0, "seconds": 0.3},
    ]
}

SLOW = {"steps": [{"emotion": "happy", "led": "#ff8000", "tilt": 80, "beep_s": 1, "seconds": 10}, {"emotion": "sad"}]}


class Steps:
    """A clock that a test moves on from step to step."""

    def __init__(self) -> None:
        self.seconds: asyncio.Queue[float] = asyncio.Queue()
        self._moved_on = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        """Wait until the test moves on."""
        self.seconds.put_nowait(seconds)
        await self._moved_on.acquire()

    async def begun(self) -> float:
        """Wait until a step has begun, and return its duration."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.seconds.get()

    def move_on(self) -> None:
        """End a step."""
        self._moved_on.release()


@dataclasses.dataclass
class Stage:
    """A robot that performs."""

    it: Rig
    performer: Performer
    steps: Steps
    client: Client

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool that succeeds."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return result.structured_content

    @property
    def outputs(self) -> dict[str, Any]:
        """What each output does."""
        return self.it.parts.outputs.values()


@asynccontextmanager
async def stage(pins: dict[str, Any] | None = None, **behaviours: Any) -> AsyncIterator[Stage]:
    """A robot with these pins and, besides the built-in ones, these behaviours."""
    pins = PINS if pins is None else pins
    known = load_settings(None, {"behaviours": behaviours}).behaviours.all()
    async with robot(pins=pins) as it:
        steps = Steps()
        performer = Performer(it.state, it.parts.face, it.parts.outputs, behaviours=known, sleep=steps.sleep)
        parts = dataclasses.replace(it.parts, performer=performer)
        async with Client(build_server(parts, name="test/robot", description="A robot.")) as client:
            yield Stage(it, performer, steps, client)
            await performer.close()


async def offered(stage: Stage) -> list[str]:
    (tool,) = [tool for tool in (await stage.client.list_tools()).tools if tool.name == "perform"]
    names: list[str] = tool.input_schema["properties"]["name"]["enum"]
    return names


async def test_what_would_do_nothing_is_not_offered() -> None:
    async with stage() as complete:
        assert await offered(complete) == list(BUILT_IN)
    glow = {"steps": [{"led": "#ffffff"}]}
    async with stage({}, glow=glow) as plain:
        assert await offered(plain) == ["greet", "celebrate", "think"]
    async with stage({"outputs": {"lamp": {"kind": "led", "pin": LAMP}}}, glow=glow) as with_lamp:
        assert await offered(with_lamp) == ["greet", "celebrate", "think", "glow"]


async def test_each_step_is_seen_and_afterwards_all_is_as_before() -> None:
    async with stage(wave=WAVE) as on:
        await on.call("set_led", name="mood", colour="#0000ff")
        await on.call("look_at", pan=5, tilt=0)
        levels = list[float]()
        on.it.pi.gpio.pin(BUZZER).on_level = levels.append
        performing = asyncio.create_task(on.call("perform", name="wave"))
        assert await on.steps.begun() == 0.1
        assert on.it.state.snapshot.emotion == "happy"
        assert (on.outputs["lamp"], on.outputs["mood"]) == (1, "#ff8000")
        await eventually(lambda: on.outputs["neck"] == 25)
        await eventually(lambda: levels[:1] == [1])
        assert on.outputs["chin"] == 0, "that step has no tilt"
        on.steps.move_on()
        assert await on.steps.begun() == 0.2
        assert (on.outputs["lamp"], on.outputs["mood"]) == (0, "#000000")
        await eventually(lambda: on.outputs["neck"] == -30)  # the servo's limit
        on.steps.move_on()
        assert await on.steps.begun() == 0.3
        await eventually(lambda: on.outputs["neck"] == 5)
        on.steps.move_on()
        assert await performing == {"name": "wave", "finished": True}
        assert on.it.state.snapshot.emotion == "neutral"
        assert (on.outputs["lamp"], on.outputs["mood"]) == (0, "#0000ff")


async def test_an_emotion_that_an_agent_shows_meanwhile_stays() -> None:
    async with stage(wave=WAVE) as on:
        performing = asyncio.create_task(on.call("perform", name="wave"))
        await on.steps.begun()
        await on.call("change_emotion", emotion="sad")
        for _ in WAVE["steps"]:
            on.steps.move_on()
        await performing
        assert on.it.state.snapshot.emotion == "sad"


async def test_stop_all_stops_it_in_the_middle() -> None:
    async with stage(slow=SLOW) as on:
        performing = asyncio.create_task(on.call("perform", name="slow"))
        await on.steps.begun()
        stopped = (await on.call("stop_all"))["stopped"]
        assert stopped[0] == "behaviour"
        assert "chin" in stopped
        assert await performing == {"name": "slow", "finished": False}
        await eventually(lambda: on.it.pi.gpio.level(BUZZER) == 0)
        assert on.outputs["chin"] < 80, "it stays where it is"
        assert on.it.state.snapshot.emotion == "neutral"
        assert on.outputs["lamp"] == 0
        assert "behaviour" not in (await on.call("stop_all"))["stopped"]


async def test_a_cancelled_call_stops_what_it_has_set_in_motion() -> None:
    async with stage(slow=SLOW) as on:
        performing = asyncio.create_task(on.performer.perform("slow"))
        await on.steps.begun()
        performing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await performing
        await eventually(lambda: on.outputs["lamp"] == 0)
        assert on.it.state.snapshot.emotion == "neutral"
        assert on.it.parts.outputs.stop_all() == (), "nothing moves or sounds any more"
        again = asyncio.create_task(on.performer.perform("slow"))
        await on.steps.begun()
        assert on.performer.stop()
        assert await again is False


async def test_one_at_a_time() -> None:
    async with stage(wave=WAVE) as on:
        performing = asyncio.create_task(on.performer.perform("wave"))
        await on.steps.begun()
        with pytest.raises(
            NotReadyError, match=r"is performing the behaviour wave\. Wait for its end, or call stop_all"
        ):
            await on.performer.perform("nod")
        on.performer.stop()
        assert await performing is False


async def test_a_pin_that_fails_ends_it_with_the_reason() -> None:
    async with stage(wave=WAVE) as on:
        on.it.pi.gpio.pin(LAMP).broken = True
        with pytest.raises(DeviceError, match="lamp"):
            await on.performer.perform("wave")
        assert on.it.state.snapshot.emotion == "neutral"


@pytest.mark.parametrize(
    ("behaviours", "reason"),
    [
        ({"wave": {"steps": []}}, "behaviours.wave.steps"),
        ({"wave": {"steps": [{"seconds": 10}] * 4}}, "take 40 s in all: at most 30 s"),
        ({"wave": {"steps": [{"seconds": 0}]}}, "behaviours.wave.steps.0.seconds"),
        ({"wave": {"steps": [{"emotion": "dizzy"}]}}, "there is no emotion 'dizzy'"),
        ({"wave": {"steps": [{"jump": 1}]}}, "jump"),
        ({"Wave!": {"steps": [{}]}}, "cannot be a behaviour's name"),
        ({f"b{number}": {"steps": [{}]} for number in range(33)}, "at most 32"),
    ],
)
def test_behaviours_that_cannot_be_used_are_refused_at_start(behaviours: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(None, {"behaviours": behaviours})
    assert reason in str(refused.value)


def test_a_behaviour_of_the_settings_replaces_a_built_in_one() -> None:
    known = load_settings(None, {"behaviours": {"nod": WAVE}}).behaviours.all()
    assert len(known) == len(BUILT_IN)
    assert known["nod"].steps[0].emotion == "happy"
