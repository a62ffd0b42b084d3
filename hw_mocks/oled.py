"""Simulated OLED modules: an SSD1306 or SH1106 controller with its glass, on the far end of an I2C bus.

They take the bytes that a driver sends, and can be asked for the picture that a person would see. What the data
sheets (Solomon Systech SSD1306 rev. 1.5, Sino Wealth SH1106 v2.3) forbid is kept in :attr:`Controller.problems`:
a real chip does not answer it with an error, it shows a wrong picture.
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
"""What is read when nobody drives the wires."""

ControllerName = Literal["ssd1306", "sh1106"]


@dataclass(frozen=True, slots=True)
class _Wiring:
    """How a glass is soldered to its controller.

    Attributes:
        top_com: The COM output at the top edge; the lines below follow in falling order.
        alternating: Neighbouring lines come from both sides of the chip in turn (else one side after the other).
        left_edge: Segment at the left edge, counted as the picture is upright with segments remapped (A1).
    """

    top_com: int
    alternating: bool
    left_edge: int


_WIRINGS: dict[tuple[ControllerName, int], _Wiring] = {
    ("ssd1306", 64): _Wiring(top_com=63, alternating=True, left_edge=0),
    ("ssd1306", 32): _Wiring(top_com=31, alternating=False, left_edge=0),
    ("sh1106", 64): _Wiring(top_com=63, alternating=True, left_edge=2),
    # The modules that luma's settings (33 lines, offset 15) are made for: a glass on the middle outputs.
    ("sh1106", 32): _Wiring(top_com=47, alternating=True, left_edge=2),
}


class SimulatedOled:
    """A 128 pixel wide OLED module. Safe to use from several threads.

    Args:
        controller: The chip on it.
        height: Rows of the glass, 32 or 64.
        picture_file: Always holds what the glass shows, as PNG, for those outside of this process.

    Attributes:
        controller: The chip, with its registers.
        height: Rows of the glass.
        answers_reads: The module's data line is wired both ways; cheap ones are not.
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
        """What a data sheet forbids and was done all the same; the newest hundred."""
        return self.controller.problems

    def plug(self) -> None:
        """Connect the module: the chip starts anew, dark, with noise in its memory."""
        with self._lock:
            self._unplugged_error = None
            self.controller.power_on(self._noise)
            self._picture_changed()

    def unplug(self, error: int = errno.EREMOTEIO) -> None:
        """Disconnect the module.

        Args:
            error: The error number with which the I2C adapter tells that nobody answers: EREMOTEIO on a Pi; others
                say ENXIO, EIO or ETIMEDOUT.
        """
        with self._lock:
            self._unplugged_error = error
            self._picture_changed()

    def hold_clock(self) -> None:
        """Keep the bus waiting (clock stretching) until :meth:`release_clock`."""
        self._clock.clear()

    def release_clock(self) -> None:
        """Let the bus go on."""
        self._clock.set()

    def receive(self, message: bytes, timeout_s: float) -> None:
        """Take one I2C write, without the address byte.

        Raises:
            OSError: The module is unplugged, or the clock was held for longer than the adapter waits.
        """
        self._wait(timeout_s)
        with self._lock:
            self._check_plug()
            self.controller.receive(message)
            self._picture_changed()

    def status(self, timeout_s: float) -> int:
        """Answer one I2C read.

        Raises:
            OSError: As for :meth:`receive`.
        """
        self._wait(timeout_s)
        with self._lock:
            self._check_plug()
            return self.controller.status if self.answers_reads else _FLOATING

    def picture(self) -> Image.Image:
        """What a person sees: mode ``"1"``, 1 where the glass is lit."""
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
        for line in range(self.height):
            row = chip.row_of_output(self._com(line))
            if row is not None:
                glass.paste(memory.crop((0, row, self.width, row + 1)), (0, line))
        return glass

    def _com(self, line: int) -> int:
        """The COM signal that reaches a line of the glass by way of the chip's pads."""
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
        except OSError as error:  # a full disk is no fault of the display
            logger.warning("The simulated display's picture cannot be written to %s: %s", self._picture_file, error)
        else:
            self._written = content
