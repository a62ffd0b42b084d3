"""The simulated OLED modules: what is sent is what is seen, and what a chip refuses is noticed."""

from __future__ import annotations

import inspect

import luma.oled.device
import pytest
import smbus2
from hypothesis import given
from hypothesis import strategies as st
from luma.core.interface.serial import i2c
from PIL import Image, ImageChops

from hw_mocks.i2c import SimulatedI2cAdapter, _SimulatedSmbus
from hw_mocks.oled import ControllerName, SimulatedOled
from robot_node.devices import oled as driver
from tests.hw_mocks.oled_bench import (
    ADDRESS,
    COMMANDS,
    DATA,
    a_picture,
    controllers,
    lit_points,
    same,
    upright,
    wired,
)

modules = pytest.mark.parametrize(
    ("controller", "height"), [("ssd1306", 64), ("ssd1306", 32), ("sh1106", 64), ("sh1106", 32)]
)
luma_still_uses_getdata = pytest.mark.filterwarnings("ignore:.*getdata is deprecated:DeprecationWarning")


class TestWithLuma:
    """Luma's drivers, and ours on top of them, on the simulated bus."""

    @luma_still_uses_getdata
    @modules
    @pytest.mark.parametrize("rotate", [0, 2])
    def test_what_luma_sends_is_what_is_seen(self, controller: ControllerName, height: int, rotate: int) -> None:
        module = SimulatedOled(controller, height)
        _, serial = wired(module)
        device = vars(luma.oled.device)[controller](serial, width=128, height=height, rotate=rotate)
        picture = a_picture(height)
        device.display(picture)
        seen = module.picture().rotate(180) if rotate else module.picture()
        assert same(seen, picture)
        assert not module.problems

    @luma_still_uses_getdata
    @modules
    def test_our_way_to_send_a_picture_equals_lumas(self, controller: ControllerName, height: int) -> None:
        ours, lumas = SimulatedOled(controller, height), SimulatedOled(controller, height)
        _, serial = wired(ours)
        driver.create(controller, serial, width=128, height=height, rotate=0).display(a_picture(height))
        _, serial = wired(lumas)
        vars(luma.oled.device)[controller](serial, width=128, height=height).display(a_picture(height))
        assert same(ours.picture(), lumas.picture())
        assert not ours.problems

    @pytest.mark.parametrize(("controller", "wire_bytes", "transfers"), [("ssd1306", 1104, 16), ("sh1106", 1080, 16)])
    def test_bytes_and_bus_time_of_a_frame(self, controller: ControllerName, wire_bytes: int, transfers: int) -> None:
        adapter, serial = wired(SimulatedOled(controller), clock_hz=100_000)
        device = driver.create(controller, serial, width=128, height=64, rotate=0)
        before = adapter.bytes_on_wire, adapter.transfers, adapter.bus_seconds
        device.display(a_picture())
        assert adapter.bytes_on_wire - before[0] == wire_bytes
        assert adapter.transfers - before[1] == transfers
        assert adapter.bus_seconds - before[2] == pytest.approx((9 * wire_bytes + 2 * transfers) / 100_000)

    def test_the_bus_stands_for_smbus2(self) -> None:
        for name in ("write_i2c_block_data", "i2c_rdwr", "read_byte", "close"):
            real = inspect.signature(getattr(smbus2.SMBus, name)).parameters
            simulated = inspect.signature(getattr(_SimulatedSmbus, name)).parameters
            assert list(simulated) == [parameter for parameter in real if parameter != "force"]

    def test_the_private_names_of_luma_that_we_use_exist(self) -> None:
        unmanaged = i2c(bus=object(), address=ADDRESS)
        assert {"_bus", "_addr", "_managed", "_i2c_msg_write"} <= vars(unmanaged).keys()

    def test_a_closed_bus_refuses(self) -> None:
        adapter, serial = wired(SimulatedOled())
        assert adapter.open_interfaces == 1
        serial.cleanup()
        serial.cleanup()
        assert adapter.open_interfaces == 0
        with pytest.raises(OSError, match="closed"):
            serial.command(0xAF)


