"""What a camera can be set to, and in libcamera's names: pure."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hw_mocks.sensor import SimulatedSensor
from robot_node.devices.camera.controls import changed, dioptres, remaining_rotation, supported
from robot_node.devices.camera.picamera2_controls import (
    AppliedControls,
    flips,
    ranges_of,
    to_libcamera,
    transition,
)
from robot_node.errors import ArgumentError, RobotNodeError
from robot_node.settings.camera_controls import CameraControls
from robot_node.settings.devices import CameraSettings

MODULE_3 = SimulatedSensor().control_ranges()
FIXED_FOCUS = SimulatedSensor(autofocus=False, lacking=frozenset({"HdrMode", "AeFlickerMode"})).control_ranges()
RANGES = ranges_of(MODULE_3)
FRAME_US = 33_333
FRAMES = {"FrameDurationLimits": (FRAME_US, FRAME_US)}


def libcamera(**controls: Any) -> dict[str, Any]:
    """What is set for these, besides the frame rate and the autofocus that every camera gets."""
    found = to_libcamera(CameraControls(**controls), MODULE_3, FRAME_US)
    return {
        name: value for name, value in found.items() if (name, value) != ("AfMode", 2) and FRAMES.get(name) != value
    }


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({}, {}),
        ({"focus": "continuous"}, {}),
        ({"focus": "once"}, {"AfMode": 1, "AfTrigger": 0}),
        ({"focus_dioptres": 2.0}, {"AfMode": 0, "LensPosition": 2.0}),
        ({"focus_dioptres": 0.0}, {"AfMode": 0, "LensPosition": 0.0}),
        ({"exposure_ms": 10}, {"ExposureTime": 10_000}),
        ({"exposure_ms": 0, "gain": 0}, {}),
        ({"exposure_ms": 100}, {"ExposureTime": 100_000, "FrameDurationLimits": (FRAME_US, 100_000)}),
        ({"gain": 4}, {"AnalogueGain": 4}),
        ({"exposure_compensation": -1}, {"ExposureValue": -1}),
        ({"white_balance": "cloudy"}, {"AwbEnable": True, "AwbMode": 6}),
        ({"colour_temperature": 3000}, {"AwbEnable": False, "ColourTemperature": 3000}),
        ({"colour_gains": (1.5, 2.5)}, {"AwbEnable": False, "ColourGains": (1.5, 2.5)}),
        ({"hdr": "single_exposure"}, {"HdrMode": 3}),
        ({"brightness": 0.2, "contrast": 1.5}, {"Brightness": 0.2, "Contrast": 1.5}),
        ({"saturation": 0, "sharpness": 2}, {"Saturation": 0, "Sharpness": 2}),
        ({"noise_reduction": "high_quality"}, {"NoiseReductionMode": 2}),
        ({"flicker_hz": 0}, {"AeFlickerMode": 0}),
        ({"flicker_hz": 50}, {"AeFlickerMode": 1, "AeFlickerPeriod": 10_000}),
        ({"flicker_hz": 60}, {"AeFlickerMode": 1, "AeFlickerPeriod": 8_333}),
        ({"zoom": 1}, {}),
        ({"zoom": 2}, {"ScalerCrop": (1152, 648, 2304, 1296)}),
        ({"zoom": 2, "pan": 1, "tilt": 1}, {"ScalerCrop": (2304, 0, 2304, 1296)}),
        ({"zoom": 2, "pan": 1, "tilt": 1, "rotate": 90}, {"ScalerCrop": (0, 0, 2304, 1296)}),
        ({"zoom": 2, "pan": 1, "tilt": 1, "rotate": 270}, {"ScalerCrop": (2304, 1296, 2304, 1296)}),
        ({"night": True}, {"AeExposureMode": 2, "FrameDurationLimits": (FRAME_US, 200_000)}),
        ({"mirror": True, "rotate": 180}, {}),
    ],
)
def test_each_control_in_libcamera_s_names(controls: dict[str, Any], expected: dict[str, Any]) -> None:
    assert libcamera(**controls) == expected


@pytest.mark.parametrize(
    ("rotate", "mirror", "expected"),
    [
        (0, False, ((False, False), 0)),
        (0, True, ((True, False), 0)),
        (180, False, ((True, True), 0)),
        (180, True, ((False, True), 0)),
        (90, False, ((False, False), 90)),
        (90, True, ((False, True), 90)),
        (270, False, ((False, False), 270)),
        (270, True, ((False, True), 270)),
    ],
)
def test_what_the_sensor_turns_and_what_is_left(rotate: Any, mirror: bool, expected: Any) -> None:
    controls = CameraControls(rotate=rotate, mirror=mirror)
    assert (flips(controls), remaining_rotation(controls)) == expected


def test_what_is_not_wished_any_more_gets_the_camera_s_own_value() -> None:
    applied = AppliedControls()

    def change(**controls: Any) -> dict[str, Any]:
        return applied.change_to(CameraControls(**controls), MODULE_3, FRAME_US, refocus=False)

    assert change(gain=4, exposure_ms=10, contrast=2, zoom=2, colour_temperature=3000) == {
        **FRAMES,
        "AfMode": 2,
        "AnalogueGain": 4,
        "ExposureTime": 10_000,
        "Contrast": 2,
        "ScalerCrop": (1152, 648, 2304, 1296),
        "AwbEnable": False,
        "ColourTemperature": 3000,
    }
    assert change(contrast=2) == {
        "AnalogueGain": 0,
        "ExposureTime": 0,
        "ScalerCrop": (0, 0, 4608, 2592),
        "AwbEnable": True,
    }
    assert change(contrast=2) == {}


def test_a_single_focus_is_made_anew_only_when_asked_for() -> None:
    once = to_libcamera(CameraControls(focus="once"), MODULE_3, FRAME_US)
    assert transition(once, once, MODULE_3, refocus=False) == {}
    assert transition(once, once, MODULE_3, refocus=True) == {"AfMode": 1, "AfTrigger": 0}


def test_a_camera_has_what_libcamera_says_with_its_ranges() -> None:
    assert RANGES["focus_dioptres"].maximum == 15
    assert (RANGES["zoom"].minimum, RANGES["zoom"].maximum) == (1, 40.5)
    assert (RANGES["exposure_ms"].minimum, RANGES["exposure_ms"].maximum) == (0.009, 1000)
    assert str(RANGES["hdr"]) == "off, multi_exposure, single_exposure, night"
    assert set(RANGES) == set(CameraControls.model_fields)
    assert set(RANGES) - set(ranges_of(FIXED_FOCUS)) == {"focus", "focus_dioptres", "hdr", "flicker_hz"}


def test_one_that_excludes_another_takes_its_place() -> None:
    controls = changed(CameraControls(focus="once", colour_temperature=3000), {"focus_dioptres": 2.0}, RANGES)
    assert controls == CameraControls(focus_dioptres=2.0, colour_temperature=3000)
    controls = changed(controls, {"white_balance": "auto", "focus": "continuous"}, RANGES)
    assert controls == CameraControls(focus="continuous", white_balance="auto")
    assert changed(controls, {"focus": None, "white_balance": None}, RANGES) == CameraControls()


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"hdr": "off"}, "This camera has no hdr. It has: white_balance, noise_reduction"),
        ({"focus_dioptres": 1.0}, "This camera has no focus_dioptres."),
        ({"gain": 20}, "gain of this camera can be 1 to 16, or 0: automatic; not 20."),
        ({"zoom": 0.5}, "zoom of this camera can be 1 to 40.5; not 0.5."),
        (
            {"noise_reduction": "much"},
            "noise_reduction of this camera can be off, fast, high_quality, minimal;",
        ),
        ({"brightnes": 1}, "There is no control 'brightnes'. There are: focus, focus_dioptres"),
        ({"focus": "once", "focus_dioptres": 1}, "This camera has no focus"),
        ({"colour_temperature": 3000, "white_balance": "auto"}, "exclude each other"),
    ],
)
def test_a_wish_that_cannot_be_met_is_an_error_that_names_it(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        changed(CameraControls(), wishes, ranges_of(FIXED_FOCUS))
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RobotNodeError)


def test_before_the_camera_is_known_the_limits_of_all_hold() -> None:
    assert changed(CameraControls(), {"gain": 20}, None) == CameraControls(gain=20)
    with pytest.raises(ArgumentError, match="brightness cannot be set to 2: Input should be less than"):
        changed(CameraControls(), {"brightness": 2}, None)


def test_settings_that_a_camera_lacks_are_left_out_and_told() -> None:
    controls, problems = supported(
        CameraControls(hdr="night", gain=40, contrast=2, rotate=90, exposure_ms=0), ranges_of(FIXED_FOCUS)
    )
    assert controls == CameraControls(gain=16, contrast=2, rotate=90, exposure_ms=0)
    assert [problem.partition(".")[0] for problem in problems] == [
        "gain of this camera can be 1 to 16, or 0: automatic; not 40",
        "This camera has no hdr",
    ]


def test_a_distance_is_told_in_dioptres() -> None:
    assert dioptres(0.5) == 2
    with pytest.raises(ArgumentError, match="above 0 metres"):
        dioptres(0)


def test_settings_give_the_controls_at_the_start() -> None:
    settings = CameraSettings.model_validate({"rotate": "270", "controls": {"zoom": 2, "flicker_hz": "50"}})
    assert settings.initial_controls() == CameraControls(rotate=270, zoom=2, flicker_hz=50)
    with pytest.raises(ValidationError, match="focus and focus_dioptres exclude each other"):
        CameraSettings.model_validate({"controls": {"focus": "once", "focus_dioptres": 1}})
