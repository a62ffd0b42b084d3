"""A simulated OLED module on a table, and what is sent to it and seen on it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import ControllerName, SimulatedOled

ADDRESS = 0x3C
COMMANDS, DATA = 0x00, 0x40
UPRIGHT = {  # what every driver sends first: power, direction, on
    "ssd1306": (0x8D, 0x14, 0xA1, 0xC8, 0xAF),
    "sh1106": (0xA1, 0xC8, 0xAF),
}

controllers = pytest.mark.parametrize("controller", ["ssd1306", "sh1106"])


def a_picture(height: int = 64, seed: int = 1) -> Image.Image:
    """Something without any symmetry, down to the corners."""
    picture = Image.frombytes("1", (128, height), random.Random(seed).randbytes(16 * height))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((5, 3, 40, 20), fill=1)
    draw.rectangle((90, height - 12, 126, height - 2), fill=0)
    return picture


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.logical_xor(one, other).getbbox() is None


def wired(module: SimulatedOled, clock_hz: int = 400_000) -> tuple[SimulatedI2cAdapter, Any]:
    adapter = SimulatedI2cAdapter({ADDRESS: module}, clock_hz=clock_hz)
    return adapter, adapter.open(1, ADDRESS)


def upright(controller: ControllerName = "ssd1306") -> tuple[SimulatedOled, Any]:
    """A module that is on, upright and blank."""
    module = SimulatedOled(controller)
    _, serial = wired(module)
    serial.command(*UPRIGHT[controller])
    for page in range(8):
        serial.command(0xB0 + page, 0x00, 0x10)
        serial.data([0] * module.controller.columns)
    assert module.picture().getbbox() is None
    return module, serial


def lit_points(module: SimulatedOled) -> set[tuple[int, int]]:
    pixels = module.picture().convert("L").tobytes()
    return {(index % 128, index // 128) for index, value in enumerate(pixels) if value}