class TestAddressing:
    """Where the bytes of a picture go."""

    @given(
        columns=st.tuples(st.integers(0, 127), st.integers(0, 127)).map(sorted),
        pages=st.tuples(st.integers(0, 7), st.integers(0, 7)).map(sorted),
        vertical=st.booleans(),
        length=st.integers(0, 300),
    )
    def test_a_window_is_walked_through_and_started_over(
        self, columns: list[int], pages: list[int], length: int, *, vertical: bool
    ) -> None:
        module, serial = upright()
        serial.command(0x20, 1 if vertical else 0, 0x21, *columns, 0x22, *pages)
        serial.data([index % 255 + 1 for index in range(length)])
        places = [
            (page, column) for page in range(pages[0], pages[1] + 1) for column in range(columns[0], columns[1] + 1)
        ]
        if vertical:
            places.sort(key=lambda place: (place[1], place[0]))
        expected = {places[index % len(places)]: index % 255 + 1 for index in range(length)}
        lit = {
            (column, 8 * page + bit)
            for (page, column), value in expected.items()
            for bit in range(8)
            if value >> bit & 1
        }
        assert lit_points(module) == lit
        assert not module.problems

    @controllers
    @given(page=st.integers(0, 7), column=st.integers(0, 127), values=st.binary(min_size=1, max_size=16))
    def test_page_addressing_writes_along_one_page(
        self, controller: ControllerName, page: int, column: int, values: bytes
    ) -> None:
        module, serial = upright(controller)
        left = 2 if controller == "sh1106" else 0
        serial.command(0xB0 + page, (column + left) & 15, 0x10 | (column + left) >> 4)
        serial.data(values)
        lit = set()
        for offset, value in enumerate(values):
            place = column + offset
            if controller == "ssd1306":
                place %= 128  # starts the same page over; the SH1106 stops
            lit |= {(place, 8 * page + bit) for bit in range(8) if value >> bit & 1 and place < 128}
        assert lit_points(module) == lit

    def test_one_command_may_come_in_pieces_and_data_after_a_single_command(self) -> None:
        module, _ = upright()
        for message in (
            [0x80, 0x20, 0x80, 0x00],
            [0x00, 0x21, 10],
            [0x00, 11],
            [0x80, 0x22, 0x80, 0, 0x80, 0, 0x40, 1],
        ):
            module.receive(bytes(message), timeout_s=1)
        module.receive(bytes([0xC0, 1, DATA, 1]), timeout_s=1)
        assert lit_points(module) == {(10, 0), (11, 0)}
        assert not module.problems


