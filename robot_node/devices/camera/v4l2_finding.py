"""Which video device the settings mean, and why one cannot be opened."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from robot_node.devices.camera.capture import AbsentError, StalledError
from robot_node.devices.camera.v4l2_choice import cameras, usable_formats
from robot_node.devices.camera.v4l2_ioctl import VideoDevice, describe
from robot_node.devices.v4l2 import V4l2Library
from robot_node.errors import DeviceError, RobotNodeError
from robot_node.settings.devices import CameraSettings

LIST_DEVICES = "'robot-node doctor' lists the video devices."
_PLUG = f"Plug it in, or set device in [camera]. {LIST_DEVICES}"


def find_device(settings: CameraSettings, devices: Sequence[VideoDevice], library: V4l2Library) -> VideoDevice:
    """Return the camera that the settings mean.

    Args:
        settings: A device's file, a link to one, or ``"auto"``: that with the number of those on USB, or of others.
        devices: The devices that there are.
        library: Opens the file.

    Raises:
        AbsentError: There is no such camera.
        DeviceError: It cannot be used.
    """
    setting = settings.device
    if setting == "auto":
        found = cameras(devices)
        if not found:
            raise AbsentError("There is no USB camera.", remedy=_PLUG)
        if settings.number >= len(found):
            reason = f"There is no USB camera number {settings.number}: only {len(found)} found."
            raise AbsentError(reason, remedy=_PLUG)
        return found[settings.number]
    try:
        with library.node(setting) as node:
            device = describe(setting, node)
    except FileNotFoundError as error:
        raise AbsentError(f"There is no camera {setting}.", remedy=_PLUG) from error
    except PermissionError as error:
        raise _not_permitted(setting) from error
    except OSError as error:
        raise DeviceError(f"{setting} is no camera: {error.strerror or error}.", remedy=LIST_DEVICES) from error
    if not device.captures or not usable_formats(device):
        raise DeviceError(
            f"{device.name} ({setting}) is no camera that can be used.",
            remedy=f"It has to deliver MJPEG, YUYV or H.264. {LIST_DEVICES}",
        )
    return device


def _not_permitted(path: str) -> DeviceError:
    return DeviceError(
        f"The camera {path} may not be opened.",
        remedy="Put the user into the group video: sudo usermod -aG video $USER; and log in again.",
    )


def explain(error: Exception, device: VideoDevice, limit_s: float) -> RobotNodeError:
    """Return the error to report when a device cannot be opened.

    Args:
        error: The error.
        device: The device.
        limit_s: How long opening it could take, in seconds.
    """
    if isinstance(error, RobotNodeError):
        return error
    number = getattr(error, "errno", None)
    if number == errno.EBUSY:
        return DeviceError(
            "The camera is busy: another program uses it.",
            remedy=f"End the other program; this lists it: sudo fuser -v {device.path}.",
        )
    if number in {errno.EACCES, errno.EPERM}:
        return _not_permitted(device.path)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return AbsentError(f"The camera {device.path} is gone.", remedy=_PLUG)
    if type(error).__name__ == "ExitError":  # PyAV's, when FFmpeg took longer than the limit
        return StalledError(
            f"The camera delivers no pictures: none came within {limit_s:g} seconds.",
            remedy="Unplug it and plug it in again.",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return DeviceError(f"The camera {device.path} could not be started: {reason}.", remedy=LIST_DEVICES)
