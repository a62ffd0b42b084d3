"""Checks of the camera: library, sensor, video encoder."""

from __future__ import annotations

import re
from collections.abc import Mapping

from robot_node.apps.doctor.case import Case, in_use
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.doctor.v4l2 import check_v4l2
from robot_node.devices.platform import CameraLibrary
from robot_node.devices.worker import HangingError
from robot_node.settings.devices import CameraSettings

_WHY = "Without it there are neither photos nor video."
_DEVICES = ("/dev/video", "/dev/media")


async def check_camera(case: Case) -> None:
    """Check the camera. It is opened briefly unless another program uses it; the sensor stays off."""
    every = case.settings.all_cameras()
    named = {f"camera {name}" if len(every) > 1 else "camera": settings for name, settings in every.items()}
    if by_v4l2 := {check: settings for check, settings in named.items() if settings.driver == "v4l2"}:
        await check_v4l2(case, by_v4l2)
    if by_picamera2 := {check: settings for check, settings in named.items() if settings.driver == "picamera2"}:
        await _check_picamera2(case, by_picamera2)


async def check_cameras_of_other_boards(case: Case) -> None:
    """Check the cameras of a machine that is no Pi, which only V4L2 can drive; without one, list those there are."""
    if any(settings.driver == "v4l2" for settings in case.settings.all_cameras().values()):
        await check_camera(case)
    else:
        await check_v4l2(case, {})


async def _check_picamera2(case: Case, cameras: Mapping[str, CameraSettings]) -> None:
    if case.on_a_pi:
        case.report(_packages_match(case.machine))
    library = await case.load("camera library", case.platform.camera_library, why=_WHY)
    if library is None:
        return
    case.report(Finding.good("camera library", f"picamera2 {library.version or '(version unknown)'} can be imported."))
    for check, settings in cameras.items():
        try:
            await case.call(check, case.limit_s, _check_sensor, case, library, check, settings.number)
        except HangingError as error:
            remedy = "Restart the machine; if it happens again, check the ribbon cable, and: sudo dmesg | tail."
            case.report(Finding.bad(check, error.message, why=_WHY, remedy=remedy))
    if case.on_a_pi:
        case.report(_encoder(case))


def _check_sensor(case: Case, library: CameraLibrary, check: str, number: int) -> None:
    try:
        cameras = library.Picamera2.global_camera_info()
    except Exception as error:  # noqa: BLE001  # libcamera may raise anything, and that is the finding
        case.report(Finding.bad(check, f"libcamera fails: {error}.", why=_WHY, remedy="See: sudo dmesg | tail."))
        return
    if number >= len(cameras):
        found = f"only {len(cameras)} found" if cameras else "no camera was found"
        detail = f"Camera number {number} does not exist: {found}."
        remedy = (
            "Check the ribbon cable at both ends, with the power off; then run rpicam-hello --list-cameras. "
            "/boot/firmware/config.txt must contain camera_auto_detect=1, or the dtoverlay of the camera module."
        )
        if cameras:
            remedy = (
                "Choose a number that rpicam-hello --list-cameras lists: sudo robot-node setup --non-interactive "
                "--camera N"
            )
        case.report(Finding.bad(check, detail, why=_WHY, remedy=remedy))
        return
    model = cameras[number].get("Model", "camera")
    try:
        library.Picamera2(number).close()
    except Exception as error:  # noqa: BLE001  # as above
        case.report(_unusable(case, check, model, error))
    else:
        case.report(Finding.good(check, f"{model} is connected and not in use."))


def _unusable(case: Case, check: str, model: str, error: Exception) -> Finding:
    reason = str(error.__cause__ or error.__context__ or error)  # older picamera2 raises without "from"
    if "busy" not in reason.lower():
        remedy = "Restart the machine; if it happens again: rpicam-hello --list-cameras, and sudo dmesg | tail."
        return Finding.bad(check, f"{model} cannot be opened: {reason}.", why=_WHY, remedy=remedy)
    return in_use(check, model, case.machine.users_of(*_DEVICES), why=_WHY) or Finding.bad(
        check,
        f"{model} is in use by another program, or by a robot of another user.",
        why=_WHY,
        remedy="List the programs that use it: sudo fuser -v /dev/video* /dev/media*",
    )


def _packages_match(machine: Machine) -> Finding:
    """Check that python3-libcamera and libcamera have the same version: each build fits one libcamera only."""
    check = "libcamera packages"
    installed = _without_superseded(_installed_of_source(machine, "libcamera"))
    versions = set(installed.values())
    upgrade = "sudo apt update && sudo apt full-upgrade"
    if not installed:
        detail = "libcamera is not installed by apt."
        return Finding.bad(check, detail, why=_WHY, remedy="Install it: sudo apt install python3-picamera2")
    if len(versions) > 1:
        named = ", ".join(f"{name} {version}" for name, version in sorted(installed.items()))
        why = "Packages of different versions are incompatible: the camera library cannot be imported, or crashes."
        return Finding.bad(check, f"Their versions differ: {named}.", why=why, remedy=f"Upgrade all: {upgrade}")
    return Finding.good(check, f"All have version {versions.pop()}.")


def _without_superseded(installed: dict[str, str]) -> dict[str, str]:
    """Remove old libraries that apt keeps until the next autoremove: no program loads them.

    Each incompatible release has its own package name, e.g. libcamera0.3 and then libcamera0.5.
    """
    libraries = {name: version for name, version in installed.items() if re.match(r"libcamera\d", name)}
    present = installed.get("python3-libcamera")
    if present not in libraries.values():
        return installed
    return {name: version for name, version in installed.items() if name not in libraries or version == present}


def _installed_of_source(machine: Machine, source: str) -> dict[str, str]:
    """Return names and versions of the installed packages of a source package (deb-control(5))."""
    found = {}
    for paragraph in machine.text("var/lib/dpkg/status").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Source|Status|Version): (.+)$", paragraph, re.MULTILINE))
        name = fields.get("Package", "")
        if (fields.get("Source") or name).partition(" ")[0] == source and fields.get(
            "Status"
        ) == "install ok installed":
            found[name] = fields.get("Version", "")
    return found


def _encoder(case: Case) -> Finding:
    if case.machine.is_pi_5:
        av = case.machine.version_of("av")
        detail = (
            f"This Pi has no hardware encoder: libx264 with PyAV {av or '(not installed)'}; robot-node "
            "requests keyframes itself, since picamera2's request fails with PyAV 14 and later."
        )
        return Finding.good("video encoder", detail)
    names = (file.read_text(errors="replace") for file in case.machine.path("sys/class/video4linux").glob("*/name"))
    if any("bcm2835-codec-encode" in name for name in names):
        return Finding.good("video encoder", "The board's H.264 encoder is available.")
    return Finding.note(
        "video encoder",
        "The board's H.264 encoder is not available: libx264 encodes instead.",
        why="libx264 needs most of a processor core while somebody watches.",
        remedy="Load its driver: sudo modprobe bcm2835-codec. If that fails: sudo apt full-upgrade, and restart.",
    )
