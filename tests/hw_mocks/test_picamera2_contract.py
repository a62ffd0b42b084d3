"""The simulated picamera2 promises nothing that the real package, version 0.3.38, does not keep."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw_mocks import encoders
from hw_mocks import picamera2 as simulated
from hw_mocks.camera_configurations import Configurations
from hw_mocks.camera_requests import CompletedRequest, Helpers
from hw_mocks.real_picamera2 import real_camera_library
from hw_mocks.sensor import CAMERA_MODULE_3, Board, SensorMode, SimulatedSensor
from robot_node.devices.camera import h264, picamera2_driver, picamera2_still, raw

OWN_NAMES = {"sensor", "take_back_buffer", "sensor_timestamp_ns"}
"""What the simulation adds for itself. The driver uses none of it."""


def pairs() -> dict[str, tuple[type, type]]:
    library = real_camera_library(SimulatedSensor(), Board.PI_5)
    from picamera2 import CompletedRequest as RealRequest  # only after libcamera is in place
    from picamera2.encoders import Encoder  # only after libcamera is in place
    from picamera2.encoders.h264_encoder import H264Encoder  # only after libcamera is in place
    from picamera2.request import Helpers as RealHelpers  # only after libcamera is in place

    return {
        "Picamera2": (simulated.Picamera2, library.Picamera2),
        "Configurations": (Configurations, library.Picamera2),
        "Helpers": (Helpers, RealHelpers),
        "CompletedRequest": (CompletedRequest, RealRequest),
        "Output": (encoders.Output, library.Output),
        "Encoder": (encoders.Encoder, Encoder),
        "LibavH264Encoder": (encoders.LibavH264Encoder, library.LibavH264Encoder),
        "H264Encoder": (encoders.H264Encoder, H264Encoder),
    }


def methods() -> Iterator[tuple[str, str]]:
    classes = (simulated.Picamera2, Configurations, Helpers, CompletedRequest, encoders.Output, encoders.Encoder)
    for owner in (*classes, encoders.LibavH264Encoder, encoders.H264Encoder):
        for name, member in vars(owner).items():
            called = inspect.isfunction(member) or isinstance(member, staticmethod)
            if owner is CompletedRequest and name == "__init__":
                continue  # only the library makes requests
            if called and (name == "__init__" or not name.startswith("_")) and name not in OWN_NAMES:
                yield owner.__name__, name


@pytest.mark.parametrize(("owner", "method"), list(methods()))
def test_each_method_has_the_real_signature(owner: str, method: str) -> None:
    ours, real = pairs()[owner]

    def shape(function: Any) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(function).parameters.values()
        plain = (int, float, str, bool, type(None), dict, list)
        return [
            (each.name, each.kind, each.default if isinstance(each.default, plain) else each.default is each.empty)
            for each in parameters
        ]

    assert shape(getattr(ours, method)) == shape(getattr(real, method))


@pytest.mark.parametrize("owner", ["Picamera2", "CompletedRequest", "Output", "LibavH264Encoder", "H264Encoder"])
def test_each_public_attribute_of_an_object_exists_in_the_real_one(owner: str) -> None:
    ours, real = pairs()[owner]
    assigned = {name for base in ours.__mro__[:-1] for name in _assigned(base)}
    real_names = {name for base in real.__mro__[:-1] for name in (*_assigned(base), *vars(base))}
    assert {name for name in assigned if not name.startswith("_")} - OWN_NAMES <= real_names


def test_the_driver_reaches_for_nothing_but_what_both_have() -> None:
    """Names used on the library's objects, public and private, exist in the simulated and in the real package."""
    used = {
        "Picamera2": {
            *("global_camera_info", "create_video_configuration", "configure", "start", "close", "options"),
            *("start_encoder", "stop_encoder", "capture_request", "cancel_all_and_flush", "camera_configuration"),
            *("camera_controls", "set_controls", "sensor_modes", "create_still_configuration", "stop", "helpers"),
        },
        "CompletedRequest": {"save", "make_buffer", "get_metadata", "config", "release"},
        "Helpers": {"save_dng"},
        "LibavH264Encoder": {
            "_start",
            "_stop",
            "_stream",
            "_container",
            "output",
            "framerate",
            "threads",
            "drop_final_frames",
            "firsttimestamp",
            "stop",
        },
        "Encoder": {"frame_skip_count", "width", "height", "stride", "firsttimestamp", "stop"},
        "H264Encoder": {"force_key_frame", "firsttimestamp", "stop"},
    }
    source = "".join(map(inspect.getsource, (h264, raw, picamera2_driver, picamera2_still)))
    for owner, names in used.items():
        for side in pairs()[owner]:
            known = {name for base in side.__mro__[:-1] for name in (*_assigned(base), *vars(base))}
            assert names <= known, f"{side.__module__}.{owner}"
        assert all(name in source for name in names), "the list is that of the driver"


