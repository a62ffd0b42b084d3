"""OLED controllers by way of luma.oled: its set-up and commands, with a faster way to send a picture."""

from __future__ import annotations

from typing import Any, Literal

from luma.core.device import device
from luma.oled.device import sh1106, ssd1306
from PIL import Image


class _Device(device):  # type: ignore[misc]  # luma ships no types
    """Stands before luma's base class to keep its exit hook out.

    The hook would hold every device that was ever created until the process ends, one for each retry while the
    display is away, and would then use a bus that is long closed. The display is darkened by whoever opened it.
    """

    def __init__(self, const: Any = None, serial_interface: Any = None) -> None:  # noqa: ANN401  # luma's own types
        self._const = const
        self._serial_interface = serial_interface


class Ssd1306(ssd1306, _Device):  # type: ignore[misc]  # luma ships no types
    """An SSD1306, by luma's driver."""

    def display(self, image: Image.Image) -> None:
        """Send a whole picture of mode ``"1"``."""
        pages = pack(self.preprocess(image))
        columns = (self._const.COLUMNADDR, self._colstart, self._colend - 1)
        self.command(*columns, self._const.PAGEADDR, 0, len(pages) - 1)
        self.data(list(b"".join(pages)))


class Sh1106(sh1106, _Device):  # type: ignore[misc]  # luma ships no types
    """An SH1106, by luma's driver."""

    def display(self, image: Image.Image) -> None:
        """Send a whole picture of mode ``"1"``."""
        low, high = self._page_address_offset & 0x0F, self._page_address_offset >> 4
        for number, page in enumerate(pack(self.preprocess(image))):
            self.command(0xB0 + number, self._const.SETLOWCOLUMN | low, self._const.SETHIGHCOLUMN | high)
            self.data(list(page))


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


def pack(image: Image.Image) -> list[bytes]:
    """Return a picture of mode ``"1"`` as the controllers keep it.

    One ``bytes`` for each page of eight rows, in it a byte for each column, whose lowest bit is the top row.
    """
    width, height = image.size
    return [
        image.crop((0, top, width, top + 8)).transpose(Image.Transpose.ROTATE_270).tobytes()
        for top in range(0, height, 8)
    ]
