"""The recorder: a viewer of the camera's broadcast that keeps a ring buffer and writes clips."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from robot_node.core.state import CameraState, RobotSnapshot, acting_for
from robot_node.errors import DeviceError, NotReadyError
from robot_node.robot.recording.clip import Clip
from robot_node.robot.recording.library import Library
from robot_node.robot.recording.ring import Ring, Sample
from robot_node.robot.recording.sound_clock import SoundClock
from robot_node.robot.recording.states import TABLE, RecorderAction, RecorderEvent, RecorderState
from robot_node.robot.recording.writer import ClipWriter, Saved
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.recording import RecordingSettings
from robot_node.webrtc.streams import Streams

if TYPE_CHECKING:  # PyAV takes seconds to load on a Pi: not before the robot is reachable
    from robot_node.webrtc.audio import Listener
    from robot_node.webrtc.broadcast import Viewer

logger = logging.getLogger(__name__)

FAULT = "recording"
"""Name of its fault in the robot's state, and kind of its events."""

_LOAD_WITHIN_S = 10.0
_QUEUE_FRAMES = 60
_MOST_WRITERS = 3
_MOST_RESULTS = 32
_CAUSE_LIMIT = 200
_SAVED_WITHIN_S = 20.0
_ROOM_EVERY_S = 3600.0
_MICROSECONDS = 1_000_000


