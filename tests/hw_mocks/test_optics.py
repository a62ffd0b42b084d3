"""What a simulated sensor makes of its scene: tests of the camera's controls rely on it."""

from __future__ import annotations

import numpy as np
import pytest

from hw_mocks.clock_scene import ClockScene
from hw_mocks.optics import exposure, seen
from hw_mocks.scenes import planes

SIZES = [(640, 360), (64, 64), (130, 74)]
WHOLE = (0, 0, 4608, 2592)
PICTURE = ClockScene(640, 360, utc_offset_s=0).picture(1.5)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_turning_twice_gives_the_same_picture(width: int, height: int) -> None:
    picture = ClockScene(width, height, utc_offset_s=0).picture(1.5)
    turned = seen(picture, {}, flips=(True, True), whole=WHOLE)
    assert not np.array_equal(turned, picture)
    assert turned[0, 0] == picture[height - 1, width - 1]
    assert np.array_equal(seen(turned, {}, flips=(True, True), whole=WHOLE), picture)
    mirrored = planes(seen(picture, {}, flips=(True, False), whole=WHOLE))[0]
    assert np.array_equal(mirrored[:, ::-1], planes(picture)[0])


def test_by_default_it_is_the_scene_itself() -> None:
    assert seen(PICTURE, {}, whole=WHOLE) is PICTURE
    assert seen(PICTURE, {"FrameDurationLimits": (16667, 16667), "ScalerCrop": WHOLE}, whole=WHOLE) is PICTURE


def test_a_crop_of_a_quarter_shows_it_twice_as_large() -> None:
    zoomed = planes(seen(PICTURE, {"ScalerCrop": (0, 0, 2304, 1296)}, whole=WHOLE))[0]
    assert np.array_equal(zoomed[::2, ::2], planes(PICTURE)[0][:180, :320])


def test_in_the_dark_a_longer_exposure_is_brighter() -> None:
    short, long = ({"FrameDurationLimits": (33_333, longest)} for longest in (33_333, 200_000))
    assert exposure(short, 0.01)[0] < 0.3
    brightness, us = exposure(long, 0.01)
    assert brightness == pytest.approx(1, abs=0.01)
    assert us == 200_000
    assert exposure({"ExposureTime": 10_000, "AnalogueGain": 1.0}, 1.0) == (0.5, 10_000)
    assert exposure({"ExposureTime": 10_000}, 1.0)[0] == pytest.approx(1), "the gain makes up for it"


def test_lamps_make_bands_unless_their_frequency_is_avoided() -> None:
    wrong = {"AeFlickerMode": 1, "AeFlickerPeriod": 8_333}
    right = {"AeFlickerMode": 1, "AeFlickerPeriod": 10_000}
    assert seen(PICTURE, right, whole=WHOLE, flicker_hz=50) is PICTURE
    for controls in ({}, wrong):
        assert not np.array_equal(seen(PICTURE, controls, whole=WHOLE, flicker_hz=50), PICTURE)
