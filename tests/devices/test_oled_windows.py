"""Which parts of a display's memory are sent."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.oled import ControllerName, SimulatedOled
from robot_node.devices import oled
from robot_node.devices.oled_windows import Window, changed_windows, pack

WIDTH = 24
COST = 10

pages = st.lists(st.lists(st.sampled_from([0, 1]), min_size=WIDTH, max_size=WIDTH).map(bytes), min_size=4, max_size=4)


def applied(windows: tuple[Window, ...], shown: list[bytes], wanted: list[bytes]) -> list[bytes]:
    memory = [bytearray(page) for page in shown]
    for window in windows:
        memory[window.page][window.first_column : window.last_column + 1] = window.cut_from(wanted)
    return [bytes(page) for page in memory]


def bytes_on_bus(windows: tuple[Window, ...], wanted: list[bytes]) -> int:
    return sum(len(window.cut_from(wanted)) + COST for window in windows)


@given(shown=pages, wanted=pages)
def test_the_windows_make_the_wanted_picture(shown: list[bytes], wanted: list[bytes]) -> None:
    windows = changed_windows(shown, wanted, cost=COST)
    assert applied(windows, shown, wanted) == wanted
    assert bytes_on_bus(windows, wanted) <= 4 * (WIDTH + COST)


@given(picture=pages)
def test_nothing_is_sent_when_nothing_changed(picture: list[bytes]) -> None:
    assert changed_windows(picture, list(picture), cost=COST) == ()


def test_near_changes_are_one_window_and_far_ones_two() -> None:
    shown = [bytes(100) for _ in range(8)]

    def changed(*places: tuple[int, int]) -> tuple[Window, ...]:
        wanted = [bytearray(page) for page in shown]
        for page, column in places:
            wanted[page][column] = 1
        return changed_windows(shown, [bytes(page) for page in wanted], cost=COST)

    assert changed((0, 3), (0, 9)) == (Window(0, 3, 9),)
    assert changed((0, 3), (0, 90)) == (Window(0, 3, 3), Window(0, 90, 90))
    assert changed((0, 3), (1, 5)) == (Window(0, 3, 3), Window(1, 5, 5))


@pytest.mark.parametrize("driver", ["ssd1306", "sh1106"])
@pytest.mark.parametrize("height", [32, 64])
@pytest.mark.parametrize("rotate", [0, 180])
def test_any_sequence_of_pictures_is_on_the_glass(driver: ControllerName, height: int, rotate: int) -> None:
    glass = SimulatedOled(driver, height)
    adapter = SimulatedI2cAdapter({0x3C: glass})
    device = oled.create(driver, adapter.open(1, 0x3C), width=128, height=height, rotate=rotate)
    chance = random.Random(7)
    picture = Image.new("1", (128, height))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        for _ in range(chance.choice([0, 1, 1, 2, 40])):
            corner = chance.randrange(128), chance.randrange(height)
            size = chance.choice([0, 1, 5, 60])
            pen.rectangle((*corner, corner[0] + size, corner[1] + size), fill=chance.choice([0, 1]))
        device.display(picture)
        assert pack(glass.picture().rotate(rotate)) == pack(picture)
    assert not glass.problems
    before = adapter.bytes_on_wire
    device.display(picture)
    assert adapter.bytes_on_wire == before
