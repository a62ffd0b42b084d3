"""Microphone and loudspeaker: each opened only while it is needed, and driven by a thread of its own.

The robot runs without them. A device that is configured and cannot be opened is reported and retried; what it should
have recorded or played in the meantime is lost, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, AudioPacketSink, AudioSampleSink, EncodedAudio, level_of
from robot_node.core.pip_hint import run_module
from robot_node.core.state import Device, RobotState
from robot_node.devices.jitter_queue import JitterQueue
from robot_node.devices.opus import OpusEncoder
from robot_node.devices.platform import Platform, SoundLibrary
from robot_node.devices.volume import AUTO, Volume
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

DEFAULT_DEVICE = "default"
_CLOSE_LIMIT_S = 3.0


class Microphone:
    """The robot's microphone: a :class:`robot_node.core.media.MicrophoneSource`. It is open only while it is used.

    Args:
        platform: Provides the sound library.
        device: The device's name, or a part of it; ``"default"`` is the system's.
        state: Gets ``microphone_on``, and the fault of the microphone.
        bitrate: Bits per second of the Opus stream.
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
        retry_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._platform = platform
        self._device = device
        self._state = state
        self._bitrate = bitrate
        self._retry_s = retry_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._worker = DeviceWorker("microphone")
        self._sink: AudioPacketSink | None = None
        self._listened = False
        self._sample_sink: AudioSampleSink | None = None
        self._stop: threading.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._next_timestamp = 0  # used in the worker only

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

    def _open_or_close(self) -> None:
        needed = not self._closed and (self._listened or self._sample_sink is not None)
        if needed and self._stop is None:
            self._stop = threading.Event()
            self._task = self._loop.create_task(self._listen(self._stop), name="microphone")
        elif not needed and self._stop is not None and self._task is not None:
            self._stop.set()
            self._task.cancel()
            self._stop = self._task = None

    async def close(self) -> None:
        """Close the microphone for good, and wait until it is closed."""
        if self._closed:
            return
        self._closed = True
        self._open_or_close()
        await _finish(self._worker)

    async def _listen(self, stop: threading.Event) -> None:
        while True:
            try:
                await self._worker.run(self._record, stop)
            except Exception as crash:  # noqa: BLE001  # whatever it is, the microphone is tried again
                error = as_device_error(crash, "microphone")
                if self._state.snapshot.fault(Device.MICROPHONE) != str(error):
                    logger.error("The microphone cannot be used: %s", error)
                self._state.set_fault(Device.MICROPHONE, str(error))
            await asyncio.sleep(self._retry_s)

    def _record(self, stop: threading.Event) -> None:
        """Record and encode until told to stop; runs in the worker."""
        library = self._platform.sound_library()
        encoder = OpusEncoder(self._bitrate)
        if stop.is_set():  # the last listener has left meanwhile: not even for a moment
            return
        opened = _opened(library, library.RawInputStream, "microphone", self._device)
        with contextlib.ExitStack() as closed, opened as stream:
            self._report_open(is_open=True)
            closed.callback(self._report_open, is_open=False)  # not before it is
            self._encode(stream, encoder, stop)

    def _encode(self, stream: Any, encoder: OpusEncoder, stop: threading.Event) -> None:
        continues, timestamp = False, 0
        while not stop.is_set():
            self._worker.heartbeat()
            recorded, _overflowed = stream.read(FRAME_SAMPLES)
            samples = bytes(recorded)
            if self._sample_sink is not None:
                self._loop.call_soon_threadsafe(self._deliver_samples, samples, stop)
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

    def _deliver_samples(self, samples: bytes, stop: threading.Event) -> None:
        if self._sample_sink is not None and not stop.is_set():
            self._sample_sink(samples)


