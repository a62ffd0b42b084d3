"""Checks of cameras by V4L2: which video devices there are, their formats, who uses them, and who encodes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from robot_node.apps.doctor.case import Case, in_use
from robot_node.apps.doctor.findings import Finding
from robot_node.core.pip_hint import run_pip
from robot_node.devices.camera.v4l2_choice import choose, sizes_text, usable_formats
from robot_node.devices.camera.v4l2_finding import find_device
from robot_node.devices.camera.v4l2_ioctl import VideoDevice, video_devices
from robot_node.devices.v4l2 import V4l2Library
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings

_WHY = "Without it there are neither photos nor video."
_SIZES = 4


async def check_v4l2(case: Case, cameras: Mapping[str, CameraSettings]) -> None:
    """Check the cameras that V4L2 drives, and list all video devices. None is switched on.

    Args:
        case: The robot.
        cameras: Settings of these cameras, by the name of the check.
    """
    library = await case.load("camera library", case.platform.v4l2, why=_WHY)
    if library is None:
        return
    try:
        await case.call("video devices", case.limit_s, _check, case, library, cameras)
    except HangingError as error:
        remedy = "Unplug the camera and plug it in again; if it happens again, see: sudo dmesg | tail."
        case.report(Finding.bad("video devices", error.message, why=_WHY, remedy=remedy))


def _check(case: Case, library: V4l2Library, cameras: Mapping[str, CameraSettings]) -> None:
    devices = video_devices(library)
    listed = [_described(case, device) for device in devices if device.captures and usable_formats(device)]
    if listed:
        case.report(Finding.good("video devices", " ".join(listed)))
    elif not cameras:
        case.report(Finding.not_applicable("video devices", "There is no camera that V4L2 could drive."))
    for check, settings in cameras.items():
        try:
            device = find_device(settings, devices, library)
        except DeviceError as error:
            case.report(Finding.bad(check, error.message, why=_WHY, remedy=error.remedy))
        else:
            case.report(_usable(case, check, device, settings))
    if cameras:
        case.report(_encoder(case, library, devices))


def _described(case: Case, device: VideoDevice) -> str:
    formats = "; ".join(
        f"{name} {sizes_text(found.sizes, _SIZES)}" if found.sizes else name
        for name, found in usable_formats(device).items()
    )
    users = case.machine.holders_of(device.path)
    used = f"; in use by {', '.join(map(str, users))}" if users else ""
    return f"{device.path} is {device.name} ({device.bus}): {formats}{used}."


def _usable(case: Case, check: str, device: VideoDevice, settings: CameraSettings) -> Finding:
    choice = choose(device, settings.format, settings.width, settings.height, settings.frame_rate)
    if choice is None:
        has = ", ".join(usable_formats(device))
        remedy = f"Set format in [camera] to one of: {has}."
        return Finding.bad(check, f"{device.name} has no {settings.format}.", why=_WHY, remedy=remedy)
    video = f"{choice.format}, {choice.width}x{choice.height}, {choice.rate:g} frames/s"
    users = case.machine.holders_of(os.path.realpath(device.path))
    return in_use(check, device.name, users, why=_WHY) or Finding.good(
        check, f"{device.name} ({device.path}) is connected and not in use: {video}."
    )


def _encoder(case: Case, library: V4l2Library, devices: Sequence[VideoDevice]) -> Finding:
    if not any(device.encodes_h264 for device in devices):
        return Finding.good("video encoder", "This board offers no hardware encoder to V4L2: libx264 encodes.")
    av = case.machine.version_of("av") or "(not installed)"
    try:
        library.codec(library.hardware_encoder, "w")
    except Exception as error:  # noqa: BLE001  # PyAV's own kind, when its build lacks the encoder
        detail = f"PyAV {av} lacks {library.hardware_encoder} ({error}): libx264 encodes."
        return Finding.note(
            "video encoder",
            detail,
            why="libx264 needs most of a processor core while somebody watches.",
            remedy=f"Install a PyAV that is built with it: {run_pip('install --no-binary av av')}",
        )
    return Finding.good("video encoder", "The board's H.264 encoder is available.")
