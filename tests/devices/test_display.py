"""The display driver: what a person sees on the glass, whatever happens to the wires."""

from __future__ import annotations

import asyncio
import atexit
import errno
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from PIL import Image, ImageChops

from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import SimulatedOled
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.platform import CameraLibrary, Platform, raspberry_pi
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import render
from robot_node.settings.devices import DisplaySettings
from tests.waiting import DEADLINE_S, eventually

modules = pytest.mark.parametrize(
    ("driver", "height"), [("ssd1306", 64), ("ssd1306", 32), ("sh1106", 64), ("sh1106", 32)]
)


def no_camera() -> CameraLibrary:
    raise AssertionError("The display needs no camera.")


@dataclass
class Bench:
    """A display on a table: the module, its bus, and what the robot knows."""

    oled: SimulatedOled
    adapter: SimulatedI2cAdapter
    settings: DisplaySettings
    state: RobotState = field(default_factory=RobotState)
    opened: int = 0

    def display(self) -> Display:
        platform = Platform(name="bench", camera_library=no_camera, i2c=self._i2c)
        return Display(
            platform, self.settings, self.state, probe_interval_s=0.01, retry_initial_s=0.01, retry_maximum_s=0.02
        )

    def shows(self, emotion: Emotion) -> bool:
        return same(self.oled.picture(), render(EXPRESSIONS[emotion], (128, self.oled.height)))

    def dark(self) -> bool:
        return self.oled.picture().getbbox() is None

    def _i2c(self, bus: int, address: int) -> Any:
        self.opened += 1
        return self.adapter.open(bus, address)


@dataclass(frozen=True)
class StillFace:
    """Faces at rest on a display."""

    display: Display

    async def show_emotion(self, emotion: Emotion) -> None:
        await self.display.show(render(EXPRESSIONS[emotion], self.display.size))


def bench(
    driver: Literal["ssd1306", "sh1106"] = "ssd1306", height: Literal[32, 64] = 64, rotate: Literal[0, 180] = 0
) -> Bench:
    oled = SimulatedOled(driver, height)
    return Bench(
        oled=oled,
        adapter=SimulatedI2cAdapter({0x3C: oled}, timeout_s=0.05),
        settings=DisplaySettings(driver=driver, height=height, rotate=rotate, contrast=77),
    )


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.logical_xor(one, other).getbbox() is None


@asynccontextmanager
async def opened(table: Bench) -> AsyncIterator[tuple[Display, StillFace]]:
    display = table.display()
    await display.open()
    try:
        yield display, StillFace(display)
    finally:
        await display.close()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@modules
@pytest.mark.parametrize("rotate", [0, 180])
async def test_every_emotion_is_on_the_glass_pixel_by_pixel(
    driver: Literal["ssd1306", "sh1106"], height: Literal[32, 64], rotate: Literal[0, 180]
) -> None:
    table = bench(driver, height, rotate)
    async with opened(table) as (_, face):
        for emotion in Emotion:
            await face.show_emotion(emotion)
            expected = render(EXPRESSIONS[emotion], (128, height)).rotate(rotate)
            assert same(table.oled.picture(), expected), emotion
    assert table.oled.controller.contrast == 77
    assert not table.oled.problems


@modules
async def test_the_glass_is_dark_before_the_first_face_and_after_the_last(
    driver: Literal["ssd1306", "sh1106"], height: Literal[32, 64]
) -> None:
    table = bench(driver, height)
    async with opened(table) as (_, face):
        assert table.dark()
        await face.show_emotion(Emotion.HAPPY)
        assert not table.dark()
    assert table.dark()
    assert not table.oled.controller.on
    table.oled.controller.on = True
    assert table.dark()  # blank, too: nothing shows up when something else switches it on


async def test_dark_lasts_until_the_next_picture() -> None:
    table = bench()
    async with opened(table) as (display, face):
        await face.show_emotion(Emotion.HAPPY)
        await display.dark()
        assert table.dark()
        transfers = table.adapter.transfers
        await eventually(lambda: table.adapter.transfers > transfers + 3)  # idle, and asked whether it is there
        assert table.dark()
        assert table.state.snapshot.fault("display") == ""
        await face.show_emotion(Emotion.SHY)
        assert table.shows(Emotion.SHY)


async def test_close_frees_the_bus_and_the_thread_and_may_come_twice() -> None:
    table = bench()
    display = table.display()
    await display.open()
    await display.show(Image.new("1", display.size, 1))
    await display.close()
    await display.close()
    assert table.adapter.open_interfaces == 0
    await eventually(lambda: not any(thread.name.startswith("display") for thread in threading.enumerate()))


