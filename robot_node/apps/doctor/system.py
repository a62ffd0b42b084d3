"""Checks of the machine: groups of the robot's user, clock, disk, state folder, versions."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.pins import configured_pins
from robot_node.core.pip_hint import run_pip
from robot_node.devices.board import VCGENCMD_REMEDY, parse_throttling

_FULL_BYTES = 50 * 1024**2
_SHORT_BYTES = 500 * 1024**2
_OLDEST_PYTHON = (3, 11)
_OLD_AV = "av before 17.1, such as apt's, leaks 0.3 to 0.6 MB for each minute of sound."
_KNOWN_SYSTEMS = {"12": "bookworm", "13": "trixie"}


async def check_system(case: Case) -> None:
    """Check the machine."""
    case.report(_system(case))
    case.report(_python(case))
    case.report(_packages(case))
    if case.on_a_pi:
        case.report(_groups(case))
        case.report(await _throttling(case))
    case.report(_clock(case))
    case.report(_disk(case))
    if case.service.is_installed or case.settings.robot.state_file is not None:
        case.report(_state_folder(case))
    else:
        case.report(Finding.not_applicable("state folder", "Neither a service nor a state_file is configured."))


async def _throttling(case: Case) -> Finding:
    """Ask the firmware, as the robot does. Run by another user, it may be allowed what the robot is not."""
    why = "A robot that is throttled stutters; monitoring cannot say so."
    try:
        now, since_boot = parse_throttling(await case.call("throttling", case.limit_s, case.platform.board_throttling))
    except (OSError, ValueError) as error:
        return Finding.note("throttling", f"It cannot be read: {error}.", why=why, remedy=VCGENCMD_REMEDY)
    if not now | since_boot:
        return Finding.good("throttling", "The Pi has not been slowed down since it was switched on.")
    named = ", ".join(str(flag.name).lower() for flag in now | since_boot)
    detail = f"The Pi {'is' if now else 'was'} slowed down: {named}."
    remedy = "Use a power supply that is strong enough (5 V, 3 A; Pi 5: 5 A), a short cable, and a heat sink."
    return Finding.note("throttling", detail, why="Frames and sounds come late.", remedy=remedy)


def _needed_groups(case: Case) -> dict[str, str]:
    settings = case.settings
    needed = {"video": "the camera", "render": "the camera"}
    if settings.display.driver != "none":
        needed[settings.display.interface] = "the display"
    if configured_pins(settings):
        needed["gpio"] = "the pins"
    if {settings.audio.microphone, settings.audio.loudspeaker} != {"none"}:
        needed["audio"] = "the sound"
    return needed


def _groups(case: Case) -> Finding:
    user = case.service.user
    if case.service.uid is None:
        remedy = f"Create it: sudo useradd --system --groups {','.join(_needed_groups(case))} {user}"
        return Finding.bad("groups", f"There is no user {user}.", why="The service cannot start.", remedy=remedy)
    if case.service.is_root:
        return Finding.note(
            "groups",
            "The robot runs as root, which needs no group.",
            why="A vulnerability in the robot would give full control of the machine.",
            remedy="Run it as its own user, as docs/install-on-a-pi.md describes.",
        )
    missing = {name: what for name, what in _needed_groups(case).items() if name not in case.service.groups}
    if not missing:
        return Finding.good("groups", f"{user} is in all required groups: {', '.join(_needed_groups(case))}.")
    named = ", ".join(f"{name} for {what}" for name, what in missing.items())
    return Finding.bad(
        "groups",
        f"{user} is not in: {named}.",
        why="Devices can be opened by members of these groups only.",
        remedy=f"sudo usermod -aG {','.join(missing)} {user} && sudo systemctl restart robot-node",
    )


def _clock(case: Case) -> Finding:
    synchronised = case.machine.clock_is_synchronised()
    if synchronised is None:
        return Finding.not_applicable("clock", "The kernel does not say whether the clock is synchronised.")
    now = case.machine.now()
    if synchronised:
        return Finding.good("clock", f"The clock is synchronised: {now:%Y-%m-%d %H:%M} UTC.")
    return Finding.note(
        "clock",
        f"The clock is not synchronised; it shows {now:%Y-%m-%d %H:%M} UTC.",
        why="With a wrong clock, certificates seem invalid and log times are wrong.",
        remedy="sudo timedatectl set-ntp true, and let the machine reach a time server; timedatectl shows the status.",
    )


def _disk(case: Case) -> Finding:
    folder = _nearest(case.machine.path(case.service.state_folder))
    free = case.machine.free_bytes(folder)
    detail = f"{free / 1024**2:,.0f} MiB are free."
    why = "On a full disk no state is saved, and the system itself fails in unexpected ways."
    remedy = (
        "Free some space: sudo journalctl --vacuum-size=100M; sudo apt clean. Largest: sudo du -xh / | sort -h | tail"
    )
    if free < _FULL_BYTES:
        return Finding.bad("disk", f"Only {detail}", why=why, remedy=remedy)
    if free < _SHORT_BYTES:
        return Finding.note("disk", f"Only {detail}", why=why, remedy=remedy)
    return Finding.good("disk", detail)


def _nearest(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _state_folder(case: Case) -> Finding:
    """Check whether the service may write there, from owner and mode: trying it would change something."""
    chosen = case.settings.robot.state_file
    name = str(chosen.absolute().parent) if chosen else f"/{case.service.state_folder}"
    folder = case.machine.path(name.lstrip("/"))
    why = "The saved state does not survive a restart."
    if not folder.exists() and chosen:
        detail = f"The folder of robot.state_file, {name}, does not exist."
        remedy = f"Create it: sudo install -d -o {case.service.user} {name}; or remove state_file."
        return Finding.bad("state folder", detail, why=why, remedy=remedy)
    if not folder.exists():
        return Finding.good("state folder", f"{name} does not exist yet; systemd creates it when the service starts.")
    remedy = f"sudo chown -R {case.service.user}: {name} && sudo chmod u+rwx {name}"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        remedy = "Disable the overlay (sudo raspi-config, Performance Options), or check the card: sudo dmesg | tail"
        return Finding.bad("state folder", f"{name} is on a read-only file system.", why=why, remedy=remedy)
    about = folder.stat()
    owned = about.st_uid == case.service.uid and about.st_mode & stat.S_IWUSR
    if owned or about.st_mode & stat.S_IWOTH or case.service.is_root:
        return Finding.good("state folder", f"{case.service.user} may write to {name}.")
    return Finding.bad("state folder", f"{case.service.user} may not write to {name}.", why=why, remedy=remedy)


def _system(case: Case) -> Finding:
    release = _os_release(case)
    named = release.get("PRETTY_NAME", "an unknown system")
    if not case.on_a_pi:
        return Finding.good("system", f"{named}; not a Raspberry Pi.")
    detail = f"{named} on a {case.machine.model}."
    if release.get("VERSION_ID") in _KNOWN_SYSTEMS:
        return Finding.good("system", detail)
    return Finding.note(
        "system",
        detail,
        why=f"robot-node supports Raspberry Pi OS {' and '.join(_KNOWN_SYSTEMS.values())}: elsewhere libcamera and "
        "picamera2 may be too old or missing.",
        remedy="Install the current Raspberry Pi OS with the Raspberry Pi Imager.",
    )


def _os_release(case: Case) -> Mapping[str, str]:
    lines = (line.partition("=") for line in case.machine.text("etc/os-release").splitlines())
    return {key: value.strip('"') for key, _, value in lines}


def _python(case: Case) -> Finding:
    version = tuple(int(part) for part in case.machine.python.split(".")[:2])
    detail = f"Python {case.machine.python}, robot-node {case.machine.version_of('robot-node') or '(from source)'}."
    if version >= _OLDEST_PYTHON:
        return Finding.good("versions", detail)
    remedy = "Install the current Raspberry Pi OS, or another Python for the venv."
    return Finding.bad("versions", detail, why="robot-node needs Python 3.11 or later.", remedy=remedy)


def _packages(case: Case) -> Finding:
    """Check that each required package is installed in a supported version."""
    wrong: list[str] = []
    wanted: list[str] = []
    requirements = case.machine.requirements()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = case.machine.version_of(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version or 'is missing'} (needed: {requirement.specifier or 'any'})")
            wanted.append(f"'{requirement.name}{requirement.specifier}'")
    if not requirements:
        return Finding.not_applicable(
            "packages", "robot-node is not installed as a package, so its requirements are unknown."
        )
    if not wrong:
        return Finding.good("packages", "All required packages are installed in supported versions.")
    why = "robot-node is not tested with other versions, and may fail."
    if any(package.startswith("av ") for package in wrong):
        why += f" {_OLD_AV}"
    remedy = f"Install these: {run_pip(' '.join(['install', *wanted]))}"
    return Finding.bad("packages", f"{'; '.join(wrong)}.", why=why, remedy=remedy)