class TestWhatTheRegistersDo:
    """Commands that change how the memory is shown."""

    @controllers
    def test_inversion_and_all_on(self, controller: ControllerName) -> None:
        module, serial = upright(controller)
        serial.command(0xA7)
        assert len(lit_points(module)) == 128 * 64
        serial.data([0xFF])
        serial.command(0xA6, 0xA5)
        assert len(lit_points(module)) == 128 * 64
        serial.command(0xA4)
        assert len(lit_points(module)) < 128

    @controllers
    def test_off_is_dark_and_keeps_the_picture(self, controller: ControllerName) -> None:
        module = SimulatedOled(controller)
        _, serial = wired(module)
        device = driver.create(controller, serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        device.hide()
        assert module.picture().getbbox() is None
        device.show()
        assert same(module.picture(), a_picture())

    @pytest.mark.parametrize(("controller", "off"), [("ssd1306", (0x8D, 0x10)), ("sh1106", (0xAD, 0x8A))])
    def test_without_its_charge_pump_it_is_dark(self, controller: ControllerName, off: tuple[int, ...]) -> None:
        module, serial = upright(controller)
        serial.command(0xA5)
        assert module.picture().getbbox() is not None
        serial.command(*off)
        assert module.picture().getbbox() is None

    @controllers
    @given(start=st.integers(0, 63))
    def test_the_start_line_scrolls(self, controller: ControllerName, start: int) -> None:
        module = SimulatedOled(controller)
        _, serial = wired(module)
        device = driver.create(controller, serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        device.command(0x40 | start)
        assert same(module.picture(), ImageChops.offset(a_picture().convert("L"), 0, -start).convert("1"))

    @controllers
    def test_the_display_offset_shifts(self, controller: ControllerName) -> None:
        module = SimulatedOled(controller)
        _, serial = wired(module)
        device = driver.create(controller, serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        device.command(0xD3, 8)
        # Table 10-2, remapped, offset 8: COM0, the lowest line, shows row 7.
        assert same(module.picture(), ImageChops.offset(a_picture().convert("L"), 0, -8).convert("1"))

    @controllers
    def test_the_com_direction_turns_the_picture_over_at_once(self, controller: ControllerName) -> None:
        module = SimulatedOled(controller)
        _, serial = wired(module)
        device = driver.create(controller, serial, width=128, height=64, rotate=0)
        device.display(a_picture())
        device.command(0xC0)
        assert same(module.picture(), a_picture().transpose(Image.Transpose.FLIP_TOP_BOTTOM))

    def test_segment_remap_mirrors_what_is_written_next_on_an_ssd1306(self) -> None:
        module, serial = upright("ssd1306")
        serial.command(0xB0, 0x05, 0x10)
        serial.data([1])
        serial.command(0xA0)
        assert lit_points(module) == {(5, 0)}
        serial.command(0xB1, 0x05, 0x10)
        serial.data([1])
        assert lit_points(module) == {(5, 0), (122, 8)}

    def test_segment_remap_mirrors_what_is_shown_on_an_sh1106(self) -> None:
        module, serial = upright("sh1106")
        serial.command(0xB0, 0x07, 0x10)
        serial.data([1])
        assert lit_points(module) == {(5, 0)}
        serial.command(0xA0)
        assert lit_points(module) == {(122, 0)}

    def test_wrong_com_pins_shuffle_the_lines(self) -> None:
        module = SimulatedOled("ssd1306", 32)
        _, serial = wired(module)
        device = driver.create("ssd1306", serial, width=128, height=32, rotate=0)
        device.display(a_picture(32))
        device.command(0xDA, 0x12)  # the setting of the 64-line glass: known for half a picture
        seen = module.picture()
        assert not same(seen, a_picture(32))
        assert len({y for _, y in lit_points(module)}) == 16

    def test_fewer_lines_leave_the_rest_dark(self) -> None:
        module, serial = upright()
        serial.command(0xA5, 0xA8, 31)
        assert {y for _, y in lit_points(module)} == set(range(32, 64))

    def test_contrast_is_kept(self) -> None:
        module, serial = upright()
        serial.command(0x81, 0x42)
        assert module.controller.contrast == 0x42


class TestProblems:
    """What a real chip would answer with a wrong picture."""

    @pytest.mark.parametrize(
        ("controller", "message", "problem"),
        [
            ("ssd1306", [COMMANDS, 0xF7], "unknown command 0xF7"),
            ("ssd1306", [COMMANDS, 0x2F], "unknown command 0x2F"),
            ("ssd1306", [COMMANDS, 0xAD], "unknown command 0xAD"),
            ("sh1106", [COMMANDS, 0x21, 0, 127], "unknown command 0x21"),
            ("ssd1306", [0x80, 0x81, DATA, 1], "data before the end of command 0x81"),
            ("ssd1306", [0x01, 0xAF], "control byte 0x01"),
            ("ssd1306", [COMMANDS, 0x20, 0, 0x21, 9, 5], "column window starts at 9"),
            ("ssd1306", [COMMANDS, 0x20, 0, 0x22, 3, 1], "page window starts at 3"),
            ("ssd1306", [COMMANDS, 0x20, 0, 0x21, 0, 128], "column address 128"),
            ("ssd1306", [COMMANDS, 0x20, 3], "addressing mode 3"),
            ("ssd1306", [COMMANDS, 0x21, 0, 127], "command 0x21 is for horizontal and vertical addressing only"),
            ("ssd1306", [COMMANDS, 0x20, 0, 0xB3], "command 0xB3 is for page addressing only"),
            ("ssd1306", [COMMANDS, 0x20, 0, 0x04], "command 0x04 is for page addressing only"),
            ("ssd1306", [COMMANDS, 0xA8, 14], "multiplex ratio 14"),
            ("ssd1306", [COMMANDS, 0xA8, 64], "multiplex ratio 64"),
            ("ssd1306", [COMMANDS, 0xD3, 64], "display offset 64"),
            ("ssd1306", [COMMANDS, 0x8D, 0x04], "charge pump setting 0x04"),
            ("sh1106", [COMMANDS, 0xAD, 0x01], "DC-DC setting 0x01"),
            ("ssd1306", [COMMANDS, 0xDA, 0x00], "COM pins setting 0x00"),
            ("ssd1306", [COMMANDS, 0xD9, 0xF0], "pre-charge period 0xF0"),
            ("sh1106", [COMMANDS, 0x0F, 0x18, 0x80, 0xE3], "unknown command 0x80"),
            ("sh1106", [0x80, 0x03, 0x80, 0x18, DATA, 1, 2], "data beyond the last column of page 0"),
        ],
    )
    def test_what_a_data_sheet_forbids_is_noticed(
        self, controller: ControllerName, message: list[int], problem: str
    ) -> None:
        module = SimulatedOled(controller)
        module.receive(bytes(message), timeout_s=1)
        assert len(module.problems) == 1
        assert module.problems[0].startswith(problem)

    @controllers
    @given(messages=st.lists(st.binary(max_size=40), max_size=20))
    def test_nothing_that_is_sent_breaks_the_chip(self, controller: ControllerName, messages: list[bytes]) -> None:
        module = SimulatedOled(controller)
        for message in messages:
            module.receive(message, timeout_s=1)
        assert module.picture().size == (128, 64)
        assert len(module.problems) <= 100

    def test_smbus_has_blocks_of_32_bytes(self) -> None:
        bus = _SimulatedSmbus(SimulatedI2cAdapter({ADDRESS: SimulatedOled()}))
        with pytest.raises(ValueError, match="at most 32"):
            bus.write_i2c_block_data(ADDRESS, DATA, [0] * 33)