async def test_the_newest_picture_wins_and_the_loop_does_not_wait() -> None:
    table = bench()
    table.adapter.timeout_s = DEADLINE_S
    async with opened(table) as (display, face):
        await face.show_emotion(Emotion.NEUTRAL)
        table.oled.hold_clock()
        loop_turned = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            shown = [group.create_task(face.show_emotion(emotion)) for emotion in Emotion]
            group.create_task(loop_turned.wait())
            asyncio.get_running_loop().call_later(0.05, loop_turned.set)
            await loop_turned.wait()
            assert not any(task.done() for task in shown)
            assert table.shows(Emotion.NEUTRAL)
            before = table.adapter.bytes_on_wire
            table.oled.release_clock()
        assert table.shows(list(Emotion)[-1])
        assert table.adapter.bytes_on_wire - before < 3 * 1034  # of thirteen pictures at most two were sent
        assert display.size == (128, 64)


@pytest.mark.parametrize("code", [errno.EREMOTEIO, errno.EIO, errno.ENXIO, errno.ETIMEDOUT])
@pytest.mark.parametrize("driver", ["ssd1306", "sh1106"])
async def test_unplugged_and_plugged_in_again(
    driver: Literal["ssd1306", "sh1106"], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = bench(driver)
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.ANGRY)
        table.oled.unplug(code)
        await eventually(lambda: table.state.snapshot.fault("display") != "")  # noticed while idle
        assert f"The {driver} display at 0x3C on I2C bus 1 does not answer" in table.state.snapshot.fault("display")
        attempts = table.opened
        await eventually(lambda: table.opened > attempts + 3)
        assert len(warnings_of(caplog)) == 1
        assert "i2cdetect -y 1" in warnings_of(caplog)[0]

        await face.show_emotion(Emotion.RELAXED)  # does not wait for a display that is away

        table.oled.plug()
        await eventually(lambda: table.state.snapshot.fault("display") == "")
        assert table.shows(Emotion.RELAXED)
        assert len([record for record in caplog.records if "responds again" in record.getMessage()]) == 1
    assert len(warnings_of(caplog)) == 1
    assert table.adapter.open_interfaces == 0


async def test_unplugged_while_a_picture_is_on_its_way() -> None:
    table = bench()
    table.adapter.timeout_s = DEADLINE_S
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.HAPPY)
        table.oled.hold_clock()
        async with asyncio.TaskGroup() as group:
            group.create_task(face.show_emotion(Emotion.SAD))
            await asyncio.sleep(0)
            table.oled.unplug()
            table.oled.release_clock()
        await eventually(lambda: table.state.snapshot.fault("display") != "")
        table.oled.plug()
        await eventually(lambda: table.shows(Emotion.SAD))


async def test_a_loose_wire_that_cuts_the_power_for_a_moment() -> None:
    table = bench()
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.PLAYFUL)
        table.oled.unplug()
        table.oled.plug()  # it answers, but has lost its set-up and is dark
        assert table.dark()
        await eventually(lambda: table.shows(Emotion.PLAYFUL))
        await eventually(lambda: table.state.snapshot.fault("display") == "")


async def test_a_loose_wire_while_it_is_dark() -> None:
    table = bench()
    async with opened(table) as (display, face):
        await face.show_emotion(Emotion.PLAYFUL)
        await display.dark()
        table.oled.unplug()
        table.oled.plug()  # nobody can tell: it is off, as it should be
        await face.show_emotion(Emotion.ANGRY)
        assert table.shows(Emotion.ANGRY)
        assert table.oled.controller.contrast == 77
    assert table.adapter.open_interfaces == 0


async def test_a_module_that_cannot_be_read_is_left_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    table = bench()
    table.oled.answers_reads = False
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.LAUGH)
        transfers = table.adapter.transfers
        await eventually(lambda: table.adapter.transfers > transfers + 5)
        assert table.opened == 1
        assert table.shows(Emotion.LAUGH)
    assert not warnings_of(caplog)


async def test_an_sh1106_is_driven_as_one_whatever_the_settings_say(caplog: pytest.LogCaptureFixture) -> None:
    """Driven as an SSD1306 it shows noise."""
    table = bench("sh1106")
    table.settings = table.settings.model_copy(update={"driver": "ssd1306"})
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.HAPPY)
        assert table.shows(Emotion.HAPPY)
        table.oled.unplug()
        await eventually(lambda: "display" in table.state.snapshot.faults)
        table.oled.plug()
        await eventually(lambda: table.shows(Emotion.HAPPY))
    (told,) = [text for text in warnings_of(caplog) if "SH1106" in text]
    assert "display.driver says SSD1306: it is driven as SH1106" in told
    assert 'Set driver = "sh1106" in [display]' in told


