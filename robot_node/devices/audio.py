"""Microphone and loudspeaker: each opened only while it is needed, and driven by a thread of its own.

The robot does not depend on them. One that is asked for and cannot be opened is reported and tried again; what it
should have recorded or played in the meantime is lost, and nothing else.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, AudioPacketSink, EncodedAudio
from robot_node.core.pip_hint import run_module
from robot_node.core.state import Device, RobotState
from robot_node.devices.jitter_queue import JitterQueue
from robot_node.devices.platform import Platform, SoundLibrary
from robot_node.devices.volume import AUTO, Volume
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

DEFAULT_DEVICE = "default"
_BYTES_PER_SAMPLE = 2
_CLOSE_LIMIT_S = 3.0


class Microphone:
    """The robot's microphone: a :class:`robot_node.core.media.AudioSource`. It is open only while somebody listens.

    Args:
        platform: Gives the sound library.
        device: Its name, or a part of it; ``"default"`` is the system's.
        state: Told whether the microphone is open, and why it cannot be.
        bitrate: Of the Opus stream, in bits per second.
        retry_s: How long to wait before a device that failed is tried again.
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
        self._hear: Callable[[bytes], None] | None = None
        self._stop: threading.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._next_timestamp = 0  # used in the worker only

    def set_sink(self, sink: AudioPacketSink | None) -> None:
        """Choose who receives the packets."""
        self._sink = sink

    def set_listened(self, listened: bool) -> None:
        """Say whether anybody listens: the microphone is open only then."""
        self._listened = listened
        self._open_or_close()

    def set_heard(self, hear: Callable[[bytes], None] | None) -> None:
        """Give what is recorded to ``hear`` as well, on the event loop; as samples, 20 ms at a time. None: no more."""
        self._hear = hear
        self._open_or_close()

    def _open_or_close(self) -> None:
        wanted = not self._closed and (self._listened or self._hear is not None)
        if wanted and self._stop is None:
            self._stop = threading.Event()
            self._task = self._loop.create_task(self._listen(self._stop), name="microphone")
        elif not wanted and self._stop is not None and self._task is not None:
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
        import av  # takes seconds on a Pi: only when somebody listens

        library = self._platform.sound_library()
        encoder: Any = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "s16", "mono"
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.bit_rate = self._bitrate
        encoder.options = {"application": "voip", "frame_duration": "20"}
        if stop.is_set():  # nobody listens any more: not even for a moment
            return
        opened = _opened(library, library.RawInputStream, "microphone", self._device)
        with contextlib.ExitStack() as closed, opened as stream:
            self._report_open(is_open=True)
            closed.callback(self._report_open, is_open=False)  # not before it is
            self._encode(stream, encoder, stop)

    def _encode(self, stream: Any, encoder: Any, stop: threading.Event) -> None:
        import av  # loaded already

        continues, timestamp = False, 0
        while not stop.is_set():
            self._worker.getting_on()
            recorded, _overflowed = stream.read(FRAME_SAMPLES)
            if self._hear is not None:
                self._loop.call_soon_threadsafe(self._deliver_samples, bytes(recorded), stop)
            if not self._listened:
                continues = False
                continue
            if not continues:
                # RFC 3550, 5.1: the timestamp goes on with the time when nothing was sent in between.
                timestamp = max(self._next_timestamp, int(self._clock() * SAMPLE_RATE))
                continues = True
            frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
            frame.sample_rate, frame.pts = SAMPLE_RATE, timestamp
            frame.planes[0].update(bytes(recorded))
            for packet in encoder.encode(frame):
                self._loop.call_soon_threadsafe(self._deliver, EncodedAudio(bytes(packet), timestamp), stop)
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
        if self._hear is not None and not stop.is_set():
            self._hear(samples)


class Loudspeaker:
    """The robot's loudspeaker: a :class:`robot_node.core.media.AudioSink` with a volume. Open only while it plays.

    What comes unevenly from a network is played evenly: playing begins when ``prebuffer_s`` is there, and what is
    more than ``queue_s`` behind is dropped, because speech that comes late talks over the answer to it.

    Args:
        platform: Gives the sound library.
        device: Its name, or a part of it; ``"default"`` is the system's.
        state: Told volume and mute, and why nothing can be heard.
        volume: At start, 0 to 100.
        volume_control: Of its sound card: see :class:`robot_node.devices.volume.Volume`.
        queue_s: How much may wait to be played.
        prebuffer_s: How much is collected before playing begins.
        idle_s: The device is closed when there was nothing to play for this time.
        retry_s: How long to wait before a device that failed is tried again.
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
        self._listener: Callable[[float], None] | None = None
        self._state.update(volume=volume, muted=False)

    def on_level(self, listener: Callable[[float], None]) -> None:
        """Have ``listener`` told on the event loop, for each piece that is played, how loud it is: 0 to 1."""
        self._listener = listener

    @property
    def volume(self) -> int:
        """0 to 100."""
        return self._volume.volume

    @property
    def muted(self) -> bool:
        """Nothing is heard, whatever the volume."""
        return self._volume.muted

    async def set_volume(self, volume: int | None = None, *, muted: bool | None = None) -> None:
        """Change volume or mute or both; what is playing changes with it.

        Args:
            volume: 0 to 100; half of it sounds about half as loud.
            muted: Nothing is heard; the volume is kept.
        """
        self.begin_with(volume, muted=muted)
        await self._volume.apply()

    def begin_with(self, volume: int | None = None, *, muted: bool | None = None) -> None:
        """As :meth:`set_volume`, before :meth:`check` tells the card."""
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
        """Seconds of sound that wait to be played."""
        return self._queue.waiting_s

    def flush(self) -> None:
        """Forget what is queued and not played yet."""
        self._queue.clear()

    async def check(self) -> None:
        """Open the device once, so that one which is missing is reported at start and not at the first word.

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
                self._worker.getting_on()
                played = self._volume.adjusted(samples)
                if self._listener is not None:
                    self._loop.call_soon_threadsafe(self._listener, level_of(played))
                stream.write(played)


def level_of(samples: bytes) -> float:
    """How loud samples are as it is heard, 0 to 1: half the amplitude is nearly as loud."""
    values = array.array("h", samples)
    peak = max((max(values), -min(values))) if values else 0
    return math.sqrt(min(peak, _LOUD) / _LOUD)


_LOUD = 16384
"""Peak of samples that count as loud: half of what they could be, which speech rarely exceeds."""


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