class Loudspeaker:
    """The robot's loudspeaker: a :class:`robot_node.core.media.LoudspeakerSink` with a volume, open while it plays.

    Network jitter is smoothed: playing begins when ``prebuffer_s`` is queued, and what is more than ``queue_s`` behind
    is dropped, because speech that comes late talks over the answer to it.

    Args:
        platform: Provides the sound library.
        device: The device's name, or a part of it; ``"default"`` is the system's.
        state: Gets ``volume``, ``muted``, and the fault of the loudspeaker.
        volume: Initial volume, 0 to 100.
        volume_control: The sound card's control: see :class:`robot_node.devices.volume.Volume`.
        queue_s: Seconds of sound that may be queued.
        prebuffer_s: Seconds of sound that are queued before playing begins.
        idle_s: The device is closed after so many seconds without sound.
        retry_s: Seconds until a device that failed is opened again.
    """

    def __init__(
        self,
        platform: Platform,
        device: str,
        state: RobotState,
        *,
        volume: int = 80,
        volume_control: str = AUTO,
        queue_s: float = 0.5,
        prebuffer_s: float = 0.06,
        idle_s: float = 1.0,
        retry_s: float = 5.0,
    ) -> None:
        self._platform = platform
        self._device = device
        self._state = state
        self._idle_s = idle_s
        self._retry_s = retry_s
        self._loop = asyncio.get_running_loop()
        self._worker = DeviceWorker("loudspeaker")
        self._queue = JitterQueue(queue_s, prebuffer_s)
        self._task: asyncio.Task[None] | None = None
        self._applying: asyncio.Task[None] | None = None
        self._closed = False
        self._volume = Volume(platform, _named(device), volume=volume, control=volume_control)
        self._level_sink: Callable[[float], None] | None = None
        self._state.update(volume=volume, muted=False)

    def set_level_sink(self, sink: Callable[[float], None]) -> None:
        """Choose who receives, on the event loop, the loudness of each piece as it is played: 0 to 1."""
        self._level_sink = sink

    @property
    def volume(self) -> int:
        """0 to 100."""
        return self._volume.volume

    @property
    def muted(self) -> bool:
        """The loudspeaker is silent, whatever the volume."""
        return self._volume.muted

    async def set_volume(self, volume: int | None = None, *, muted: bool | None = None) -> None:
        """Change volume or mute or both, of what is playing too.

        Args:
            volume: 0 to 100; half of it sounds about half as loud.
            muted: Silent; the volume is kept.
        """
        self.begin_with(volume, muted=muted)
        await self._volume.apply()

    def begin_with(self, volume: int | None = None, *, muted: bool | None = None) -> None:
        """Set the initial volume, as :meth:`set_volume` does; :meth:`check` then gives it to the card."""
        self._volume.volume = self.volume if volume is None else volume
        self._volume.muted = self.muted if muted is None else muted
        self._state.update(volume=self.volume, muted=self.muted)

    def play(self, samples: bytes) -> None:
        """Play after what is queued; what is too much for the bounded queue is dropped, the oldest first."""
        if self._closed or not samples:
            return
        self._queue.put(samples)
        if self._task is None:
            self._task = self._loop.create_task(self._play_out(), name="loudspeaker")

    @property
    def queued_s(self) -> float:
        """Seconds of sound in the queue."""
        return self._queue.queued_s

    def flush(self) -> None:
        """Drop what is queued and not played yet."""
        self._queue.clear()

    async def check(self) -> None:
        """Open the device once, so that a missing one is reported at start and not at the first word.

        Its card gets the volume, too.
        """
        try:
            await self._worker.run(self._open_and_close)
        except DeviceError as error:
            self._report(error)
        await self._volume.apply()

    async def close(self) -> None:
        """Close the loudspeaker for good, and wait until it is closed."""
        if self._closed:
            return
        self._closed = True
        self._queue.close()
        for task in (self._task, self._applying):
            if task is not None:
                task.cancel()
        self._volume.close()
        await _finish(self._worker)

    async def _play_out(self) -> None:
        try:
            while not self._queue.empty:
                await self._worker.run(self._write_queue)
        except Exception as error:  # noqa: BLE001  # whatever it is, the loudspeaker is tried again
            self._report(as_device_error(error, "loudspeaker"))
            await asyncio.sleep(self._retry_s)
            self._queue.clear()
        finally:
            self._task = None

    def _report(self, error: DeviceError) -> None:
        if self._state.snapshot.fault(Device.LOUDSPEAKER) != str(error):
            logger.error("The loudspeaker cannot be used: %s", error)
        self._state.set_fault(Device.LOUDSPEAKER, str(error))

    def _works(self) -> None:
        if self._state.snapshot.fault(Device.LOUDSPEAKER) and not self._closed:
            self._state.set_fault(Device.LOUDSPEAKER, "")
            # A card that was plugged in again has forgotten its volume.
            self._applying = self._loop.create_task(self._volume.apply(), name="volume")

    def _open_and_close(self) -> None:
        library = self._platform.sound_library()
        with _opened(library, library.RawOutputStream, "loudspeaker", self._device):
            pass

    def _write_queue(self) -> None:
        """Play until nothing has come for a while; runs in the worker."""
        library = self._platform.sound_library()
        with _opened(library, library.RawOutputStream, "loudspeaker", self._device) as stream:
            self._loop.call_soon_threadsafe(self._works)
            while samples := self._queue.get(self._idle_s):
                self._worker.heartbeat()
                played = self._volume.adjusted(samples)
                if self._level_sink is not None:
                    self._loop.call_soon_threadsafe(self._level_sink, level_of(played))
                stream.write(played)


def _named(device: str) -> str | None:
    """The device as the sound library wants it."""
    return None if device == DEFAULT_DEVICE else device


@contextlib.contextmanager
def _opened(library: SoundLibrary, stream_class: Any, what: str, device: str) -> Iterator[Any]:
    """A running stream of the device, closed at the end; its errors name the device and say what to do."""

    def explained(error: Exception) -> DeviceError:
        reason = str(error).partition("\n")[0].rstrip(".")
        return DeviceError(
            f"The {what} {device!r} cannot be used: {reason}.",
            remedy=f"Plug it in, and restart robot-node. The names for [audio]: {run_module('sounddevice')}",
        )

    try:
        stream = stream_class(
            samplerate=SAMPLE_RATE,
            blocksize=FRAME_SAMPLES,
            device=_named(device),
            channels=1,
            dtype="int16",
            latency="low",
        )
    except (library.PortAudioError, ValueError) as error:  # ValueError: no device of that name, or several
        raise explained(error) from error
    try:
        stream.start()
        yield stream
    except library.PortAudioError as error:  # also one that was unplugged
        raise explained(error) from error
    finally:
        stream.close()


async def _finish(worker: DeviceWorker) -> None:
    """Wait until what runs in the worker has ended, unless the library hangs."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_LIMIT_S):
            await worker.run(lambda: None)
    worker.close()
