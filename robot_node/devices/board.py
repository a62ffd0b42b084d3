"""The Raspberry Pi's temperature, and throttling because of heat or under-voltage."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from robot_node.devices.platform import NotABoardError, Platform
from robot_node.devices.worker import DeviceWorker

logger = logging.getLogger(__name__)

VCGENCMD_REMEDY = (
    "The robot's user must be in the group video, and a unit with DevicePolicy= must allow /dev/vcio and "
    "/dev/vcio_gencmd; the command comes with: sudo apt install raspi-utils-core."
)

_LIMIT_S = 6.0
_FRESH_S = 5.0
_SINCE_BOOT = 16


class Throttling(enum.IntFlag):
    """Causes of throttling: the bits of ``vcgencmd get_throttled``, and 16 higher those since boot.

    Source: Raspberry Pi documentation, "vcgencmd", get_throttled.
    """

    UNDER_VOLTAGE = 1
    FREQUENCY_CAPPED = 2
    THROTTLED = 4
    SOFT_TEMPERATURE_LIMIT = 8


@dataclass(frozen=True, slots=True)
class BoardReadings:
    """Readings of the board; None for each that is not available.

    Attributes:
        temperature_c: Of the processor, in degrees Celsius.
        throttling: What slows it down now.
        throttled_since_boot: What has slowed it down since it was switched on.
    """

    temperature_c: float | None = None
    throttling: Throttling | None = None
    throttled_since_boot: Throttling | None = None


class Board:
    """Reads the board, in its own thread.

    Args:
        platform: Where the figures come from.
        clock: Monotonic time in seconds.
    """

    def __init__(self, platform: Platform, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._platform = platform
        self._clock = clock
        self._worker = DeviceWorker("board")
        self._readings = BoardReadings()
        self._read_at = float("-inf")
        self._asking: asyncio.Task[BoardReadings] | None = None
        self._reported_unknown = False

    async def read(self) -> BoardReadings:
        """Return the readings, cached for a few seconds."""
        if self._asking is None and self._clock() >= self._read_at + _FRESH_S:
            self._read_at = self._clock()
            self._asking = asyncio.create_task(self._worker.run(self._ask), name="board")
        if self._asking is not None:
            # While one hangs no further one is started.
            asking = self._asking
            done, _ = await asyncio.wait({asking}, timeout=_LIMIT_S)
            if done and self._asking is asking:  # even if it failed: otherwise it would never be retried
                self._asking = None
            self._readings = asking.result() if done else BoardReadings()
        return self._readings

    def close(self) -> None:
        """Stop reading."""
        if self._asking is not None:
            self._asking.cancel()
        self._worker.close()

    def _ask(self) -> BoardReadings:
        temperature_c, now, since_boot = None, None, None
        with contextlib.suppress(OSError, ValueError):
            temperature_c = int(self._platform.board_temperature()) / 1000
        try:
            now, since_boot = parse_throttling(self._platform.board_throttling())
        except NotABoardError:
            pass
        except (OSError, ValueError) as error:
            if not self._reported_unknown:
                self._reported_unknown = True
                logger.warning("Cannot read whether the Pi is throttled: %s. %s", error, VCGENCMD_REMEDY)
        return BoardReadings(temperature_c, now, since_boot)


def parse_throttling(text: str) -> tuple[Throttling, Throttling]:
    """Return the current causes of throttling, and those since boot.

    Args:
        text: What ``vcgencmd get_throttled`` prints, e.g. ``throttled=0x50005``.

    Raises:
        ValueError: It prints something else.
    """
    found = re.search(r"0x([0-9a-fA-F]+)", text)
    if found is None:
        raise ValueError(f"vcgencmd prints {text.strip()[:80]!r}")
    bits, known = int(found[1], 16), sum(Throttling)
    return Throttling(bits & known), Throttling(bits >> _SINCE_BOOT & known)
