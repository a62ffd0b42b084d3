"""The living face on a simulated display: what a person sees, and what it costs on the bus."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pytest
from PIL import Image, ImageChops

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.state import CameraState, RobotSnapshot, RobotState
from robot_node.devices.display import Display
from robot_node.devices.face import Face, signs_of
from robot_node.errors import SettingsError
from robot_node.face.animator import Animator
from robot_node.face.custom import with_custom
from robot_node.face.display_policy import DisplayPolicy, Night
from robot_node.face.expressions import Emotion
from robot_node.face.signs import Link, Signs
from robot_node.settings.devices import DisplaySettings
from tests.faces import emotion_in
from tests.waiting import eventually

ONLINE = RobotSnapshot(mcp_connected=True)


@dataclass
class Stage:
    """A living face, the display in front of it, and what it should look like."""

    pi: SimulatedPi
    state: RobotState
    face: Face
    local: dt.time = dt.time(12)

    def shows(self, emotion: Emotion) -> bool:
        return emotion_in(self.pi.oled.picture()) is emotion

    @property
    def dark(self) -> bool:
        return self.pi.oled.picture().getbbox() is None


@contextlib.asynccontextmanager
async def living(
    *,
    driver: Literal["ssd1306", "sh1106"] = "ssd1306",
    height: Literal[32, 64] = 64,
    policy: DisplayPolicy = DisplayPolicy(),
    expressions: dict[str, dict[str, object]] | None = None,
) -> AsyncIterator[Stage]:
    pi = simulated_platform(controller=driver, display_height=height)
    state = RobotState(ONLINE)
    settings = DisplaySettings(driver=driver, height=height)
    display = Display(pi.platform, settings, state, probe_interval_s=0.02, retry_initial_s=0.01, retry_maximum_s=0.02)
    await display.open()
    known = with_custom(expressions or {}, size=(128, height))
    face = Face(display, state, expressions=known, policy=policy, local_time=lambda: stage.local)
    stage = Stage(pi, state, face)
    task = asyncio.create_task(face.run())
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.wait({task})
        await display.close()
    assert not pi.oled.problems


@pytest.mark.parametrize(("driver", "height"), [("ssd1306", 64), ("sh1106", 32)])
async def test_every_emotion_is_seen(driver: Literal["ssd1306", "sh1106"], height: Literal[32, 64]) -> None:
    async with living(driver=driver, height=height) as stage:
        for emotion in (*Emotion, Emotion.NEUTRAL):
            stage.face.show_emotion(emotion)
            assert stage.state.snapshot.emotion == emotion
            await eventually(partial(stage.shows, emotion))


async def test_it_moves_by_itself_and_an_idle_one_costs_little() -> None:
    async with living() as stage:
        await eventually(lambda: stage.shows(Emotion.NEUTRAL))
        first = stage.pi.oled.picture()
        stage.pi.i2c.bytes_on_wire = 0
        await eventually(lambda: ImageChops.logical_xor(first, stage.pi.oled.picture()).getbbox() is not None)
        assert stage.pi.i2c.bytes_on_wire < 1034  # a blink, a glance or a breath: not a whole picture


async def test_aliases_and_own_expressions() -> None:
    async with living(expressions={"wink": {"like": "playful", "mouth": {"width": 12}}}) as stage:
        stage.face.show_emotion("crying")
        await eventually(lambda: stage.shows(Emotion.SAD))
        assert "wink" in stage.face.names
        stage.face.show_emotion("wink")
        assert stage.state.snapshot.emotion == "wink"
        with pytest.raises(SettingsError, match="hungry") as refused:
            stage.face.show_emotion("hungry")
        assert "wink" in str(refused.value)
        assert stage.state.snapshot.emotion == "wink"


def text_rows(picture: Image.Image) -> Image.Image:
    return picture.crop((10, picture.height - 10, 48, picture.height))  # left of any mouth at rest


async def test_text_shows_below_the_face_and_goes() -> None:
    async with living() as stage:
        await eventually(lambda: stage.shows(Emotion.NEUTRAL))
        shown_s = stage.face.show_text("Hello there, how are you", 0.3)
        assert shown_s == pytest.approx(0.3)
        await eventually(lambda: text_rows(stage.pi.oled.picture()).getbbox() is not None)
        await eventually(lambda: stage.shows(Emotion.NEUTRAL) and text_rows(stage.pi.oled.picture()).getbbox() is None)


async def test_the_mouth_moves_with_speech_and_the_expression_comes_back() -> None:
    async with living() as stage:
        stage.face.show_emotion(Emotion.HAPPY)
        await eventually(lambda: stage.shows(Emotion.HAPPY))
        mouths = set()

        def mouth() -> bytes:
            return stage.pi.oled.picture().crop((30, 40, 98, 64)).tobytes()

        stage.face.speak([(0.05 * step, abs((step % 8) - 4) / 4) for step in range(40)])

        def many() -> bool:
            mouths.add(mouth())
            return len(mouths) >= 5

        await eventually(many)
        stage.face.stop_speaking()
        await eventually(lambda: stage.shows(Emotion.HAPPY))


@pytest.mark.parametrize(
    ("change", "signs"),
    [
        ({}, Signs()),
        ({"mcp_connected": False}, Signs(link=Link.CONNECTING)),
        (
            {"mcp_connected": False, "link_error": "Connection refused. Check the broker."},
            Signs(link=Link.OFFLINE, error="Connection refused"),
        ),
        (
            {
                "mcp_connected": False,
                "link_error": "Cannot reach the MQTT broker at mqtt://r5:1883: [Errno 111] Connection refused. Wait.",
            },
            Signs(link=Link.OFFLINE, error="Cannot reach the MQTT broker: Connection refused"),
        ),
        ({"camera": CameraState.ON}, Signs(camera=True)),
        ({"camera": CameraState.STARTING}, Signs()),
        ({"viewers": 2}, Signs(watched=True)),
        ({"microphone_on": True}, Signs(microphone=True)),
        ({"faults": {"camera": "No camera was found."}}, Signs(error="No camera was found")),
    ],
)
async def test_what_is_true_of_the_robot_is_seen_at_a_glance(change: dict[str, object], signs: Signs) -> None:
    state = RobotState(ONLINE)
    state.update(**change)
    assert signs_of(state.snapshot) == signs
    expected = Animator(seed=1)
    expected.sign(signs, 0.0)
    plain = Animator(seed=1)
    async with living() as stage:
        stage.state.update(**change)

        def corner(picture: Image.Image) -> bytes:
            return picture.crop((0, 0, 8, 8)).tobytes()

        if signs.link is Link.CONNECTING:  # it moves
            await eventually(lambda: corner(stage.pi.oled.picture()) != corner(plain.picture(2.0)))
        else:
            await eventually(lambda: corner(stage.pi.oled.picture()) == corner(expected.picture(2.0)))


async def test_it_listens() -> None:
    async with living() as stage:
        await eventually(lambda: stage.shows(Emotion.NEUTRAL))
        stage.face.listen(listening=True)
        await eventually(lambda: stage.pi.oled.picture().crop((0, 0, 8, 8)).getbbox() is not None)
        stage.face.listen(listening=False)
        await eventually(lambda: stage.pi.oled.picture().crop((0, 0, 8, 8)).getbbox() is None)


async def test_a_face_comes_back_by_itself() -> None:
    async with living() as stage:
        await eventually(lambda: stage.shows(Emotion.NEUTRAL))
        stage.pi.oled.unplug()
        await eventually(lambda: stage.state.snapshot.fault("display") != "")
        stage.face.show_emotion(Emotion.ANGRY)
        stage.pi.oled.plug()
        await eventually(lambda: stage.shows(Emotion.ANGRY))
        assert stage.state.snapshot.fault("display") == ""


async def test_unplugged_while_the_face_turns() -> None:
    async with living() as stage:
        await eventually(lambda: stage.shows(Emotion.NEUTRAL))
        for emotion in (Emotion.TIRED, Emotion.SURPRISED):
            before = stage.pi.oled.picture().tobytes()
            stage.face.show_emotion(emotion)
            await eventually(lambda before=before: stage.pi.oled.picture().tobytes() != before)  # type: ignore[misc]  # a lambda's default
            stage.pi.oled.unplug()
            await eventually(lambda: stage.state.snapshot.fault("display") != "")
            stage.pi.oled.plug()
            await eventually(partial(stage.shows, emotion))


async def test_night_dims_and_morning_does_not() -> None:
    policy = DisplayPolicy(contrast=200, night=Night.parse("22:00-07:00"), night_contrast=5)
    async with living(policy=policy) as stage:
        await eventually(lambda: stage.pi.oled.controller.contrast == 200)
        stage.local = dt.time(23, 30)
        stage.face.show_emotion(Emotion.TIRED)
        await eventually(lambda: stage.pi.oled.controller.contrast == 5)
        stage.local = dt.time(7)
        stage.face.show_emotion(Emotion.HAPPY)
        await eventually(lambda: stage.pi.oled.controller.contrast == 200)


@pytest.mark.slow
async def test_it_goes_dark_when_nothing_happens_and_wakes() -> None:
    async with living(policy=DisplayPolicy(off_after_s=3.0)) as stage:
        await eventually(lambda: not stage.dark)
        await eventually(lambda: stage.dark)
        assert not stage.pi.oled.controller.on
        stage.face.show_emotion(Emotion.SURPRISED)
        await eventually(lambda: stage.shows(Emotion.SURPRISED))


async def test_while_the_robot_sees_it_does_not_go_dark() -> None:
    async with living(policy=DisplayPolicy(off_after_s=0.2)) as stage:
        stage.state.update(camera=CameraState.ON)
        await eventually(lambda: not stage.dark)
        began = stage.pi.i2c.transfers
        await eventually(lambda: stage.pi.i2c.transfers > began + 100)
        assert not stage.dark
        stage.state.update(camera=CameraState.OFF)
        await eventually(lambda: stage.dark)


async def test_a_text_is_shown_to_its_end_before_it_goes_dark() -> None:
    async with living(policy=DisplayPolicy(off_after_s=0.1)) as stage:
        await eventually(lambda: stage.dark)
        stage.face.show_text("Here is one whole line; and another whole line of text", 1.5)
        seen = set()

        def ends() -> bool:
            rows = text_rows(stage.pi.oled.picture())
            if rows.getbbox() is not None:
                seen.add(rows.tobytes())
            return len(seen) >= 2

        await eventually(ends)
        await eventually(lambda: stage.dark)


async def test_the_picture_shifts() -> None:
    async with living(policy=DisplayPolicy(shift_every_s=0.1)) as stage:
        seen = set()

        def moved() -> bool:
            box = stage.pi.oled.picture().getbbox()
            seen.add(box and box[0])
            return len(seen - {None}) >= 2

        await eventually(moved)


async def test_without_a_display_there_is_a_picture_all_the_same() -> None:
    pi = simulated_platform()
    state = RobotState(ONLINE)
    display = Display(pi.platform, DisplaySettings(driver="none"), state)
    await display.open()
    face = Face(display, state)
    before = face.picture.tobytes()
    task = asyncio.create_task(face.run())
    face.show_emotion(Emotion.LAUGH)
    await eventually(lambda: face.picture.tobytes() != before)
    assert state.snapshot.emotion == "laugh"
    assert pi.i2c.transfers == 0
    task.cancel()
    await asyncio.wait({task})
    await display.close()
