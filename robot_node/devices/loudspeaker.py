"""The loudspeaker: open only while it plays, and driven by a thread of its own.

The robot runs without it. A device that is configured and cannot be opened is reported and retried; what it should have
played in the meantime is lost, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from robot_node.core.media import Played, PlayedSink, level_of
from robot_node.core.state import Device, RobotState
from robot_node.devices.jitter_queue import JitterQueue
from robot_node.devices.platform import Platform
from robot_node.devices.sound_stream import finish, named, opened
from robot_node.devices.volume import AUTO, Volume
from robot_node.devices.worker import DeviceWorker, as_device_error
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)


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
        self._volume = Volume(platform, named(device), volume=volume, control=volume_control)
        self._level_sink: Callable[[float], None] | None = None
        self._played_sink: PlayedSink | None = None
        self._state.update(volume=volume, muted=False)

    def set_level_sink(self, sink: Callable[[float], None]) -> None:
        """Choose who receives, on the event loop, the loudness of each piece as it is played: 0 to 1."""
        self._level_sink = sink

    def set_played_sink(self, sink: PlayedSink | None) -> None:
        """Choose who receives, on the event loop, each piece that the device was given."""
        self._played_sink = sink

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
        await finish(self._worker)

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
        with opened(library, library.RawOutputStream, "loudspeaker", self._device):
            pass

    def _write_queue(self) -> None:
        """Play until nothing has come for a while; runs in the worker."""
        library = self._platform.sound_library()
        with opened(library, library.RawOutputStream, "loudspeaker", self._device) as stream:
            self._loop.call_soon_threadsafe(self._works)
            while samples := self._queue.get(self._idle_s):
                self._worker.heartbeat()
                played = self._volume.adjusted(samples)
                if self._level_sink is not None:
                    self._loop.call_soon_threadsafe(self._level_sink, level_of(played))
                at = time.monotonic()
                ran_out = bool(stream.write(played))
                if (sink := self._played_sink) is not None:
                    self._loop.call_soon_threadsafe(sink, Played(played, at, ran_out))
