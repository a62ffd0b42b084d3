"""The choice of the camera's driver."""

from __future__ import annotations

from robot_node.devices.camera.capture import CameraDriver, CameraLimits
from robot_node.devices.camera.picamera2_driver import Picamera2Driver
from robot_node.devices.platform import Platform
from robot_node.settings.devices import CameraSettings


def camera_driver(
    platform: Platform, settings: CameraSettings, limits: CameraLimits, *, small_stream: bool = False
) -> CameraDriver:
    """Return the driver that the settings name; it opens nothing, and imports no camera library, yet.

    Args:
        platform: Gives the camera library.
        settings: The camera's settings.
        limits: How long to wait for a picture before the camera counts as stalled.
        small_stream: There will be small pictures; with V4L2 they need no preparation.
    """
    if settings.driver == "v4l2":
        from robot_node.devices.camera.v4l2_driver import V4l2Driver  # nothing of it on a robot with another camera

        return V4l2Driver(platform.v4l2, settings, limits)
    return Picamera2Driver(platform.camera_library, settings, limits, small_stream=small_stream)
