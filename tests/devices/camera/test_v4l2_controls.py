"""The controls of a USB camera: in our names and units, set by the kernel's numbers, seen in the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_mocks.v4l2_controls import C920
from robot_node.devices.camera.v4l2_controls import DeviceControl, ranges_of, to_v4l2
from robot_node.errors import ArgumentError
from robot_node.settings.camera_controls import CameraControls, ControlSettings
from tests.devices.camera.rig import USB, Pi, decode_jpeg, rig

FOUND = {number: DeviceControl(*its) for number, its in C920.items()}
ON_USB = pytest.mark.parametrize("pi", [USB], indirect=True)
BRIGHTNESS, ZOOM, FOCUS, AUTOFOCUS, EXPOSURE = 0x00980900, 0x009A090D, 0x009A090A, 0x009A090C, 0x009A0902


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({}, {}),
        ({"brightness": -0.5, "contrast": 1.5}, {BRIGHTNESS: 64, 0x00980901: 192}),
        ({"brightness": 1, "saturation": 0}, {BRIGHTNESS: 255, 0x00980902: 0}),
        ({"focus_dioptres": 2}, {AUTOFOCUS: 0, FOCUS: 50}),
        ({"focus": "continuous"}, {AUTOFOCUS: 1}),
        ({"exposure_ms": 10, "gain": 64}, {0x009A0901: 1, EXPOSURE: 100, 0x00980913: 64}),
        ({"exposure_ms": 0, "gain": 0}, {0x009A0901: 3}),
        ({"colour_temperature": 3000}, {0x0098090C: 0, 0x0098091A: 3000}),
        ({"flicker_hz": 50}, {0x00980918: 1}),
        ({"zoom": 2.5, "pan": -1, "tilt": 0.5}, {ZOOM: 250, 0x009A0908: -36000, 0x009A0909: 18000}),
        ({"night": True, "mirror": True}, {0x009A0903: 1}),
        ({"hdr": "night", "noise_reduction": "off"}, {}),
    ],
)
def test_each_control_in_the_kernel_s_numbers(controls: dict[str, Any], expected: dict[int, int]) -> None:
    assert to_v4l2(CameraControls(**controls), FOUND) == expected


def test_a_device_s_ranges_are_told_in_our_units() -> None:
    ranges = ranges_of(FOUND)
    assert {name: str(found) for name, found in ranges.items()} == {
        "focus": "continuous",
        "focus_dioptres": "0 to 10",
        "exposure_ms": "0.3 to 204.7",
        "gain": "1 to 255",
        "white_balance": "auto",
        "colour_temperature": "2000 to 6500",
        "brightness": "-1 to 1",
        "contrast": "0 to 1.99",
        "saturation": "0 to 1.99",
        "sharpness": "0 to 1.99",
        "flicker_hz": "0, 50, 60",
        "zoom": "1 to 5",
        "pan": "-1 to 1",
        "tilt": "-1 to 1",
        "night": "false, true",
        "rotate": "0, 90, 180, 270",
    }
    assert set(ranges_of({})) == {"rotate"}


async def seen(robot: Any) -> np.ndarray:
    return decode_jpeg((await robot.camera.photo(0.95)).jpeg).astype(np.int16)[:270]


@pytest.mark.slow
@ON_USB
async def test_what_is_set_is_seen_and_stays_over_a_restart(pi: Pi) -> None:
    assert pi.usb is not None
    async with rig(pi, width=640, height=360) as robot:
        await robot.camera.start()
        before = await seen(robot)
        await robot.camera.controls.set({"brightness": 0.5, "zoom": 2.0})
        assert (await seen(robot)).mean() > before.mean() + 20
        await robot.camera.controls.set({"brightness": None, "exposure_ms": 2, "gain": 1})
        assert pi.usb.controls.values[BRIGHTNESS] == 128, "its own again"
        assert (await seen(robot)).mean() < before.mean() - 20
        await robot.camera.stop()
        pi.usb.controls.values[ZOOM] = 100  # it was unplugged meanwhile
        await robot.camera.start()
        assert (pi.usb.controls.values[ZOOM], pi.usb.controls.values[EXPOSURE]) == (200, 20)
        await robot.camera.controls.set({}, reset=True)
        assert pi.usb.controls.values[ZOOM] == 100
        assert np.abs(await seen(robot) - before).mean() < 12
        with pytest.raises(ArgumentError, match="This camera has no hdr"):
            await robot.camera.controls.set({"hdr": "night"})


@ON_USB
async def test_a_camera_without_controls_gives_pictures_anyway(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    assert pi.usb is not None
    pi.usb.controls.ranges.clear()
    async with rig(pi, width=640, height=360, controls=ControlSettings(zoom=2)) as robot:
        await robot.camera.start()
        assert set(robot.camera.controls.ranges or {}) == {"rotate"}
    assert "This camera has no zoom. It has: rotate." in caplog.text
