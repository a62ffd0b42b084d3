"""Errors of picamera2 in words."""

from __future__ import annotations

from collections.abc import Iterator

from robot_node.errors import DeviceError, RobotNodeError

LIST_CAMERAS = "Check the ribbon cable, with the power off, and run: rpicam-hello --list-cameras."


def explain(error: Exception) -> RobotNodeError:
    """Return the reason why a camera could not be started, with a remedy."""
    if isinstance(error, RobotNodeError):
        return error
    if any("busy" in str(cause).lower() for cause in _causes(error)):
        return DeviceError(
            "The camera is busy: another program uses it.",
            remedy="End the other program; this lists it: sudo fuser -v /dev/media* /dev/video*.",
        )
    if any(isinstance(cause, AttributeError) for cause in _causes(error)):
        # libcamera returns None where it offers no configuration, and picamera2 goes on: 'NoneType' has no 'at'.
        return DeviceError(
            "The camera could not be started: libcamera offers no configuration for it.",
            remedy=f"It has to be a camera for the Pi's own connector, not a USB camera. {LIST_CAMERAS}",
        )
    reason = " ".join(str(cause).rstrip(".") + "." for cause in _causes(error) if str(cause))
    return DeviceError(f"The camera could not be started: {reason}", remedy=LIST_CAMERAS)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__  # older picamera2 raises without "from"
