"""Simulated OLED controllers: decode I2C writes into registers and display memory."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

_PAGES = 8
_ROWS = 64
_MAXIMUM_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class _Command:
    """A command of a controller.

    Attributes:
        arguments: Number of argument bytes.
        act: Called with the opcode and the arguments.
    """

    arguments: int
    act: Callable[[int, list[int]], None]


class Controller:
    """Base class of the SSD1306 and the SH1106."""

    columns: int
    chip_id: int

    def __init__(self) -> None:
        self.problems: deque[str] = deque(maxlen=_MAXIMUM_PROBLEMS)
        self._commands: dict[int, _Command] = {}
        self._define(0x00, 0x0F, 0, self._column_low)
        self._define(0x10, 0x1F, 0, self._column_high)
        self._define(0x40, 0x7F, 0, self._start_line)
        self._define(0x81, 0x81, 1, self._contrast)
        self._define(0xA0, 0xA1, 0, self._segment_remap)
        self._define(0xA4, 0xA5, 0, self._entirely_on)
        self._define(0xA6, 0xA7, 0, self._invert)
        self._define(0xA8, 0xA8, 1, self._multiplex)
        self._define(0xAE, 0xAF, 0, self._on)
        self._define(0xB0, 0xB7, 0, self._page)
        self._define(0xC0, 0xC0, 0, self._com_direction)
        self._define(0xC8, 0xC8, 0, self._com_direction)
        self._define(0xD3, 0xD3, 1, self._display_offset)
        self._define(0xD5, 0xD5, 1, self._no_effect)  # oscillator
        self._define(0xD9, 0xD9, 1, self._precharge)
        self._define(0xDA, 0xDA, 1, self._com_pins)
        self._define(0xDB, 0xDB, 1, self._no_effect)  # VCOMH level
        self._define(0xE3, 0xE3, 0, self._no_effect)  # no operation
        self.power_on(random.Random(0))

    def power_on(self, noise: random.Random) -> None:
        """Set every register to its reset value, and fill the memory with noise."""
        self.memory = [bytearray(noise.randbytes(self.columns)) for _ in range(_PAGES)]
        self.column = 0
        self.page = 0
        self.on = False
        self.pump = False
        self.entirely_on = False
        self.inverted = False
        self.segment_remap = False
        self.com_falling = False
        self.com_alternating = True
        self.com_swapped = False
        self.contrast = 0x7F
        self.start_line = 0
        self.multiplex = 63
        self.display_offset = 0
        self._pending: list[int] = []

    # I2C bus

    def receive(self, message: bytes) -> None:
        """Process an I2C write: control bytes, each followed by commands or data (SSD1306 8.1.5.2)."""
        position = 0
        while position < len(message):
            control = message[position]
            position += 1
            if control & 0x3F:
                self._problem(f"control byte 0x{control:02X}: its lower six bits must be zero")
            end = position + 1 if control & 0x80 else len(message)
            take = self._data if control & 0x40 else self._command
            for value in message[position:end]:
                take(value)
            position = end

    def _command(self, value: int) -> None:
        if not self._pending and value not in self._commands:
            self._problem(f"unknown command 0x{value:02X}")
            return
        self._pending.append(value)
        first, *arguments = self._pending
        command = self._commands[first]
        if len(arguments) == command.arguments:
            self._pending = []
            command.act(first, arguments)

    def _data(self, value: int) -> None:
        if self._pending:
            self._problem(f"data before the end of command 0x{self._pending[0]:02X}")
            self._pending = []
        self._write(value)

    def _write(self, value: int) -> None:
        raise NotImplementedError

    def _define(self, first: int, last: int, arguments: int, act: Callable[[int, list[int]], None]) -> None:
        for opcode in range(first, last + 1):
            self._commands[opcode] = _Command(arguments, act)

    def _problem(self, text: str) -> None:
        self.problems.append(text)

    @property
    def status(self) -> int:
        """Status byte of a read: bit 6 is set while the display is off."""
        return self.chip_id | (0x00 if self.on else 0x40)

    # Panel

    @property
    def lit(self) -> bool:
        """Whether the display is on and its charge pump is enabled."""
        return self.on and self.pump

    def row_of_output(self, com: int) -> int | None:
        """Return the memory row of a COM output, or None if the output is not driven.

        SSD1306 tables 10-1 and 10-2: the offset rotates the outputs, the start line rotates the memory.
        """
        scan = (self.multiplex - com if self.com_falling else com) + self.display_offset
        line = scan % _ROWS
        return (line + self.start_line) % _ROWS if line <= self.multiplex else None

    def shown(self, left: int, width: int) -> Image.Image:
        """Return all 64 rows of memory as shown on ``width`` segments from ``left``, upright with A1."""
        if self.entirely_on:
            return Image.new("1", (width, _ROWS), 1)
        memory = Image.new("1", (self.columns, _ROWS))
        for page, content in enumerate(self.memory):
            # A byte is a column of eight rows, its lowest bit at the top.
            columns = Image.frombytes("1", (8, self.columns), bytes(content), "raw", "1;R")
            memory.paste(columns.transpose(Image.Transpose.TRANSPOSE), (0, 8 * page))
        if not self._columns_from_left():
            memory = memory.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        cut = memory.crop((left, 0, left + width, _ROWS))
        return cut.point(lambda value: 0 if value else 255, mode="1") if self.inverted else cut

    def _columns_from_left(self) -> bool:
        raise NotImplementedError

    # Commands

    def _column_low(self, opcode: int, _arguments: list[int]) -> None:
        self.column = self.column & 0xF0 | opcode & 0x0F

    def _column_high(self, opcode: int, _arguments: list[int]) -> None:
        self.column = self.column & 0x0F | (opcode & 0x0F) << 4

    def _page(self, opcode: int, _arguments: list[int]) -> None:
        self.page = opcode & 0x07

    def _start_line(self, opcode: int, _arguments: list[int]) -> None:
        self.start_line = opcode & 0x3F

    def _contrast(self, _opcode: int, arguments: list[int]) -> None:
        self.contrast = arguments[0]

    def _segment_remap(self, opcode: int, _arguments: list[int]) -> None:
        self.segment_remap = opcode == 0xA1

    def _entirely_on(self, opcode: int, _arguments: list[int]) -> None:
        self.entirely_on = opcode == 0xA5

    def _invert(self, opcode: int, _arguments: list[int]) -> None:
        self.inverted = opcode == 0xA7

    def _multiplex(self, _opcode: int, arguments: list[int]) -> None:
        self.multiplex = self._within("multiplex ratio", arguments[0], 0, 63)

    def _on(self, opcode: int, _arguments: list[int]) -> None:
        self.on = opcode == 0xAF

    def _com_direction(self, opcode: int, _arguments: list[int]) -> None:
        self.com_falling = bool(opcode & 0x08)

    def _display_offset(self, _opcode: int, arguments: list[int]) -> None:
        self.display_offset = self._within("display offset", arguments[0], 0, 63)

    def _com_pins(self, _opcode: int, arguments: list[int]) -> None:
        if arguments[0] & 0xCF != 0x02:
            self._problem(f"COM pins setting 0x{arguments[0]:02X}: only bits 4 and 5 are free")
        self.com_alternating = bool(arguments[0] & 0x10)

    def _precharge(self, _opcode: int, arguments: list[int]) -> None:
        if not arguments[0] & 0x0F or not arguments[0] & 0xF0:
            self._problem(f"pre-charge period 0x{arguments[0]:02X}: neither phase can be 0")

    def _no_effect(self, _opcode: int, _arguments: list[int]) -> None:
        pass

    def _within(self, name: str, value: int, lowest: int, highest: int) -> int:
        if not lowest <= value <= highest:
            self._problem(f"{name} {value} is not within {lowest} to {highest}")
        return value & 0x3F if highest == 63 else value & highest


class Ssd1306(Controller):
    """SSD1306: 128 columns; three addressing modes, two of them within a window."""

    columns = 128
    chip_id = 0x03

    _HORIZONTAL, _VERTICAL, _BY_PAGE = range(3)

    def __init__(self) -> None:
        super().__init__()
        self._define(0x20, 0x20, 1, self._addressing_mode)
        self._define(0x21, 0x21, 2, self._column_window)
        self._define(0x22, 0x22, 2, self._page_window)
        self._define(0x2E, 0x2E, 0, self._no_effect)  # no scrolling
        self._define(0x8D, 0x8D, 1, self._charge_pump)

    def power_on(self, noise: random.Random) -> None:
        """Set every register to its reset value, and fill the memory with noise."""
        super().power_on(noise)
        self.mode = self._BY_PAGE
        self.column_window = (0, self.columns - 1)
        self.page_window = (0, _PAGES - 1)

    def _write(self, value: int) -> None:
        # Remapping affects later writes, not the current content (SSD1306 10.1.8).
        place = self.columns - 1 - self.column if self.segment_remap else self.column
        self.memory[self.page][place] = value
        last_column, last_page = self.column == self.column_window[1], self.page == self.page_window[1]
        if self.mode == self._BY_PAGE:
            self.column = (self.column + 1) % self.columns
        elif self.mode == self._HORIZONTAL:
            self.column = self.column_window[0] if last_column else (self.column + 1) % self.columns
            if last_column:
                self.page = self.page_window[0] if last_page else (self.page + 1) % _PAGES
        else:
            self.page = self.page_window[0] if last_page else (self.page + 1) % _PAGES
            if last_page:
                self.column = self.column_window[0] if last_column else (self.column + 1) % self.columns

    def _columns_from_left(self) -> bool:
        return False  # the module's left edge is SEG127

    def _column_low(self, opcode: int, arguments: list[int]) -> None:
        self._only(by_page=True, opcode=opcode)
        super()._column_low(opcode, arguments)
        self.column %= self.columns

    def _column_high(self, opcode: int, arguments: list[int]) -> None:
        self._only(by_page=True, opcode=opcode)
        super()._column_high(opcode, arguments)
        self.column %= self.columns

    def _page(self, opcode: int, arguments: list[int]) -> None:
        self._only(by_page=True, opcode=opcode)
        super()._page(opcode, arguments)

    def _addressing_mode(self, _opcode: int, arguments: list[int]) -> None:
        if arguments[0] > self._BY_PAGE:
            self._problem(f"addressing mode {arguments[0]} does not exist")
        self.mode = min(arguments[0] & 3, self._BY_PAGE)

    def _column_window(self, opcode: int, arguments: list[int]) -> None:
        self._only(by_page=False, opcode=opcode)
        self.column_window = self._window("column", arguments, self.columns - 1)
        self.column = self.column_window[0]

    def _page_window(self, opcode: int, arguments: list[int]) -> None:
        self._only(by_page=False, opcode=opcode)
        self.page_window = self._window("page", arguments, _PAGES - 1)
        self.page = self.page_window[0]

    def _window(self, name: str, arguments: list[int], highest: int) -> tuple[int, int]:
        start, end = (self._within(f"{name} address", value, 0, highest) for value in arguments)
        if start > end:
            self._problem(f"{name} window starts at {start}, after its end at {end}")
        return start, end

    def _charge_pump(self, _opcode: int, arguments: list[int]) -> None:
        if arguments[0] not in (0x10, 0x14, 0x94, 0x95):
            self._problem(f"charge pump setting 0x{arguments[0]:02X} does not exist")
        self.pump = bool(arguments[0] & 0x04)

    def _multiplex(self, opcode: int, arguments: list[int]) -> None:
        if arguments[0] < 15:
            self._problem(f"multiplex ratio {arguments[0]}: 0 to 14 are invalid")
        super()._multiplex(opcode, arguments)

    def _com_pins(self, opcode: int, arguments: list[int]) -> None:
        super()._com_pins(opcode, arguments)
        self.com_swapped = bool(arguments[0] & 0x20)

    def _only(self, *, by_page: bool, opcode: int) -> None:
        if (self.mode == self._BY_PAGE) != by_page:
            modes = "page" if by_page else "horizontal and vertical"
            self._problem(f"command 0x{opcode:02X} is for {modes} addressing only")


class Sh1106(Controller):
    """SH1106: 132 columns, of which modules use the middle 128; page addressing only."""

    columns = 132
    chip_id = 0x08

    def __init__(self) -> None:
        super().__init__()
        # luma sends them in its initialisation, which it shares with the SSD1306: here they have no effect.
        self._define(0x20, 0x20, 0, self._no_effect)
        self._define(0x8D, 0x8D, 0, self._no_effect)
        self._define(0x30, 0x33, 0, self._no_effect)  # voltage of the pump
        self._define(0xAD, 0xAD, 1, self._dc_dc)
        for direction in range(0xC0, 0xD0):
            self._define(direction, direction, 0, self._com_direction)

    def power_on(self, noise: random.Random) -> None:
        """Set every register to its reset value, and fill the memory with noise."""
        super().power_on(noise)
        self.pump = True

    def _write(self, value: int) -> None:
        if self.column >= self.columns:
            self._problem(f"data beyond the last column of page {self.page}")
            return
        self.memory[self.page][self.column] = value
        self.column += 1

    def _columns_from_left(self) -> bool:
        return self.segment_remap

    def _dc_dc(self, _opcode: int, arguments: list[int]) -> None:
        if arguments[0] not in (0x8A, 0x8B):
            self._problem(f"DC-DC setting 0x{arguments[0]:02X} does not exist")
        self.pump = arguments[0] == 0x8B
