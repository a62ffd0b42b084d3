"""Checks of the pins: library, and whether the configured pins are free."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.core.temporary_folder import TemporaryFolder
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError
from robot_node.settings.root import Settings

_WHY = "LEDs, buttons, servos and the privacy switch need the pins."
_REMEDY = "Stop that program, remove its dtoverlay from /boot/firmware/config.txt, or use another pin."
_SPI_REMEDY = (
    "dtparam=spi=on in /boot/firmware/config.txt claims both chip selects, GPIO7 and GPIO8: use other pins, or replace "
    "it with dtoverlay=spi0-1cs, which claims GPIO8 only (spi0-0cs: neither), and restart."
)
_OWN_CONSUMERS = ("lg", "robot-node")
"""Consumer names that lgpio passes to the kernel."""


def configured_pins(settings: Settings) -> dict[int, str]:
    """Return the GPIOs that the robot drives or reads, each with its setting, without those of I2C and SPI."""
    claims = [*settings.display.claims(), *settings.privacy.claims(), *settings.pins.claims()]
    return {gpio: user for user, gpio in claims if not user.startswith("the ")}


async def check_pins(case: Case) -> None:
    """Check the pins without using any: the kernel lists their users."""
    wanted = configured_pins(case.settings)
    if not wanted:
        case.report(Finding.not_applicable("pins", "No pin is configured."))
        return
    with _scratch_folder():
        if await case.load("pin library", case.platform.pin_factory, why=_WHY) is None:
            return
        case.report(Finding.good("pin library", "It can be imported."))
        try:
            users = await case.call("pins", case.limit_s, case.platform.pin_users)
        except HangingError as error:
            case.report(Finding.bad("pins", error.message, why=_WHY, remedy="Restart the machine."))
            return
        except DeviceError as error:
            case.report(Finding.bad("pins", error.message, why=_WHY, remedy=error.remedy))
            return
    case.report(_free(case, wanted, users))


def _free(case: Case, wanted: Mapping[int, str], users: Mapping[int, str]) -> Finding:
    taken = {gpio: users[gpio] for gpio in sorted(wanted) if gpio in users}
    if taken and any(process.is_robot for process in case.machine.processes()):
        taken = {gpio: user for gpio, user in taken.items() if user not in _OWN_CONSUMERS}
    if not taken:
        return Finding.good("pins", f"{_names(wanted)}: free, or in use by the robot.")
    named = ", ".join(f"GPIO{gpio} ({wanted[gpio]}) by {user or 'an unknown program'}" for gpio, user in taken.items())
    return Finding.bad(
        "pins",
        f"Already in use: {named}.",
        why="A pin has one user: the robot cannot use it.",
        remedy=f"{_SPI_REMEDY if _by_spi(taken) else _REMEDY} All users: gpioinfo (sudo apt install gpiod)",
    )


def _by_spi(taken: Mapping[int, str]) -> bool:
    """Whether a pin is claimed as a chip select, which the kernel names ``spi0 CS1``."""
    return any(user.startswith("spi") for user in taken.values())


def _names(gpios: Mapping[int, Any]) -> str:
    return ", ".join(f"GPIO{gpio}" for gpio in sorted(gpios))


@contextlib.contextmanager
def _scratch_folder() -> Iterator[None]:
    """A temporary folder for lgpio, which leaves files in $LG_WD and makes it the working directory."""
    before = Path.cwd()
    with TemporaryFolder("robot-node-doctor-") as folder, _environment("LG_WD", str(folder.path)):
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
