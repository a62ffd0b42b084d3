"""OLED controllers by way of luma.oled: its set-up and commands, sending only what has changed of the picture."""

from __future__ import annotations

from typing import Any, Literal

from luma.core.device import device
from luma.oled.device import sh1106, ssd1306
from PIL import Image

from robot_node.devices.oled_windows import Window, changed_windows, pack

SSD1306_WINDOW = 10
"""What a window costs on the bus: address, control byte and six bytes of command; address and control byte of data."""

_SH1106_WINDOW = 7
"""The same with three bytes of command."""


class _Device(device):  # type: ignore[misc]  # luma ships no types
    """Stands before luma's base class to keep its exit hook out.

    The hook would hold every device that was ever created until the process ends, one for each retry while the
    display is away, and would then use a bus that is long closed. The display is darkened by whoever opened it.
    """

    def __init__(self, const: Any = None, serial_interface: Any = None) -> None:  # noqa: ANN401  # luma's own types
        self._const = const
        self._serial_interface = serial_interface


class _Windowed:
    """Sends what has changed since the last picture, and remembers what the display holds."""

    _held: list[bytes] | None = None

    def display(self, image: Image.Image) -> None:
        """Make the display show a picture of mode ``"1"``."""
        wanted = pack(self.preprocess(image))  # type: ignore[attr-defined]  # luma's mixin
        held, self._held = self._held, None  # unknown until the bus has taken all of it
        self._send(wanted, held)
        self._held = wanted

    def _send(self, wanted: list[bytes], held: list[bytes] | None) -> None:
        raise NotImplementedError


def _whole(pages: list[bytes]) -> Window:
    return Window(0, len(pages) - 1, 0, len(pages[0]) - 1)


class Ssd1306(_Windowed, ssd1306, _Device):  # type: ignore[misc]  # luma ships no types
    """An SSD1306, by luma's driver. Its memory can be filled window by window (data sheet, 10.1.3 to 10.1.5)."""

    def _send(self, wanted: list[bytes], held: list[bytes] | None) -> None:
        windows = [_whole(wanted)]
        if held is not None:
            windows = list(changed_windows(held, wanted, cost=SSD1306_WINDOW, across_pages=True))
        for window in windows:
            first, last = self._colstart + window.first_column, self._colstart + window.last_column
            columns = (self._const.COLUMNADDR, first, last)
            self.command(*columns, self._const.PAGEADDR, window.first_page, window.last_page)
            self.data(list(window.cut_from(wanted)))


class Sh1106(_Windowed, sh1106, _Device):  # type: ignore[misc]  # luma ships no types
    """An SH1106, by luma's driver. Its memory is filled along one page at a time."""

    def _send(self, wanted: list[bytes], held: list[bytes] | None) -> None:
        windows = [Window(page, page, 0, len(wanted[page]) - 1) for page in range(len(wanted))]
        if held is not None:
            windows = list(changed_windows(held, wanted, cost=_SH1106_WINDOW, across_pages=False))
        for window in windows:
            column = self._page_address_offset + window.first_column
            low, high = self._const.SETLOWCOLUMN | column & 0x0F, self._const.SETHIGHCOLUMN | column >> 4
            self.command(0xB0 + window.first_page, low, high)
            self.data(list(window.cut_from(wanted)))


def create(driver: Literal["ssd1306", "sh1106"], serial: Any, *, width: int, height: int, rotate: int) -> Any:  # noqa: ANN401  # luma ships no types
    """Set a controller up and return luma's device for it: on, and blank.

    Args:
        driver: The controller.
        serial: luma's serial interface to it.
        width: In pixels.
        height: In pixels.
        rotate: 0 or 180 degrees.

    Raises:
        luma.core.error.Error: The display does not answer.
        OSError: Likewise; luma lets some of the bus's errors through.
    """
    kind: Any = Sh1106 if driver == "sh1106" else Ssd1306
    return kind(serial, width=width, height=height, rotate=rotate // 90)


def is_on(serial: Any) -> bool:  # noqa: ANN401  # luma ships no types
    """Ask a controller whether its display is on; one that has just got power says no.

    SSD1306 table 9-2 and SH1106 "read status": bit 6 is set while the display is off. luma never reads.

    Raises:
        OSError: The display does not answer, or not to reads.
    """
    status = serial._bus.read_byte(serial._addr)  # noqa: SLF001  # a contract test holds these two names of luma
    return not status & 0x40
