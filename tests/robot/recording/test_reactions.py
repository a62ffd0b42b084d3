"""Recording by a button, without an agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.core.state import InputState
from robot_node.errors import SettingsError
from robot_node.robot.recording.contents import contents_of
from robot_node.robot.recording.states import RecorderState
from robot_node.settings.loading import load_settings
from robot_node.settings.reactions import ReactionRule
from tests.robot.recording.source import studio
from tests.robots import make_robot, reactions_of
from tests.waiting import eventually


def rule(record: str, *, pressed: bool) -> ReactionRule:
    when = {"input": "button", "is": "active" if pressed else "inactive"}
    return ReactionRule.model_validate({"when": when, "then": {"record": record}})


@pytest.mark.parametrize(("record", "state"), [("clip", RecorderState.CLIP), ("start", RecorderState.RECORDING)])
async def test_a_button_begins_and_ends_it(tmp_path: Path, record: str, state: RecorderState) -> None:
    async with studio(tmp_path) as it:
        it.telemetry.state.update(inputs={"button": InputState("button", active=False)})
        robot = make_robot(simulated_platform(scene="clock").platform, it.telemetry, recorder=it.recorder)
        rules = (rule(record, pressed=True), rule("stop", pressed=False))
        reacting = asyncio.create_task(reactions_of(robot, rules).run(), name="reactions")
        await asyncio.sleep(0)

        def press(*, down: bool) -> None:
            it.telemetry.state.update(inputs={"button": InputState("button", active=down)})

        press(down=True)  # the camera is off: logged, and the next one works
        press(down=False)
        await it.on()
        await it.source.play(1)
        press(down=True)
        await eventually(lambda: it.recorder.state is state)
        await it.source.play(1)
        press(down=False)
        await eventually(lambda: it.recorder.state is RecorderState.IDLE)
        await eventually(lambda: it.telemetry.counters.recordings_saved == 1)
        with (tmp_path / it.files()[0]).open("rb") as file:
            assert contents_of(file).cause == "when input button"
        reacting.cancel()
        await asyncio.wait([reacting])
        await robot.camera.close()


def test_a_rule_of_a_robot_that_may_not_record_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "robot-node.toml"
    rules = '[[reactions.rules]]\nwhen = { camera = "on" }\nthen = { record = "clip" }\n'
    file.write_text(rules)
    with pytest.raises(SettingsError, match=r"reactions\.rules\.0\.then\.record: the robot may not record"):
        load_settings(file)
    file.write_text(f"[recording]\nenabled = true\n{rules}")
    assert load_settings(file).reactions.rules[0].then.record == "clip"
