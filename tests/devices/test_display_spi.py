"""The display driver on an SPI bus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from gpiozero import GPIOPinInUse
from gpiozero.pins.mock import MockFactory
from PIL import Image

from hw_mocks.platform import simulated_platform
from robot_node.core.state import RobotState
from robot_node.devices.display import Display
from robot_node.devices.oled_windows import pack
from robot_node.errors import DeviceError
from robot_node.face.expressions import EXPRESSIONS, Emotion
from robot_node.face.renderer import render
from robot_node.settings.devices import DisplaySettings


@pytest.mark.parametrize("driver", ["ssd1306", "sh1106"])
@pytest.mark.parametrize("height", [32, 64])
async def test_emotions_are_on_the_glass(driver: Literal["ssd1306", "sh1106"], height: Literal[32, 64]) -> None:
    pi = simulated_platform(controller=driver, display_height=height)
    state = RobotState()
    display = Display(pi.platform, DisplaySettings(interface="spi", driver=driver, height=height, contrast=9), state)
    await display.open()
    for emotion in Emotion:
        picture = render(EXPRESSIONS[emotion], (128, height))
        await display.show(picture)
        assert pack(pi.oled.picture()) == pack(picture), emotion
    assert state.snapshot.fault("display") == ""
    assert pi.oled.controller.contrast == 9
    assert pi.i2c.transfers == 0
    await display.close()
    assert pi.oled.picture().getbbox() is None
    assert not pi.oled.problems
    assert pi.spi.open_devices == 0
    assert not any(pi.pins._reservations.values())


async def test_an_idle_display_is_sent_nothing_but_what_asks_for_it() -> None:
    pi = simulated_platform()
    display = Display(pi.platform, DisplaySettings(interface="spi"), RobotState())
    await display.open()
    await display.show(Image.new("1", display.size, 1))
    sent = pi.spi.bytes_on_wire
    await display.show(Image.new("1", display.size, 1))
    assert pi.spi.bytes_on_wire == sent
    await display.close()


def without_pins() -> MockFactory:
    raise DeviceError("The pins cannot be used: no library.", remedy="Install the pin library.")


def taken() -> MockFactory:
    raise GPIOPinInUse("GPIO24 is in use")


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"pin_factory": without_pins}, {}, "no library"),
        ({"pin_factory": taken}, {}, "GPIO24 is in use"),
        ({}, {"spi_port": 1}, "SPI 1.0"),
    ],
)
async def test_what_is_missing_is_said_and_the_robot_goes_on(
    change: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    pi = simulated_platform()
    state = RobotState()
    platform = replace(pi.platform, **change)
    display = Display(platform, DisplaySettings(interface="spi", **settings), state)
    await display.open()
    assert reason in state.snapshot.fault("display")
    await display.show(Image.new("1", display.size, 1))
    await display.close()
    assert pi.spi.open_devices == 0
