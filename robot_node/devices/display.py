"""The OLED that shows the face: always shows the newest picture, and recovers from loose wires.

The robot does not depend on its display. One that is missing, or comes off, is reported once and looked for again
with growing delay; when it is back it is initialised again and shows the current picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from luma.core.error import Error as LumaError
from PIL import Image

from robot_node.core.backoff import Backoff
from robot_node.core.counters import Counters
from robot_node.core.state import Device, RobotState
from robot_node.devices import oled
from robot_node.devices.platform import Platform
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError
from robot_node.settings.devices import DisplaySettings

logger = logging.getLogger(__name__)

_NO_OPERATION = 0xE3
"""A no-op on both controllers: its acknowledgement shows that a display is connected."""

_SLOW_S = 0.06
"""A picture at 400 kHz takes 26 ms, at the Pi's default of 100 kHz 93 ms."""


class Display:
    """The robot's display. All its bus traffic is in a thread of its own.

    Args:
        platform: Gives the bus. An SPI bus has no way back: a display that comes off it is not missed.
        settings: Which display, and where. With the driver ``"none"`` everything below does nothing, silently.
        state: Told why the display shows nothing.
        counters: Told of each error on the bus.
        probe_interval_s: How often an idle display is asked whether it is still there.
        retry_initial_s: How long to wait before the first new attempt to reach the display.
        retry_maximum_s: How long this wait grows, by doubling.
    """

    def __init__(
        self,
        platform: Platform,
        settings: DisplaySettings,
        state: RobotState,
        *,
        counters: Counters | None = None,
        probe_interval_s: float = 1.0,
        retry_initial_s: float = 0.5,
        retry_maximum_s: float = 5.0,
    ) -> None:
        self._platform = platform
        self._settings = settings
        self._state = state
        self._counters = counters or Counters()
        self._probe_interval_s = probe_interval_s
        self._backoff = Backoff(retry_initial_s, retry_maximum_s)
        self._worker = DeviceWorker("display")
        self._task: asyncio.Task[None] | None = None
        self._wanted: Image.Image | None = None  # None: off
        self._asked = 0
        self._changed = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._present = False
        self._reported: bool | None = None
        self._contrast = settings.contrast
        self._picture_s = 0.0
        # Used in the worker's thread only:
        self._serial: Any = None
        self._device: Any = None
        self._lit = False
        self._blank = False
        self._tells_status = False
        self._reported_controller = False
        self._set_contrast = settings.contrast

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._settings.width, self._settings.height

    @property
    def picture(self) -> Image.Image:
        """The current picture, or the one to show when the display responds; mode ``"1"``."""
        return Image.new("1", self.size) if self._wanted is None else self._wanted.copy()

    @property
    def answers(self) -> bool:
        """Whether there is a display that responds."""
        return self._present

    @property
    def picture_s(self) -> float:
        """Seconds that the bus needs for a whole picture, measured at initialisation."""
        return self._picture_s

    async def open(self) -> None:
        """Start the display's task; return when the display is off and ready, or missing."""
        if self._settings.driver == "none" or self._task is not None:
            return
        self._present = True
        self._task = asyncio.create_task(self._look_after(), name="display")
        await self._shown(self._asked)

    async def show(self, image: Image.Image) -> None:
        """Show a picture; return when it is shown, or replaced by a newer one.

        Without a display it returns at once: the picture is shown when the display comes.

        Args:
            image: Of mode ``"1"`` and of the display's size.

        Raises:
            ValueError: The picture does not fit the display.
        """
        if image.mode != "1" or image.size != self.size:
            raise ValueError(f"A picture of mode 1 and size {self.size} is needed, not {image.mode} and {image.size}.")
        await self._put(image.copy())

    def set_contrast(self, contrast: int) -> None:
        """Change the contrast, 0 to 255."""
        if contrast != self._contrast:
            self._contrast = contrast
            self._asked += 1
            self._changed.set()

    async def dark(self) -> None:
        """Switch the display off until the next picture."""
        await self._put(None)

    async def close(self) -> None:
        """Switch the display off and free the bus. May be called twice."""
        task, self._task = self._task, None
        if task is None:
            self._worker.close()
            return
        task.cancel()
        try:
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("The display's task had failed", exc_info=error)
            await self._worker.run(self._shut_down)
        finally:
            self._worker.close()

    async def _put(self, image: Image.Image | None) -> None:
        self._wanted = image
        self._asked += 1
        self._changed.set()
        await self._shown(self._asked)

    async def _shown(self, number: int) -> None:
        """Wait until this picture or a newer one was drawn, or there is no display."""
        if not self._present:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = number
        try:
            await waiter
        finally:
            del self._waiting[waiter]

    def _settle(self, number: int) -> None:
        for waiter, waits_for in self._waiting.items():
            if waits_for <= number and not waiter.done():
                waiter.set_result(None)

    async def _look_after(self) -> None:
        try:
            while True:
                try:
                    await self._worker.run(self._connect)
                    await self._keep_up()
                except Exception as error:  # noqa: BLE001  # any error: the display is retried
                    self._counters.record_bus_error(self._settings.interface)
                    self._report(as_device_error(error, "display"))
                await asyncio.sleep(self._backoff.next_delay())
        finally:
            self._present = False
            self._settle(self._asked)

    async def _keep_up(self) -> None:
        """Draw each new picture, and check the display in between.

        Raises:
            DeviceError: The display does not answer.
        """
        drawn: int | None = None
        while True:
            number = self._asked
            if number == drawn:
                await self._worker.run(self._probe)
            else:
                await self._worker.run(self._draw, self._wanted)
                drawn = number
                self._settle(number)
            self._backoff.reset()
            self._report(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._probe_interval_s):
                    await self._changed.wait()
            self._changed.clear()

    def _report(self, error: DeviceError | None) -> None:
        """Update the state, the waiting callers and, on a change, the log."""
        self._present = error is None
        self._state.set_fault(Device.DISPLAY, "" if error is None else error.message)
        if error is not None:
            self._settle(self._asked)
        if self._reported is self._present:
            return
        if error is not None:
            logger.warning("%s The robot continues, and shows its face when the display responds.", error)
        elif self._reported is not None:
            logger.info("The display responds again and shows the face")
        elif self._picture_s > _SLOW_S:
            logger.info(
                "The display's bus needs %.0f ms for a whole picture. The face moves more smoothly with a faster one: "
                "dtparam=i2c_arm=on,i2c_baudrate=400000 in /boot/firmware/config.txt.",
                1000 * self._picture_s,
            )
        self._reported = self._present

    # In the worker's thread

    def _connect(self) -> None:
        with self._bus_errors():
            self._serial = self._open_serial()
            self._serial.command(_NO_OPERATION)
            self._set_up()
            self._tells_status = self._is_on()

    def _set_up(self) -> None:
        settings = self._settings
        driver = self._driver()
        began = time.monotonic()
        self._device = oled.create(
            driver,
            self._serial,
            width=settings.width,
            height=settings.height,
            rotate=settings.rotate,
        )
        self._picture_s = time.monotonic() - began  # little more than its final blank picture
        self._apply_contrast()
        self._lit = self._blank = True

    def _driver(self) -> oled.Controller:
        """Return the controller to drive: the settings', unless the module says that it is an SH1106.

        One that is driven as an SSD1306 shows noise. The other way round the picture is right, or shifted by two
        columns, and clones exist that answer like an SSD1306: the settings stand.
        """
        chosen: oled.Controller = "sh1106" if self._settings.driver == "sh1106" else "ssd1306"
        if self._settings.interface != "i2c":
            return chosen
        try:
            found = oled.controller_of(self._serial)
        except OSError:  # some modules answer to writes only
            return chosen
        driven = found if found == "sh1106" else chosen
        if found not in {None, chosen} and not self._reported_controller:
            self._reported_controller = True
            logger.warning(
                'The display says that it is an %s, and display.driver says %s: it is driven as %s. Set driver = "%s" '
                "in [display] of the settings.",
                *(str(found).upper(), chosen.upper(), driven.upper(), found),
            )
        return driven

    def _open_serial(self) -> Any:
        if self._settings.interface == "i2c":
            return self._platform.i2c(self._settings.bus, self._settings.address)
        from robot_node.devices.spi import open_spi  # needs gpiozero: only for SPI

        return open_spi(self._platform, self._settings)

    def _draw(self, image: Image.Image | None) -> None:
        with self._bus_errors():
            if image is None:
                if not self._blank:
                    self._device.clear()
                self._device.hide()
            else:
                if not self._lit:  # a power dip was not noticed while it was off
                    self._set_up()
                self._device.display(image)
                if self._contrast != self._set_contrast:
                    self._apply_contrast()
            self._lit, self._blank = image is not None, image is None
            self._check_power()

    def _apply_contrast(self) -> None:
        self._set_contrast = self._contrast
        self._device.contrast(self._set_contrast)

    def _probe(self) -> None:
        with self._bus_errors():
            self._device.command(_NO_OPERATION)
            self._check_power()

    def _check_power(self) -> None:
        """Raise OSError if the display responds but is off: a power dip has reset it."""
        if self._tells_status and self._lit and not self._is_on():
            raise OSError("it was reset")

    def _is_on(self) -> bool:
        try:
            return self._settings.interface == "i2c" and oled.is_on(self._serial)
        except OSError:  # some modules answer to writes only
            return False

    def _shut_down(self) -> None:
        if self._device is None:
            return
        try:
            self._draw(None)
        except DeviceError as error:
            logger.debug("The display could not be switched off: %s", error)
        self._disconnect()

    def _disconnect(self) -> None:
        # A display that was disconnected was reset: the old device is useless.
        serial, self._serial, self._device = self._serial, None, None
        if serial is not None:
            with contextlib.suppress(OSError):
                serial.cleanup()

    @contextlib.contextmanager
    def _bus_errors(self) -> Iterator[None]:
        try:
            yield
        except DeviceError:
            self._disconnect()
            raise
        except (LumaError, OSError) as error:  # luma translates some bus errors, and passes others through
            self._disconnect()
            settings = self._settings
            where, look = f"0x{settings.address:02X} on I2C bus {settings.bus}", f"i2cdetect -y {settings.bus}"
            if settings.interface == "spi":
                where, look = f"SPI {settings.spi_port}.{settings.spi_device}", "ls /dev/spidev*"
            raise DeviceError(
                f"The {settings.driver} display at {where} does not answer: {error}.",
                remedy=f"Check its wires; '{look}' lists what is there.",
            ) from error
        except Exception:  # a bug, of ours or of a library: the bus must not stay open at each attempt
            self._disconnect()
            raise
