"""The camera's controls on every Pi: each is seen in the picture, and stays over a restart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from hw_mocks.clock_scene import read_stamp
from robot_node.core.state import CameraState
from robot_node.devices.camera.capture import Photo, StalledError
from robot_node.errors import ArgumentError, NotReadyError
from robot_node.settings.camera_controls import CameraControls, ControlSettings
from tests.devices.camera.rig import ON_EVERY_PI, Hand, IndicatorLog, Pi, Pictures, Rig, decode_jpeg, rig, stamp_at

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

Planes = tuple[npt.NDArray[np.int16], npt.NDArray[np.int16], npt.NDArray[np.int16]]
SMALL: dict[str, Any] = {"width": 320, "height": 180}


def planes_of(photo: Photo) -> Planes:
    """Y, U and V of a photo without the lower quarter, where a code changes from picture to picture."""
    (picture,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(photo.jpeg))
    rgb = picture.to_ndarray(format="rgb24").astype(np.int16)[: photo.height * 3 // 4]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return (red + green + blue) // 3, blue - green, red - green


def detail(planes: Planes) -> float:
    return float(np.abs(np.diff(planes[0], axis=1)).mean())


def light(planes: Planes) -> float:
    return float(planes[0].mean())


def colour(planes: Planes) -> float:
    return float(np.abs(planes[1]).mean() + np.abs(planes[2]).mean())


def warmth(planes: Planes) -> float:
    return float((planes[2] - planes[1]).mean())


def spread(planes: Planes) -> float:
    return float(planes[0].std())


async def seen(robot: Rig) -> Planes:
    return planes_of(await robot.camera.photo(0.95))


def more(share: float = 1.05) -> Callable[[float, float], bool]:
    return lambda before, after: after > before * share


def less(share: float = 0.95) -> Callable[[float, float], bool]:
    return lambda before, after: after < before * share


CHANGES: list[tuple[dict[str, Any], Callable[[Planes], float], Callable[[float, float], bool]]] = [
    ({"focus_dioptres": 8.0}, detail, less()),
    ({"focus": "once"}, detail, more()),
    ({"brightness": 0.3}, light, more()),
    ({"brightness": None, "contrast": 0.3}, spread, less()),
    ({"contrast": None, "saturation": 2.0}, colour, more()),
    ({"saturation": 0.0}, colour, less()),
    ({"saturation": None, "sharpness": 8.0}, detail, more()),
    ({"sharpness": 0.0}, detail, less()),
    ({"sharpness": None, "noise_reduction": "off"}, detail, more()),
    ({"noise_reduction": None, "exposure_compensation": 1.0}, light, more()),
    ({"exposure_compensation": None, "exposure_ms": 5.0, "gain": 1.0}, light, less()),
    ({"gain": 16.0}, light, more()),
    ({"exposure_ms": 0, "gain": 0}, light, less()),
    ({"hdr": "single_exposure"}, light, more()),
    ({"hdr": None, "colour_temperature": 9000}, warmth, more()),
    ({"white_balance": "tungsten"}, warmth, less()),
    ({"white_balance": None, "zoom": 4.0, "tilt": 1.0}, detail, less()),
]


@ON_EVERY_PI
async def test_each_control_is_seen_in_the_next_photo(pi: Pi) -> None:
    pi.sensor.speed = 3
    async with rig(pi, **SMALL) as robot:
        await robot.camera.start()
        before = await seen(robot)
        for wishes, measure, expected in CHANGES:
            await robot.camera.controls.set(wishes)
            after = await seen(robot)
            assert expected(measure(before), measure(after)), (wishes, measure(before), measure(after))
            before = after
        await robot.camera.controls.set({}, reset=True)
        assert robot.camera.controls.now == CameraControls()
        assert pi.sensor.starts == 1, "none of them takes a restart"


@ON_EVERY_PI
async def test_a_mirrored_picture_and_one_turned_by_180_keep_their_viewers(pi: Pi) -> None:
    async with rig(pi, watched=True, **SMALL) as robot:
        await robot.camera.start()
        assert await turned(robot) == (False, False)
        await robot.camera.controls.set({"mirror": True})
        assert await turned(robot) == (True, False)
        await robot.frames.reach_keyframes(2)
        await robot.camera.controls.set({"rotate": 180})
        assert await turned(robot) == (False, True)
        assert robot.states == [CameraState.OFF, CameraState.STARTING, CameraState.ON], "it never was off for viewers"
        assert robot.indicator[-1]


async def turned(robot: Rig) -> tuple[bool, bool]:
    """Whether left and right, and top and bottom, are exchanged: then the code in the picture shows another time."""
    picture = decode_jpeg((await robot.camera.photo(0.95)).jpeg)
    ages = {
        (left_right, top_bottom): age_ms(picture[:: -1 if top_bottom else 1, :: -1 if left_right else 1])
        for left_right in (False, True)
        for top_bottom in (False, True)
    }
    return min(ages, key=lambda way: ages[way])


def age_ms(picture: npt.NDArray[np.uint8]) -> float:
    stamp = read_stamp(picture)
    return math.inf if stamp is None else (stamp_at(time.monotonic_ns() // 1000) - stamp) % (1 << 24)


@ON_EVERY_PI
async def test_controls_set_while_off_are_there_at_each_start(pi: Pi) -> None:
    async with rig(pi, **SMALL) as robot:
        await robot.camera.controls.set({"zoom": 2.0, "gain": 40.0, "focus_dioptres": 3.0})
        assert robot.camera.controls.ranges is None
        for _ in range(2):
            await robot.camera.start()
            assert pi.sensor.controls["ScalerCrop"] == (1152, 648, 2304, 1296)
            assert pi.sensor.controls["LensPosition"] == 3.0
            await robot.camera.stop()
        assert robot.camera.controls.now == CameraControls(zoom=2, gain=16, focus_dioptres=3), "as far as it can"
        await robot.camera.controls.set({}, reset=True)
        await robot.camera.start()
        assert pi.sensor.controls["ScalerCrop"] == (0, 0, 4608, 2592), "libcamera keeps it unless it is told"


async def test_at_90_degrees_photos_are_turned_and_frames_say_it(pi: Pi) -> None:
    pictures = Pictures()
    async with rig(pi, watched=True, rotate=90, **SMALL) as robot:
        robot.camera.set_raw_sink(pictures)
        robot.camera.set_raw_watched(True)
        await robot.camera.start()
        for rotate, turns in ((90, 1), (270, 3)):
            await robot.camera.controls.set({"rotate": rotate})
            photo = await robot.camera.photo(0.95)
            assert (photo.width, photo.height) == (180, 320)
            assert read_stamp(np.rot90(decode_jpeg(photo.jpeg), turns)) is not None, "turned clockwise"
            assert {frame.rotation for frame in await robot.frames.more(2)} == {rotate}
            assert {picture.rotation for picture in await pictures.more(2)} == {rotate}
        await robot.camera.controls.set({"rotate": 0})
        assert {frame.rotation for frame in await robot.frames.more(2)} == {0}
        assert pi.sensor.starts == 1


async def test_what_the_camera_lacks_is_refused_and_nothing_changes(pi: Pi) -> None:
    pi.sensor.autofocus, pi.sensor.lacking = False, frozenset({"HdrMode"})
    async with rig(pi, **SMALL) as robot:
        await robot.camera.start()
        with pytest.raises(ArgumentError, match="This camera has no hdr"):
            await robot.camera.controls.set({"zoom": 2.0, "hdr": "night"})
        with pytest.raises(ArgumentError, match="This camera has no focus"):
            await robot.camera.controls.set({"focus": "once"})
        assert robot.camera.controls.now == CameraControls()
        assert robot.state.snapshot.camera_controls == {}


async def test_a_setting_that_the_camera_lacks_is_logged_and_left_out(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    pi.sensor.lacking = frozenset({"HdrMode"})
    async with rig(pi, controls=ControlSettings(hdr="night", contrast=2), **SMALL) as robot:
        await robot.camera.start()
        await robot.camera.stop()
        await robot.camera.start()
        assert pi.sensor.controls["Contrast"] == 2
    assert sum("This camera has no hdr" in record.message for record in caplog.records) == 1


async def test_at_night_the_frame_rate_falls_and_the_picture_is_brighter(pi: Pi) -> None:
    pi.sensor.light = 0.01
    async with rig(pi, **SMALL) as robot:
        await robot.camera.start()
        dark = light(await seen(robot))
        assert pi.sensor.frame_us() == 33_333
        await robot.camera.controls.set({"night": True})
        assert light(await seen(robot)) > 2 * dark
        assert pi.sensor.frame_us() == 200_000
        await robot.camera.controls.set({"night": False})
        assert pi.sensor.frame_us() == 33_333


async def test_what_was_changed_is_reported(pi: Pi) -> None:
    async with rig(pi, rotate=180, **SMALL) as robot:
        await robot.camera.controls.set({"zoom": 2.0})
        await robot.camera.controls.set({"rotate": 0})
        assert robot.state.snapshot.camera_controls == {"": {"zoom": 2.0, "rotate": 0}}
        await robot.camera.controls.set({}, reset=True)
        assert robot.state.snapshot.camera_controls == {}


async def test_privacy_while_the_camera_is_opened_again_leaves_it_off(pi: Pi) -> None:
    hand = Hand()

    def engage_when_dark() -> None:
        if pi.sensor.starts == 1 and not indicator.told[-1]:
            hand.engage()

    indicator = IndicatorLog(look=engage_when_dark)
    async with rig(pi, privacy=hand, indicator=indicator, **SMALL) as robot:
        await robot.camera.start()
        with pytest.raises(NotReadyError, match="privacy"):
            await robot.camera.controls.set({"mirror": True})
        assert not pi.capturing()
        assert robot.camera_state() is CameraState.OFF
        hand.release()
        await robot.camera.start()
        assert await turned(robot) == (True, False), "what was wished while it was private is there afterwards"


async def test_a_camera_that_stalls_while_it_is_set_fails_and_recovers(pi: Pi) -> None:
    async with rig(pi, **SMALL) as robot:
        await robot.camera.start()
        pi.sensor.stalled = True
        with pytest.raises(StalledError):
            await robot.camera.controls.set({"zoom": 2.0})
        assert robot.camera_state() is CameraState.FAILED
        pi.sensor.stalled = False
        await robot.camera.controls.set({"zoom": 3.0})
        await robot.camera.restart()
        assert pi.sensor.controls["ScalerCrop"] == (1536, 864, 1536, 864)
