"""One thread that reads an open video device, and hands each picture to those who need it."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from robot_node.core.threads import NO_THREAD_REMEDY, started
from robot_node.devices.camera.capture import StalledError
from robot_node.devices.camera.v4l2_pictures import Decoder, Shot
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Taker = Callable[[Shot], None]

_POLL_S = 0.003
_LONGEST_SLEEP = 0.7
"""Part of the time from picture to picture that is slept without looking, at most."""
_CLOCKS_AGREE_US = 60_000_000
_UNPLUGGED = {errno.ENODEV, errno.EIO, errno.ENXIO, errno.EPROTO, errno.ENOENT}

_SWITCH = "Switch it off and on again."


class V4l2Reader:
    """Reads an open device from its first taker on to :meth:`close`. Called by other threads than its own.

    Args:
        container: PyAV's input container of the device; closed at the end.
        decoder: Decodes what somebody needs as a picture.
        rate: Frames per second that the device delivers.
        wanted_rate: Frames per second that are handed on at most; pictures are skipped evenly.
        skips: Each picture stands for itself: late ones, and those beyond the wanted rate, can be left out.
    """

    def __init__(self, container: Any, decoder: Decoder, *, rate: float, wanted_rate: float, skips: bool) -> None:
        self._container = container
        self._decoder = decoder
        self._rate = rate
        self._share = min(1.0, wanted_rate / rate) if skips else 1.0
        self._skips = skips
        self._due = 1.0
        self._takers: dict[Taker, bool] = {}
        self._lock = threading.RLock()  # a taker may add another, or remove itself
        self._arrived = threading.Condition()
        self._failure = ""
        self._clock_offset_us: int | None = None
        self._stopping = threading.Event()
        self._closed = False
        self._close_error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="video device", daemon=True)

    def add(self, taker: Taker) -> None:
        """Hand each picture from now on to a taker, in the reader's thread; reading begins with the first one.

        Raises:
            DeviceError: The system has no thread left.
        """
        with self._lock:
            if self._thread.ident is None and not started(self._thread):
                raise DeviceError("The camera cannot be read: the system has no thread left.", remedy=NO_THREAD_REMEDY)
            self._takers[taker] = True

    def remove(self, taker: Taker) -> None:
        """Hand no picture to a taker any more; it does not run any more when this returns."""
        with self._lock:
            self._takers.pop(taker, None)

    def next(self, take: Callable[[Shot], T | None], limit_s: float) -> T:
        """Return what ``take`` makes, in the reader's thread, of the first picture from now on that gives something.

        Raises:
            StalledError: None came within the limit, or the device is gone.
            DeviceError: The system has no thread left.
        """
        taken: list[T] = []

        def once(shot: Shot) -> None:
            if not taken and (result := take(shot)) is not None:
                taken.append(result)

        self.add(once)
        try:
            with self._arrived:
                self._arrived.wait_for(lambda: taken or self._failure, limit_s)
        finally:
            self.remove(once)
        if taken:
            return taken[0]
        if self._failure:
            raise StalledError(self._failure, remedy=_SWITCH)
        raise StalledError(
            f"The camera delivers no pictures: none came within {limit_s:g} seconds.",
            remedy=f"{_SWITCH} If that does not help, unplug it and plug it in again.",
        )

    def close(self) -> None:
        """Stop reading and close the device. Does nothing when it is closed.

        Raises:
            DeviceError: It could not be closed.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        elif not self._closed:
            self._close()
        error, self._close_error = self._close_error, None
        if error is not None:
            raise DeviceError(f"The camera could not be closed: {error}.", remedy="Unplug it.") from error

    def _run(self) -> None:
        try:
            for packet in self._packets():
                self._hand_out(packet)
        except OSError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("The camera's pictures cannot be read")
            self._fail(error)
        finally:
            self._close()

    def _close(self) -> None:
        self._closed = True
        try:
            self._container.close()
        except Exception as error:  # noqa: BLE001  # close() raises it
            self._close_error = error
        self._decoder.close()

    def _fail(self, error: Exception) -> None:
        number = getattr(error, "errno", None)
        reason = "it was unplugged" if number in _UNPLUGGED else str(error)
        with self._arrived:
            self._failure = f"The camera delivers no pictures any more: {reason}."
            self._arrived.notify_all()
        logger.warning("%s", self._failure)

    def _packets(self) -> Iterator[Any]:
        """Yield the device's packets, the newest only of several that wait, until stopped."""
        longest_s = _LONGEST_SLEEP / self._rate
        sleep_s, looked = 0.0, False
        while not self._stopping.is_set():
            packet = self._read()
            if packet is None:
                looked = True
                self._stopping.wait(_POLL_S)
                continue
            began = time.monotonic()
            # A picture that was there already came earlier than expected.
            sleep_s = min(longest_s, sleep_s + _POLL_S) if looked else sleep_s / 2
            looked = False
            # What waited is skipped; what comes while this looks is not, or a slow machine would never hand one on.
            while self._skips and time.monotonic() - began < 1 / self._rate and (newer := self._read()) is not None:
                packet = newer
            yield packet
            del packet  # it holds a buffer of the kernel
            self._stopping.wait(max(0.0, began + sleep_s - time.monotonic()))

    def _read(self) -> Any:
        """Return the next packet with content; None when there is none yet."""
        try:
            packet = next(self._container.demux())
        except BlockingIOError:
            return None
        except StopIteration:
            raise OSError(errno.ENODEV, "the device's stream ended") from None
        if packet.size == 0 and packet.pts is None:  # what PyAV ends a stream with
            raise OSError(errno.ENODEV, "the device's stream ended")
        return packet if packet.size else None  # the kernel marks a damaged picture so

    def _hand_out(self, packet: Any) -> None:
        self._due += self._share
        if self._due < 1:
            return
        self._due -= 1
        shot = self._decoder.take(bytes(packet), self._time_us(packet))
        with self._lock:
            for taker in list(self._takers):
                taker(shot)
        with self._arrived:
            self._arrived.notify_all()

    def _time_us(self, packet: Any) -> int:
        """When a picture was taken, on the monotonic clock; some drivers have another clock, or none."""
        now_us = time.monotonic_ns() // 1000
        if packet.pts is None:
            return now_us
        stamp_us: int = round(packet.pts * packet.time_base * 1_000_000)
        if self._clock_offset_us is None:
            self._clock_offset_us = 0 if abs(now_us - stamp_us) < _CLOCKS_AGREE_US else now_us - stamp_us
        return stamp_us + self._clock_offset_us
