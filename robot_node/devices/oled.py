"""OLED controllers through luma.oled: its initialisation and commands, but only changed parts of a picture are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from luma.core.device import device
from luma.oled.device import sh1106, ssd1306
from PIL import Image

from robot_node.devices.oled_windows import Window, changed_windows, pack

Controller = Literal["ssd1306", "sh1106"]
"""Supported controllers, as in display.driver."""

_CONTROLLERS: Mapping[int, Controller] = {
    0x8: "sh1106",
    0x3: "ssd1306",
    0x6: "ssd1306",
    0x7: "ssd1306",
}

WINDOW = 8
"""Overhead of a window on the bus, in bytes.

Address and control byte, three bytes of command, address and control byte of the data, start and stop bits; three more
for the first of a page of the SSD1306.
"""


class _Device(device):  # type: ignore[misc]  # luma ships no types
    """Precedes luma's base class to disable its exit hook.

    The hook would hold every device that was ever created until the process ends, one for each retry while the
    display is away, and would then use a bus that is long closed. The display's owner switches it off.
    """

    def __init__(self, const: Any = None, serial_interface: Any = None) -> None:
        self._const = const
        self._serial_interface = serial_interface


class _Windowed:
    """Sends the changes since the last picture, and tracks the display's memory."""

    _held: list[bytes] | None = None

    def display(self, image: Image.Image) -> None:
        """Make the display show a picture of mode ``"1"``."""
        wanted = pack(self.preprocess(image))  # type: ignore[attr-defined]  # luma's mixin
        held, self._held = self._held, None  # unknown until all of it is sent
        if held is None:
            windows = tuple(Window(page, 0, len(content) - 1) for page, content in enumerate(wanted))
        else:
            windows = changed_windows(held, wanted, cost=WINDOW)
        page = None
        for window in windows:
            self._aim(window, new_page=window.page != page)
            self.data(list(window.cut_from(wanted)))  # type: ignore[attr-defined]  # luma's device
            page = window.page
        self._held = wanted

    def _aim(self, window: Window, *, new_page: bool) -> None:
        """Address a window for the following data; the previous one is full, and on another page if ``new_page``."""
        raise NotImplementedError


class Ssd1306(_Windowed, ssd1306, _Device):  # type: ignore[misc]  # luma ships no types
    """An SSD1306, with luma's driver. Its memory can be filled window by window (data sheet, 10.1.3 to 10.1.5)."""

    def _aim(self, window: Window, *, new_page: bool) -> None:
        first, last = self._colstart + window.first_column, self._colstart + window.last_column
        # A page window of one page stays where it is when it is full (data sheet, 10.1.3).
        page = (self._const.PAGEADDR, window.page, window.page) if new_page else ()
        self.command(self._const.COLUMNADDR, first, last, *page)


class Sh1106(_Windowed, sh1106, _Device):  # type: ignore[misc]  # luma ships no types
    """An SH1106, with luma's driver. Its memory is written one page at a time."""

    def _aim(self, window: Window, *, new_page: bool) -> None:
        column = self._page_address_offset + window.first_column
        low, high = self._const.SETLOWCOLUMN | column & 0x0F, self._const.SETHIGHCOLUMN | column >> 4
        page = (0xB0 + window.page,) if new_page else ()
        self.command(*page, low, high)


def create(driver: Controller, serial: Any, *, width: int, height: int, rotate: int) -> Any:
    """Initialise a controller and return luma's device for it: on, and blank.

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


def is_on(serial: Any) -> bool:
    """Return whether a controller's display is on; after power-up it is off.

    SSD1306 table 9-2 and SH1106 "read status": bit 6 is set while the display is off. luma never reads.

    Raises:
        OSError: The display does not answer, or not to reads.
    """
    return not _status(serial) & 0x40


def controller_of(serial: Any) -> Controller | None:
    """Identify the controller by the low half of its status byte; None when it is unknown.

    The data sheets call these bits reserved; modules in the field give 8 for an SH1106, and 3, 6 or rarely 7 for an
    SSD1306. Modules whose data line is not wired back give 0xF.

    Raises:
        OSError: The display does not answer, or not to reads.
    """
    return _CONTROLLERS.get(_status(serial) & 0x0F)


def _status(serial: Any) -> int:
    status: int = serial._bus.read_byte(serial._addr)  # noqa: SLF001  # a contract test holds these two names of luma
    return status