def test_the_contract_is_with_the_version_that_is_installed() -> None:
    assert importlib.metadata.version("picamera2") == simulated.VERSION == "0.3.38"


def test_the_configuration_has_the_real_keys() -> None:
    real = real_camera_library(SimulatedSensor(), Board.PI_5).Picamera2()
    ours = simulated.camera_library(SimulatedSensor(), Board.PI_5).Picamera2()
    try:
        stream = {"size": (640, 360), "format": "YUV420"}
        real_keys = real.create_video_configuration(main=stream).keys()
        assert ours.create_video_configuration(main=stream).keys() == real_keys
    finally:
        real.close()
        ours.close()


def test_modes_and_controls_are_those_of_the_real_package_for_the_same_sensor() -> None:
    simulated_8_bit = SensorMode((640, 480), 206.65, (1000, 752, 1280, 960), 8)
    for sensor in (SimulatedSensor(), SimulatedSensor(autofocus=False, modes=(simulated_8_bit, *CAMERA_MODULE_3[1:]))):
        real = real_camera_library(sensor, Board.PI_5).Picamera2()
        ours = simulated.camera_library(sensor, Board.PI_5).Picamera2()
        try:
            modes, our_modes = real.sensor_modes, ours.sensor_modes
            assert [mode | {"format": str(mode["format"])} for mode in modes] == our_modes
            for mode in modes:
                chosen = {"output_size": mode["size"], "bit_depth": mode["bit_depth"]}
                for camera in (real, ours):
                    stream = {"size": (640, 360), "format": "YUV420"}
                    camera.configure(camera.create_video_configuration(main=stream, raw=None, sensor=chosen))
                    assert camera.camera_configuration()["sensor"] == chosen
                    assert ("AfMode" in camera.camera_controls) == sensor.autofocus
                assert {name: real.camera_controls[name] for name in ours.camera_controls} == ours.camera_controls
        finally:
            real.close()
            ours.close()


def test_a_control_that_the_camera_has_not_is_refused() -> None:
    sensor = SimulatedSensor(autofocus=False)
    real = real_camera_library(sensor, Board.PI_5).Picamera2()
    ours = simulated.camera_library(sensor, Board.PI_5).Picamera2()
    stream = {"size": (640, 360), "format": "YUV420"}
    for camera in (real, ours):
        try:
            with pytest.raises(RuntimeError, match="Control AfMode is not advertised by libcamera"):
                camera.configure(camera.create_video_configuration(main=stream, controls={"AfMode": 2}))
        finally:
            camera.close()


def _assigned(owner: type) -> set[str]:
    """Names that a class assigns on ``self`` in its methods."""
    if owner.__module__.partition(".")[0] not in ("hw_mocks", "picamera2"):
        return set()
    tree = ast.parse(Path(inspect.getfile(owner)).read_text(encoding="utf-8"))
    (definition,) = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner.__name__]
    return {
        node.attr
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
