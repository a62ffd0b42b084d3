"""The real hardware's libraries, as far as a machine without that hardware can tell."""

from __future__ import annotations

import os
import sys
import types
import warnings

import pytest
from gpiozero import Device

from robot_node.devices.platform import raspberry_pi
from robot_node.errors import DeviceError


def test_pins_that_cannot_be_used_are_one_error_without_gpiozeros_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "pin_factory", None)
    with warnings.catch_warnings(record=True) as caught, pytest.raises(DeviceError, match="python3-lgpio"):
        raspberry_pi().pin_factory()
    assert [str(warning.message) for warning in caught] == []


def test_libcamera_writes_warnings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIBCAMERA_LOG_LEVELS", raising=False)
    monkeypatch.setitem(sys.modules, "picamera2", types.ModuleType("picamera2"))  # one without anything in it
    with pytest.raises((DeviceError, AttributeError)):
        raspberry_pi().camera_library()
    assert os.environ["LIBCAMERA_LOG_LEVELS"] == "*:WARN"
    monkeypatch.setenv("LIBCAMERA_LOG_LEVELS", "0")
    with pytest.raises((DeviceError, AttributeError)):
        raspberry_pi().camera_library()
    assert os.environ["LIBCAMERA_LOG_LEVELS"] == "0", "what a person has set is kept"
