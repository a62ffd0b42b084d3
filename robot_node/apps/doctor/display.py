"""Checks of the display: bus, address, controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.devices import oled
from robot_node.devices.worker import HangingError
from robot_node.errors import DeviceError

_COMMON_ADDRESSES = (0x3C, 0x3D)
"""The two possible addresses of modules with an SSD1306 or SH1106; no other address is probed."""
_RESTART = "sudo systemctl restart robot-node"
_WHY = "Without a display the robot's face is not visible."


async def check_display(case: Case) -> None:
    """Check the configured display. On I2C only its status is read; on SPI nothing is sent."""
    if case.settings.display.driver == "none":
        case.report(Finding.not_applicable("display", "No display is configured."))
    elif case.settings.display.interface == "spi":
        await _check_spi(case)
    else:
        await _check_i2c(case)


async def _check_i2c(case: Case) -> None:
    display = case.settings.display
    node = f"/dev/i2c-{display.bus}"
    if case.on_a_pi and not case.machine.path(node[1:]).exists():
        remedy = "Enable I2C, and restart: sudo raspi-config nonint do_i2c 0 && sudo reboot"
        if display.bus != 1:
            remedy = f"Add dtparam=i2c{display.bus}=on or its overlay to /boot/firmware/config.txt; or set bus = 1."
        case.report(Finding.bad("I2C bus", f"There is no {node}.", why=_WHY, remedy=remedy))
        return
    try:
        device = await case.call("I2C bus", case.limit_s, _probe, case, display.address)
        others = [address for address in _COMMON_ADDRESSES if address != display.address]
        found = [] if device else [a for a in others if await case.call("I2C bus", case.limit_s, _probe, case, a)]
    except HangingError as error:
        remedy = "Check the display's wires, with the power off: a module without power blocks the bus."
        case.report(Finding.bad("I2C bus", error.message, why=_WHY, remedy=remedy))
        return
    except DeviceError as error:
        case.report(Finding.bad("I2C bus", error.message, why=_WHY, remedy=error.remedy))
        return
    case.report(Finding.good("I2C bus", f"{node} can be used."))
    where = f"0x{display.address:02x}"
    if device and device.controller not in {None, display.driver}:
        detail = (
            f"The device at {where} is an {str(device.controller).upper()}, but display.driver is {display.driver}."
        )
        why = "With the wrong driver the picture is shifted or noisy."
        remedy = f'Set driver = "{device.controller}" in [display] of the settings file; then {_RESTART}'
        case.report(Finding.note("display", detail, why=why, remedy=remedy))
    elif device:
        case.report(Finding.good("display", f"A device responds at {where}."))
    elif found:
        other = f"0x{found[0]:02x}"
        detail = f"No device responds at {where}, but one does at {other}."
        remedy = f"Set address = {other} in [display] of the settings file; then {_RESTART}"
        case.report(Finding.bad("display", detail, why=_WHY, remedy=remedy))
    else:
        detail = f"No device responds at {where}, nor at {' or '.join(f'0x{other:02x}' for other in others)}."
        remedy = (
            "Check its four wires, with the power off: docs/install-on-a-pi.md. To list the devices on the bus: "
            f"i2cdetect -y {display.bus} (sudo apt install i2c-tools). For a robot without a display: sudo robot-node "
            "setup --non-interactive --display none"
        )
        case.report(Finding.bad("display", detail, why=_WHY, remedy=remedy))


@dataclass(frozen=True, slots=True)
class _Device:
    """A device that responds; the controller is None if the status byte does not identify it."""

    controller: oled.Controller | None


def _probe(case: Case, address: int) -> _Device | None:
    """Read the status byte, which changes nothing; return None if no device responds.

    Raises:
        DeviceError: The bus cannot be opened.
    """
    serial: Any = case.platform.i2c(case.settings.display.bus, address)
    try:
        return _Device(oled.controller_of(serial))
    except OSError:
        return None
    finally:
        serial.cleanup()


async def _check_spi(case: Case) -> None:
    display = case.settings.display
    node = f"/dev/spidev{display.spi_port}.{display.spi_device}"
    enable = "Enable SPI, and restart: sudo raspi-config nonint do_spi 0 && sudo reboot"
    if case.on_a_pi and not case.machine.path(node[1:]).exists():
        case.report(Finding.bad("SPI bus", f"There is no {node}.", why=_WHY, remedy=enable))
        return
    try:
        await case.call("SPI bus", case.limit_s, _open_spi, case)
    except DeviceError as error:
        case.report(Finding.bad("SPI bus", error.message, why=_WHY, remedy=error.remedy))
    except OSError as error:
        detail = f"{node} cannot be opened: {error.strerror or error}."
        remedy = f"{enable}. The robot's user must be in the group spi."
        case.report(Finding.bad("SPI bus", detail, why=_WHY, remedy=remedy))
    else:
        case.report(Finding.good("SPI bus", f"{node} can be used; SPI does not show whether a display is connected."))


def _open_spi(case: Case) -> None:
    bus = case.platform.spidev()
    bus.open(case.settings.display.spi_port, case.settings.display.spi_device)
    bus.close()
