"""The microphone: open only while it is needed and allowed, and driven by a thread of its own.

The robot runs without it. One that is configured and cannot be opened is reported and retried; what it should have
recorded in the meantime is lost, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, AudioPacketSink, AudioSampleSink, EncodedAudio
from robot_node.core.state import Device, RobotState
from robot_node.devices.indicator import Indicator, NoIndicator
from robot_node.devices.microphone_clock import MicrophoneClock
from robot_node.devices.opus import OpusEncoder
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import NoPrivacySwitch, Privacy
from robot_node.devices.sound_stream import CLOSE_LIMIT_S, finish, opened
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError, NotReadyError

logger = logging.getLogger(__name__)


class Microphone:
    """The robot's microphone: a :class:`robot_node.core.media.MicrophoneSource`.

    It is open only while somebody needs it, nobody has switched it off, and its privacy switch is not engaged; its
    indicator is lit before it is opened, and dark after it is closed.

    Args:
        platform: Provides the sound library.
        device: The device's name, or a part of it; ``"default"`` is the system's.
        state: Gets ``microphone_on``, ``microphone_enabled``, and the fault of the microphone.
        bitrate: Bits per second of the Opus stream.
        privacy: The switch that keeps it closed.
        indicator: The LED that shows that it is open.
        retry_s: Seconds until a device that failed is opened again.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        platform: Platform,
        device: str,
        state: RobotState,
        *,
        bitrate: int = 32_000,
        privacy: Privacy | None = None,
        indicator: Indicator | None = None,
        retry_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._platform = platform
        self._device = device
        self._state = state
        self._bitrate = bitrate
        self._privacy = privacy or NoPrivacySwitch()
        self._indicator = indicator or NoIndicator()
        self._retry_s = retry_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._worker = DeviceWorker("microphone")
        self._sink: AudioPacketSink | None = None
        self._listened = False
        self._sample_sink: AudioSampleSink | None = None
        self._enabled = True
        self._stop: threading.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._indicator_error: DeviceError | None = None
        self._closed = False
        self._next_timestamp = 0  # used in the worker only
        self._privacy.on_engaged(self._open_or_close)
        self._privacy.on_disengaged(self._open_or_close)
        self._indicator.on_failure(self._on_indicator_failure)
        state.update(microphone_enabled=True)

    @property
    def enabled(self) -> bool:
        """Nobody has switched it off from afar."""
        return self._enabled

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        """Choose who receives the packets."""
        self._sink = sink

    def set_listened(self, listened: bool) -> None:
        """Say whether anybody receives the packets: the microphone is open for them only then."""
        self._listened = listened
        self._open_or_close()

    def set_sample_sink(self, sink: AudioSampleSink | None) -> None:
        """Choose who receives the samples: the microphone is open while there is a sink."""
        self._sample_sink = sink
        self._open_or_close()

    async def switch(self, *, enabled: bool) -> None:
        """Allow it to be opened when it is needed, or close it; returns once it is closed.

        Raises:
            NotReadyError: It is to be allowed, and its privacy switch is engaged, or cannot be read.
        """
        if enabled:
            await self._privacy.check()
        self._set_enabled(enabled=enabled)
        if not enabled:
            await self._wait_until_closed()

    def begin_off(self) -> None:
        """Begin with a microphone that is switched off."""
        self._set_enabled(enabled=False)

    async def close(self) -> None:
        """Close the microphone for good, and wait until it is closed."""
        if self._closed:
            return
        self._closed = True
        self._open_or_close()
        await self._wait_until_closed()
        await finish(self._worker)

    def _set_enabled(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._state.update(microphone_enabled=enabled)
        self._open_or_close()

    def _open_or_close(self) -> None:
        allowed = self._enabled and not self._privacy.engaged and not self._closed
        needed = allowed and (self._listened or self._sample_sink is not None)
        if needed and self._task is None:
            self._task = self._loop.create_task(self._listen(), name="microphone")
        elif not needed and self._task is not None:
            if self._stop is not None:
                self._stop.set()
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None

    async def _wait_until_closed(self) -> None:
        """Wait until what is ending has ended, unless the library hangs."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_LIMIT_S)

    async def _listen(self) -> None:
        # A fault of the indicator while it ends must not let it go on.
        while asyncio.current_task() is self._task:
            try:
                await self._record_while_lit()
            except NotReadyError as closed:  # the switch itself reports why
                logger.debug("The microphone stays closed: %s", closed)
            except Exception as crash:  # noqa: BLE001  # whatever it is, the microphone is tried again
                error = as_device_error(crash, "microphone")
                if self._state.snapshot.fault(Device.MICROPHONE) != str(error):
                    logger.error("The microphone cannot be used: %s", error)
                self._state.set_fault(Device.MICROPHONE, str(error))
            await asyncio.sleep(self._retry_s)

    async def _record_while_lit(self) -> None:
        async with self._one_at_a_time:  # one that is ending darkens the indicator
            await self._privacy.check()
            self._indicator_error = None
            stop = self._stop = threading.Event()
            try:
                await self._indicator.light(lit=True)
                await self._worker.run(self._record, stop)
            finally:
                stop.set()
                await self._worker.run(_nothing)  # by now it is closed
                await self._indicator.light(lit=False)
            if self._indicator_error is not None:
                raise self._indicator_error

    def _on_indicator_failure(self, error: DeviceError) -> None:
        self._indicator_error = error
        if self._stop is not None:
            self._stop.set()

    def _record(self, stop: threading.Event) -> None:
        """Record and encode until told to stop; runs in the worker."""
        library = self._platform.sound_library()
        encoder = OpusEncoder(self._bitrate)
        if stop.is_set():  # the last listener has left meanwhile: not even for a moment
            return
        source = opened(library, library.RawInputStream, "microphone", self._device)
        with contextlib.ExitStack() as closed, source as stream:
            self._report_open(is_open=True)
            closed.callback(self._report_open, is_open=False)  # not before it is
            self._encode(stream, encoder, stop)

    def _encode(self, stream: Any, encoder: OpusEncoder, stop: threading.Event) -> None:
        continues, timestamp = False, 0
        clock, position_s = MicrophoneClock(), 0.0
        while not stop.is_set():
            self._worker.heartbeat()
            recorded, overflowed = stream.read(FRAME_SAMPLES)
            samples = bytes(recorded)
            position_s += FRAME_SAMPLES / SAMPLE_RATE
            if overflowed:
                clock.begin()
            heard_at = clock.time_of(position_s, self._clock())
            if self._sample_sink is not None:
                self._loop.call_soon_threadsafe(self._deliver_samples, samples, heard_at, stop)
            if not self._listened:
                continues = False
                continue
            if not continues:
                # RFC 3550, 5.1: the timestamp goes on with the time when nothing was sent in between.
                timestamp = max(self._next_timestamp, int(self._clock() * SAMPLE_RATE))
                continues = True
            for packet in encoder.encode(samples, timestamp):
                self._loop.call_soon_threadsafe(self._deliver, EncodedAudio(packet, timestamp), stop)
                timestamp += FRAME_SAMPLES
                self._next_timestamp = timestamp

    def _report_open(self, *, is_open: bool) -> None:
        def report() -> None:
            if is_open:
                self._state.set_fault(Device.MICROPHONE, "", microphone_on=True)
            else:
                self._state.update(microphone_on=False)

        self._loop.call_soon_threadsafe(report)

    def _deliver(self, packet: EncodedAudio, stop: threading.Event) -> None:
        if self._sink is not None and not stop.is_set():
            self._sink(packet)

    def _deliver_samples(self, samples: bytes, heard_at: float, stop: threading.Event) -> None:
        if self._sample_sink is not None and not stop.is_set():
            self._sample_sink(samples, heard_at)


def _nothing() -> None:
    """Do nothing, after what the worker does now."""
