"""Simulated OLED modules: an SSD1306 or SH1106 controller with its panel, on an I2C bus.

They decode the bytes that a driver sends, and return the visible picture. Violations of the data sheets (Solomon
Systech SSD1306 rev. 1.5, Sino Wealth SH1106 v2.3) are recorded in :attr:`Controller.problems`: a real chip reports no
error for them, but shows a wrong picture.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from hw_mocks.oled_controllers import Controller, Sh1106, Ssd1306

logger = logging.getLogger(__name__)

_FLOATING = 0xFF
"""Byte read from an undriven bus."""

ControllerName = Literal["ssd1306", "sh1106"]


@dataclass(frozen=True, slots=True)
class _Wiring:
    """Wiring between controller and panel.

    Attributes:
        top_com: The COM output at the top edge; the lines below follow in descending order.
        alternating: Whether neighbouring lines alternate between both sides of the chip.
        left_edge: Segment at the left edge of the upright picture, with segments remapped (A1).
    """

    top_com: int
    alternating: bool
    left_edge: int


_WIRINGS: dict[tuple[ControllerName, int], _Wiring] = {
    ("ssd1306", 64): _Wiring(top_com=63, alternating=True, left_edge=0),
    ("ssd1306", 32): _Wiring(top_com=31, alternating=False, left_edge=0),
    ("sh1106", 64): _Wiring(top_com=63, alternating=True, left_edge=2),
    # The modules that luma's settings (33 lines, offset 15) are for: a panel on the middle outputs.
    ("sh1106", 32): _Wiring(top_com=47, alternating=True, left_edge=2),
}


class SimulatedOled:
    """A 128 pixel wide OLED module. Safe to use from several threads.

    Args:
        controller: Its controller.
        height: Rows of the panel, 32 or 64.
        picture_file: PNG file that always contains the visible picture.

    Attributes:
        controller: The controller, with its registers.
        height: Rows of the panel.
        answers_reads: Whether reads work; on cheap modules the data line is unidirectional.
    """

    width = 128

    def __init__(
        self, controller: ControllerName = "ssd1306", height: int = 64, picture_file: Path | None = None
    ) -> None:
        self._wiring = _WIRINGS[controller, height]
        self.height = height
        self.controller: Controller = Ssd1306() if controller == "ssd1306" else Sh1106()
        self._picture_file = picture_file
        self._noise = random.Random(controller)
        self._lock = threading.Lock()
        self._unplugged_error: int | None = None
        self._clock = threading.Event()
        self._clock.set()
        self.answers_reads = True
        self._written: bytes | None = None
        if picture_file is not None:
            picture_file.parent.mkdir(parents=True, exist_ok=True)
        self.plug()

    @property
    def problems(self) -> deque[str]:
        """Violations of the data sheet; the latest hundred."""
        return self.controller.problems

    def plug(self) -> None:
        """Connect the module: the controller is reset, dark, with noise in its memory."""
        with self._lock:
            self._unplugged_error = None
            self.controller.power_on(self._noise)
            self._picture_changed()

    def unplug(self, error: int = errno.EREMOTEIO) -> None:
        """Disconnect the module.

        Args:
            error: Error number of the I2C adapter for a missing module: EREMOTEIO on a Pi; others use ENXIO, EIO or
                ETIMEDOUT.
        """
        with self._lock:
            self._unplugged_error = error
            self._picture_changed()

    def hold_clock(self) -> None:
        """Block the bus by clock stretching until :meth:`release_clock`."""
        self._clock.clear()

    def release_clock(self) -> None:
        """Release the bus."""
        self._clock.set()

    def receive(self, message: bytes, timeout_s: float) -> None:
        """Process an I2C write, without the address byte.

        Raises:
            OSError: The module is unplugged, or the bus was blocked for longer than the timeout.
        """
        self._wait(timeout_s)
        with self._lock:
            self._check_plug()
            self.controller.receive(message)
            self._picture_changed()

    def status(self, timeout_s: float) -> int:
        """Return the byte of an I2C read.

        Raises:
            OSError: As for :meth:`receive`.
        """
        self._wait(timeout_s)
        with self._lock:
            self._check_plug()
            return self.controller.status if self.answers_reads else _FLOATING

    def picture(self) -> Image.Image:
        """Return the visible picture: mode ``"1"``, lit pixels are 1."""
        with self._lock:
            return self._picture()

    def _wait(self, timeout_s: float) -> None:
        if not self._clock.wait(timeout_s):
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _check_plug(self) -> None:
        if self._unplugged_error is not None:
            raise OSError(self._unplugged_error, os.strerror(self._unplugged_error))

    def _picture(self) -> Image.Image:
        glass = Image.new("1", (self.width, self.height))
        chip = self.controller
        if self._unplugged_error is not None or not chip.lit:
            return glass
        memory = chip.shown(self._wiring.left_edge, self.width)
        rows = [chip.row_of_output(self._com(line)) for line in range(self.height)]
        line = 0
        while line < self.height:
            row, count = rows[line], 1
            if row is not None:
                while rows[line + count : line + count + 1] == [row + count]:  # usually all of them
                    count += 1
                glass.paste(memory.crop((0, row, self.width, row + count)), (0, line))
            line += count
        return glass

    def _com(self, line: int) -> int:
        """Return the COM signal that is wired to a line of the panel."""
        com = self._wiring.top_com - line
        side, place = (com % 2, com // 2) if self._wiring.alternating else divmod(com, 32)
        if self.controller.com_swapped:
            side = 1 - side
        return 2 * place + side if self.controller.com_alternating else 32 * side + place

    def _picture_changed(self) -> None:
        if self._picture_file is None:
            return
        picture = self._picture()
        content = picture.tobytes()
        if content == self._written:
            return
        unfinished = self._picture_file.with_name(self._picture_file.name + ".part")
        try:
            picture.save(unfinished, format="PNG")
            unfinished.replace(self._picture_file)
        except OSError as error:  # e.g. a full disk, which must not affect the display
            logger.warning("Cannot write the simulated display's picture to %s: %s", self._picture_file, error)
        else:
            self._written = content
