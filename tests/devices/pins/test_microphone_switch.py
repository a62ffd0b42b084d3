"""The microphone's switch: by hand, which wins, and from afar; and the LED that is lit while it is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from robot_node.core.state import RobotState, act_for
from robot_node.devices.face import signs_of
from robot_node.robot.saved_state import SavedState, restore
from robot_node.robot.state_store import StateStore
from robot_node.settings.loading import load_settings
from tests.devices.pins.rig import LED, SWITCH, Rig, robot
from tests.robot.test_state_store import face, keeping
from tests.waiting import eventually

SOUND = {"microphone": "default"}
BY_HAND = {"microphone": {"switch_pin": SWITCH}}
WITH_LED = {"microphone": {"led_pin": LED, "led_check_s": 0.01}}


async def control(robot: Rig, *, enabled: bool) -> dict[str, Any]:
    """Call the tool; returns its result."""
    result: Any = await robot.server.call_tool("control_microphone", {"enabled": enabled})
    return dict(result.structured_content)


def listen(robot: Rig) -> None:
    """Somebody needs the microphone from now on."""
    assert robot.parts.microphone is not None
    robot.parts.microphone.set_sample_sink(lambda _samples, _heard_at: None)


async def heard(robot: Rig, *, is_open: bool) -> None:
    """Wait until sound is captured, or no longer is, and the robot says so."""
    await eventually(lambda: robot.pi.microphone.recording is is_open and robot.state.snapshot.microphone_on is is_open)


async def test_switched_off_from_afar_it_is_closed_when_the_tool_returns_and_opens_again_when_switched_on() -> None:
    async with robot(audio=SOUND) as it:
        listen(it)
        await heard(it, is_open=True)
        with act_for("agent"):
            assert (await control(it, enabled=False))["microphone_enabled"] is False
        assert not it.pi.microphone.recording
        await heard(it, is_open=False)
        assert signs_of(it.state.snapshot).deaf
        (switched, *_) = [each for each in it.parts.telemetry.events.after() if "switched" in each.text]
        assert (switched.kind, switched.text, switched.by) == (
            "microphone",
            "The microphone was switched off.",
            "agent",
        )
        assert (await control(it, enabled=True))["microphone_enabled"] is True
        await heard(it, is_open=True)
        assert not signs_of(it.state.snapshot).deaf


async def test_nobody_needs_it_so_switching_it_on_does_not_open_it() -> None:
    async with robot(audio=SOUND) as it:
        await control(it, enabled=False)
        assert await control(it, enabled=True) == {"microphone_enabled": True, "microphone_on": False}
        assert it.pi.microphone.starts == 0


async def test_a_robot_without_microphone_has_no_such_tool() -> None:
    async with robot() as it:
        assert "control_microphone" not in [tool.name for tool in await it.server.list_tools()]
        assert it.state.snapshot.microphone_enabled is None


async def test_the_hand_wins_over_agents_and_gives_it_back() -> None:
    async with robot(audio=SOUND, privacy=BY_HAND) as it:
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.microphone_privacy)
        listen(it)
        await heard(it, is_open=True)
        it.pi.gpio.release(SWITCH)
        await heard(it, is_open=False)
        assert it.state.snapshot.microphone_privacy
        assert not it.state.snapshot.privacy, "the camera is another matter"
        with pytest.raises(ToolError, match="The microphone switch of the robot is engaged"):
            await control(it, enabled=True)
        assert not it.pi.microphone.recording
        it.pi.gpio.press(SWITCH)
        await heard(it, is_open=True)
        assert [text for kind, text in it.told if kind == "privacy"][1:] == [  # it begins engaged: a cut wire does too
            "The microphone switch is disengaged: the microphone may be opened.",
            "The microphone switch is engaged: the microphone cannot be opened.",
            "The microphone switch is disengaged: the microphone may be opened.",
        ]


async def test_what_an_agent_switched_off_stays_off_when_the_hand_lets_go() -> None:
    async with robot(audio=SOUND, privacy=BY_HAND) as it:
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.microphone_privacy)
        await control(it, enabled=False)
        it.pi.gpio.release(SWITCH)
        await eventually(lambda: it.state.snapshot.microphone_privacy)
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.microphone_privacy)
        listen(it)
        assert it.state.snapshot.microphone_enabled is False
        assert it.pi.microphone.starts == 0


async def test_a_switch_that_cannot_be_read_keeps_it_closed_and_is_a_fault() -> None:
    async with robot(audio=SOUND, privacy=BY_HAND) as it:
        it.pi.gpio.press(SWITCH)
        await eventually(lambda: not it.state.snapshot.microphone_privacy)
        it.pi.gpio.pin(SWITCH).broken = True
        listen(it)
        await eventually(lambda: bool(it.state.snapshot.fault("microphone_switch")))
        assert it.pi.microphone.starts == 0
        assert not it.state.snapshot.fault("privacy")


async def test_the_led_is_lit_before_it_is_open_and_dark_after_it_is_closed() -> None:
    async with robot(audio=SOUND, privacy=WITH_LED) as it:
        levels: list[tuple[float, bool]] = []
        it.pi.gpio.pin(LED).on_level = lambda level: levels.append((level, it.pi.microphone.recording))
        listen(it)
        await heard(it, is_open=True)
        await control(it, enabled=False)
        await eventually(lambda: it.pi.gpio.level(LED) == 0)
        assert levels == [(1.0, False), (0.0, False)]


async def test_without_the_led_it_is_not_opened_until_the_led_works() -> None:
    async with robot(audio=SOUND, privacy=WITH_LED) as it:
        it.pi.gpio.pin(LED).stuck = True
        listen(it)
        await eventually(lambda: f"GPIO{LED} cannot be lit" in it.state.snapshot.fault("microphone"))
        assert it.pi.microphone.starts == 0
        it.pi.gpio.pin(LED).stuck = False
        await heard(it, is_open=True)
        assert not it.state.snapshot.faults


async def test_an_led_that_goes_dark_closes_it() -> None:
    async with robot(audio=SOUND, privacy=WITH_LED) as it:
        listen(it)
        await heard(it, is_open=True)
        it.pi.gpio.pin(LED).held = 0.0
        await heard(it, is_open=False)
        await eventually(lambda: f"GPIO{LED}" in it.state.snapshot.fault("microphone"))


async def test_switched_off_from_afar_it_stays_off_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    async with robot(audio=SOUND) as it, keeping(path, it.state):
        await control(it, enabled=False)
    async with robot(audio=SOUND) as it:
        saved = await StateStore(path, it.state).load()
        restore(saved, it.state, face(RobotState()), it.parts.microphone, None)
        listen(it)
        assert it.state.snapshot.microphone_enabled is False
        assert it.pi.microphone.starts == 0
    assert saved == SavedState(microphone=False)


def test_one_pin_is_not_both_switches() -> None:
    with pytest.raises(ValueError, match=r"GPIO27 is used twice: by privacy\.switch_pin and by privacy\.microphone"):
        load_settings(None, {"privacy": {"switch_pin": SWITCH, "microphone": {"switch_pin": SWITCH}}})