class Recorder:
    """Keeps the last seconds in memory while the camera is on, and writes clips. Used from the event loop only.

    Off means off: once the camera is not on, or the privacy switch is engaged, nothing is in memory any more, and what
    is being recorded ends.

    Args:
        settings: How much, how long and where.
        telemetry: The camera's state is read from it; it gets ``recording``, events, counts and faults.
        streams: The camera's frames and the robot's sound.
        library: Where clips are stored.
        now: The time, with time zone.
        clock: Monotonic time in seconds.
        no_pictures_s: What is being recorded ends when no picture has come for so many seconds.
    """

    def __init__(
        self,
        settings: RecordingSettings,
        telemetry: Telemetry,
        streams: Streams,
        library: Library,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        no_pictures_s: float = 10.0,
    ) -> None:
        self._clock = clock
        self._no_pictures_s = no_pictures_s
        self.settings = settings
        self.library = library
        self._telemetry = telemetry
        self._streams = streams
        self._now = now
        self._ring = Ring(settings.ring_s, settings.ring_mb * 1_000_000)
        self._state = RecorderState.IDLE
        self._clip: Clip | None = None
        self._newest_us = 0
        self._last_name_at = datetime.min.replace(tzinfo=UTC)
        self._writers: dict[str, ClipWriter] = {}
        self._results: dict[str, asyncio.Future[Saved]] = {}
        self._ends: dict[str, str] = {}
        self._viewer: Viewer | None = None
        self._listener: Listener | None = None
        self._needed = asyncio.Event()
        self._closed = False
        telemetry.state.update(recording=False)
        telemetry.state.listen(self._on_state)

    @property
    def state(self) -> RecorderState:
        """What is being recorded."""
        return self._state

    @property
    def ring_bytes(self) -> int:
        """Bytes in the ring buffer."""
        return self._ring.size

    @property
    def ring_seconds(self) -> float:
        """Seconds in the ring buffer."""
        return self._ring.seconds

    def is_unfinished(self, name: str) -> bool:
        """Whether a file is still being written."""
        return name in self._writers

    def save_clip(self, before_s: float | None = None, after_s: float | None = None, *, cause: str = "") -> str:
        """Begin a clip that ends by itself; one that has begun already lasts longer instead.

        Args:
            before_s: Seconds before now, as far as the ring buffer has them; None: as the settings say.
            after_s: Seconds from now on; None: as the settings say.
            cause: What caused it, if no agent.

        Returns:
            Its file's name: see :meth:`saved`.

        Raises:
            NotReadyError: The camera is not on.
            DeviceError: Clips are not written as fast as they are made.
        """
        before_s = self.settings.before_s if before_s is None else before_s
        after_s = self.settings.after_s if after_s is None else after_s
        return self._begin(RecorderEvent.SAVE_CLIP, before_s, after_s, cause)

    def start(self, *, cause: str = "") -> str:
        """Begin to record, until :meth:`stop` or the longest time of the settings; a clip goes on as a recording.

        Args:
            cause: What caused it, if no agent.

        Returns:
            The name of its first file.

        Raises:
            NotReadyError: The camera is not on.
            DeviceError: Clips are not written as fast as they are made.
        """
        return self._begin(RecorderEvent.START, 0.0, self.settings.longest_s, cause)

    def stop(self) -> str:
        """End what is being recorded; returns the name of its last file.

        Raises:
            NotReadyError: Nothing is being recorded.
        """
        name = self._clip.name if self._clip is not None else ""
        if self._apply(RecorderEvent.STOP, "it was stopped") is RecorderAction.REFUSE:
            raise NotReadyError("Nothing is being recorded.", remedy="Call start_recording or save_clip first.")
        return name

    async def saved(self, name: str, *, within_s: float = _SAVED_WITHIN_S) -> Saved:
        """Wait until a file is complete.

        Raises:
            DeviceError: Nothing could be written; or not in time, and it may still be written later.
        """
        future = self._results.get(name)
        if future is None:
            raise DeviceError(f"{name} is not among the latest recordings.", remedy="Read robot://clips.")
        try:
            async with asyncio.timeout(within_s):
                saved = await asyncio.shield(future)
        except TimeoutError:
            raise DeviceError(
                f"{name} is not complete after {within_s:.0f} s.", remedy="Look for it in robot://clips later."
            ) from None
        if saved.error and not saved.size:
            raise DeviceError(f"Nothing was recorded: {saved.error}")
        return saved

    async def run(self, load_after: asyncio.Event | None = None) -> None:
        """Watch the camera while that is needed, until cancelled.

        Args:
            load_after: The media stack, which takes seconds to load on a Pi, is loaded when this is set, and without
                it after a while: a robot whose broker is away records, too.
        """
        if load_after is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOAD_WITHIN_S):
                    await load_after.wait()
        broadcast = await self._streams.video()
        sound = (await self._streams.sound()).broadcast if self.settings.sound else None
        from robot_node.webrtc.broadcast import EndOfStreamError, Viewer  # noqa: PLC0415  # loaded by now, in a thread

        self._consider()
        try:
            while True:
                await self._needed.wait()
                self._viewer = viewer = Viewer(broadcast, local=True, queue_frames=_QUEUE_FRAMES)
                viewer.in_use = self._state is not RecorderState.IDLE
                viewer.join()
                async with asyncio.TaskGroup() as tasks:
                    if sound is not None:
                        self._listener = sound.join()
                        tasks.create_task(self._hear(self._listener), name="recorder: sound")
                    try:
                        await self._watch(viewer)
                    except EndOfStreamError:
                        pass
                    finally:
                        self._leave()
        finally:
            self._leave()

    async def keep_limits(self) -> None:
        """Delete what is too old, every hour, until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.library.make_room, self._clip.name if self._clip else "")
            except OSError as error:
                logger.warning("The recordings' limits cannot be kept: %s", error)
            await asyncio.sleep(_ROOM_EVERY_S)

    async def close(self, limit_s: float = 2.0) -> None:
        """End what is being recorded, and wait until it is on the disk, for so long at most."""
        self._closed = True
        self._stop_watching()
        pending = [future for future in self._results.values() if not future.done()]
        if pending:
            await asyncio.wait(pending, timeout=limit_s)

    # The camera.

    def _on_state(self, _: RobotSnapshot) -> None:
        self._consider()

    def _consider(self) -> None:
        """Watch, or stop watching: at once, and with nothing left in memory."""
        if not self._is_capturing():
            self._stop_watching()
        elif self.settings.ring_s or self._state is not RecorderState.IDLE:
            self._needed.set()
        else:
            self._needed.clear()
            self._leave()

    def _is_capturing(self) -> bool:
        now = self._telemetry.state.snapshot
        return now.camera is CameraState.ON and not now.privacy and not self._closed

    def _stop_watching(self) -> None:
        self._needed.clear()
        self._leave()
        now = self._telemetry.state.snapshot
        off = "the privacy switch is engaged" if now.privacy else f"the camera is {now.camera}"
        self._apply(RecorderEvent.NO_PICTURES, "the robot is shutting down" if self._closed else off)

    def _leave(self) -> None:
        self._ring.clear()
        if self._viewer is not None:
            self._viewer.leave()
            self._viewer = None
        if self._listener is not None:
            self._listener.leave()
            self._listener = None

    async def _watch(self, viewer: Viewer) -> None:
        while True:
            try:
                async with asyncio.timeout(self._no_pictures_s):
                    packet = await viewer.next_packet()
            except TimeoutError:
                self._apply(RecorderEvent.NO_PICTURES, f"no picture came for {self._no_pictures_s:g} s")
                continue
            if viewer is not self._viewer:
                return
            time_us = int((packet.pts or 0) * (packet.time_base or 0) * _MICROSECONDS)
            sample = Sample(bytes(packet), time_us, keyframe=packet.is_keyframe, rotation=viewer.rotation)
            self._take_picture(sample, viewer)

    async def _hear(self, listener: Listener) -> None:
        times = SoundClock()
        while (packet := await listener.next_packet()) is not None:
            sample = Sample(bytes(packet), times.time_us(packet.pts or 0, self._clock()), video=False)
            if self.settings.ring_s:
                self._ring.add(sample)
            if self._clip is not None:
                self._clip.add_sound(sample)

    def _take_picture(self, sample: Sample, viewer: Viewer) -> None:
        self._newest_us = sample.time_us
        if self.settings.ring_s:
            self._ring.add(sample)
        clip = self._clip
        if clip is not None and clip.add_picture(sample):
            self._apply(RecorderEvent.TIME_UP)
        if self._ring.wants_keyframe or (clip is not None and clip.needs_keyframe):
            viewer.request_keyframe()

    # Files.

    def _begin(self, event: RecorderEvent, before_s: float, lasts_s: float, cause: str) -> str:
        if not self._is_capturing():
            if self._telemetry.state.snapshot.privacy:
                raise NotReadyError(
                    "The privacy switch of the robot is engaged: there is nothing to record.",
                    remedy="Only a person at the robot can disengage it.",
                )
            raise NotReadyError(
                "The camera is not on: there is nothing to record.",
                remedy="Call control_camera with enabled=true first.",
            )
        if self._clip is None and len(self._writers) >= _MOST_WRITERS:
            raise DeviceError(
                f"{len(self._writers)} recordings are still being written: the disk is slow.", remedy="Try again later."
            )
        by, file_s = acting_for(), self.settings.file_s
        cause = f"by {by}" if by else cause
        clip = self._clip = self._clip or Clip(
            self._new_name, self._open_file, by=by, cause=cause[:_CAUSE_LIMIT], lasts_s=lasts_s, file_s=file_s
        )
        match self._apply(event):
            case RecorderAction.BEGIN:
                self._report(f"Recording began: {clip.name}.", by=clip.by)
                samples = self._ring.since(before_s) if before_s else ()
                if samples:
                    clip.begin(samples)
                elif self._viewer is not None:  # a viewer that joins asks by itself
                    self._viewer.request_keyframe()
            case RecorderAction.EXTEND:
                clip.extend(lasts_s, self._newest_us)
        return clip.name

    def _open_file(self, name: str, samples: tuple[Sample, ...]) -> ClipWriter | None:
        try:
            writer = self._writers[name] = ClipWriter(
                self.library,
                name,
                created=self._now() - timedelta(microseconds=self._newest_us - samples[0].time_us),
                cause=self._clip.cause if self._clip is not None else "",
                samples=samples,
                sound=self._listener is not None,
                on_ended=self._on_writer_ended,
            )
        except DeviceError as error:
            self._on_writer_ended(Saved(name, 0.0, 0, error=str(error)))
            return None
        return writer

    def _new_name(self) -> str:
        at = max(self._now(), self._last_name_at + timedelta(milliseconds=1))
        self._last_name_at = at
        name = self.library.name_for(at)
        self._results[name] = asyncio.get_running_loop().create_future()
        for old in list(self._results)[:-_MOST_RESULTS]:
            if self._results[old].done():
                del self._results[old]
        return name

    def _apply(self, event: RecorderEvent, why: str = "") -> RecorderAction:
        self._state, action = TABLE[self._state, event]
        clip = self._clip
        if action in {RecorderAction.END, RecorderAction.DROP} and clip is not None:
            self._clip = None
            self._ends[clip.name] = why
            if not clip.end():
                self._report(f"Nothing was recorded into {clip.name}: {why or 'no picture came'}.")
                self._on_ended(Saved(clip.name, 0.0, 0, error=f"{why or 'no picture came'}."))
        is_recording = self._state is not RecorderState.IDLE
        if self._viewer is not None:
            self._viewer.in_use = is_recording
        self._telemetry.state.update(recording=is_recording)  # whose listener considers whether to watch
        return action

    def _on_writer_ended(self, saved: Saved) -> None:
        if self._clip is not None and self._clip.name == saved.name:
            self._apply(RecorderEvent.WRITER_ENDED)
        why = self._on_ended(saved)
        counters = self._telemetry.counters
        counters.recording_lost_frames += saved.lost_frames
        if saved.size:
            counters.recordings_saved += 1
            ended = f"; {why}" if why else ""
            self._report(f"Saved {saved.name}: {saved.seconds:.1f} s, {saved.size / 1e6:.1f} MB{ended}.")
        if saved.lost_frames:
            self._report(f"{saved.name} lacks {saved.lost_frames} pictures: the disk is too slow.")
        if saved.error:
            self._report(f"{saved.name} ended early: {saved.error}")
        self._telemetry.state.set_fault(FAULT, f"{saved.name} ended early: {saved.error}" if saved.error else "")

    def _on_ended(self, saved: Saved) -> str:
        """Finish with a file; returns why it ended before its time, or empty."""
        self._writers.pop(saved.name, None)
        result = self._results.get(saved.name)
        if result is not None and not result.done():
            result.set_result(saved)
        return self._ends.pop(saved.name, "")

    def _report(self, text: str, *, by: str = "") -> None:
        self._telemetry.events.add(FAULT, text, by=by)