async def test_an_ssd1306_that_was_chosen_as_an_sh1106_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    table = bench("ssd1306")
    table.settings = table.settings.model_copy(update={"driver": "sh1106"})
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.HAPPY)
    (told,) = warnings_of(caplog)
    assert 'it is driven as SH1106. Set driver = "ssd1306"' in told


async def test_missing_at_the_start_and_plugged_in_later(caplog: pytest.LogCaptureFixture) -> None:
    table = bench()
    table.oled.unplug()
    async with opened(table) as (_, face):
        assert "does not answer" in table.state.snapshot.fault("display")
        await face.show_emotion(Emotion.TIRED)
        table.oled.plug()
        await eventually(lambda: table.shows(Emotion.TIRED))
        await eventually(lambda: table.state.snapshot.fault("display") == "")
    assert len(warnings_of(caplog)) == 1


async def test_looking_for_a_missing_display_leaks_nothing() -> None:
    table = bench()
    table.oled.unplug()
    hooks = atexit._ncallbacks()  # luma would add one for each attempt
    async with opened(table):
        await eventually(lambda: table.opened > 10)
        for _ in range(5):
            table.oled.plug()
            await eventually(lambda: table.state.snapshot.fault("display") == "")
            table.oled.unplug()
            await eventually(lambda: table.state.snapshot.fault("display") != "")
        assert table.adapter.open_interfaces <= 1
    assert table.adapter.open_interfaces == 0
    assert atexit._ncallbacks() == hooks


async def test_the_wait_between_attempts_grows_to_its_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench()
    table.oled.unplug()
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if current := asyncio.current_task():
            waits.extend([seconds] if current.get_name() == "display" else [])
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    async with opened(table):
        await eventually(lambda: len(waits) >= 4)
    for wait, full in zip(waits, [0.01, 0.02, 0.02, 0.02], strict=False):
        assert 0.75 * full <= wait <= full  # they vary by a quarter


async def test_close_does_not_hang_when_the_bus_does() -> None:
    table = bench()
    display = table.display()
    await display.open()
    await StillFace(display).show_emotion(Emotion.HAPPY)
    table.oled.hold_clock()
    async with asyncio.timeout(DEADLINE_S):
        await display.close()
    assert table.adapter.open_interfaces == 0


async def test_closing_an_unplugged_display_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    table = bench()
    display = table.display()
    await display.open()
    table.oled.unplug()
    await display.close()
    assert table.adapter.open_interfaces == 0
    assert not warnings_of(caplog)


async def test_without_a_display_nothing_is_opened_and_nothing_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    table = bench()
    table.settings = DisplaySettings(driver="none")
    async with opened(table) as (display, face):
        await face.show_emotion(Emotion.SERIOUS)
        await display.dark()
    assert table.state.snapshot.fault("display") == ""
    assert table.opened == 0
    assert not caplog.records


async def test_a_machine_without_that_i2c_bus() -> None:
    state = RobotState()
    display = Display(raspberry_pi(), DisplaySettings(bus=32), state)
    await display.open()
    assert state.snapshot.fault("display").startswith("I2C bus 32 cannot be opened")
    await display.close()


@pytest.mark.parametrize("picture", [Image.new("1", (64, 64)), Image.new("L", (128, 64))])
async def test_a_picture_that_does_not_fit_is_refused(picture: Image.Image) -> None:
    async with opened(bench()) as (display, _):
        with pytest.raises(ValueError, match="size"):
            await display.show(picture)


async def test_a_picture_whose_caller_goes_away_is_shown_all_the_same() -> None:
    table = bench()
    table.adapter.timeout_s = DEADLINE_S
    async with opened(table) as (_, face):
        await face.show_emotion(Emotion.NEUTRAL)
        table.oled.hold_clock()
        caller = asyncio.create_task(face.show_emotion(Emotion.SURPRISED))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        table.oled.release_clock()
        await eventually(lambda: table.shows(Emotion.SURPRISED))


async def test_of_two_callers_at_once_the_later_one_is_seen() -> None:
    table = bench()
    async with opened(table) as (_, face):
        for one, other in ((Emotion.SAD, Emotion.HAPPY), (Emotion.HAPPY, Emotion.SAD)):
            async with asyncio.TaskGroup() as group:
                group.create_task(face.show_emotion(one))
                group.create_task(face.show_emotion(other))
            assert table.shows(other)
