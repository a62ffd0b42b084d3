"""One encoder, many viewers: which frame goes to which viewer, and when the encoder is asked for a keyframe.

Nothing here waits for a viewer. Each has a bounded queue; one that falls behind loses frames up to the next
keyframe, because a decoder cannot use the frames between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import av

from robot_node.core.media import EncodedFrame, VideoSource
from robot_node.webrtc.bitrate import BitrateControl, BitrateLimits

logger = logging.getLogger(__name__)

EncodedPacket: TypeAlias = "av.Packet[Any]"
"""One access unit, as aiortc takes it; shared by all viewers and never changed."""

# RFC 6184, 5.1: RTP carries H.264 with a 90 kHz clock. Converted here, once, instead of once per viewer.
_RTP_CLOCK_HZ = 90_000
_RTP_TIME_BASE = Fraction(1, _RTP_CLOCK_HZ)
# A viewer whose network carries far less than the others' gets a picture every 2 s.
_THINNED_INTERVAL_TICKS = 2 * _RTP_CLOCK_HZ


class EndOfStreamError(Exception):
    """The viewer has left the broadcast: there are no further frames."""


class Handle(Protocol):
    """Cancels a scheduled call."""

    def cancel(self) -> None:
        """Do not call."""


class Scheduler(Protocol):
    """Time, and calls at a later time. An asyncio event loop is one."""

    def time(self) -> float:
        """Seconds on a monotonic clock."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Handle:
        """Call ``callback`` after ``delay`` seconds."""


class KeyframeRequests:
    """The keyframe requests of all viewers, merged into few to the encoder, and repeated until a keyframe comes.

    A request counts for all viewers that ask before its keyframe comes, and two are never closer than ``window_s``:
    neither a crowd that joins at once nor a viewer that asks without end turns every frame into a keyframe.

    Args:
        request: Asks the encoder.
        scheduler: Tells the time.
        window_s: Shortest time between two requests to the encoder.
        timeout_s: A request without a keyframe within this time is repeated.
    """

    def __init__(
        self,
        request: Callable[[], None],
        scheduler: Scheduler,
        *,
        window_s: float = 0.25,
        timeout_s: float = 1.0,
    ) -> None:
        self._request = request
        self._scheduler = scheduler
        self._window_s = window_s
        self._timeout_s = timeout_s
        self._last_request_at = float("-inf")
        self._outstanding = False
        self._timer: Handle | None = None
        self.forwarded = 0

    def ask(self) -> None:
        """Ask for a keyframe on behalf of a viewer."""
        if self._timer is not None or self._outstanding:
            self._repeat_when_lost()
            return
        wait = self._last_request_at + self._window_s - self._scheduler.time()
        if wait > 0:
            self._timer = self._scheduler.call_later(wait, self._forward)
        else:
            self._forward()

    def frame_arrived(self, *, keyframe: bool) -> None:
        """Take note of a frame from the encoder."""
        if keyframe:
            self._outstanding = False
        else:
            self._repeat_when_lost()

    def clear(self) -> None:
        """Drop all requests: there are no viewers any more."""
        self._outstanding = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _repeat_when_lost(self) -> None:
        if self._outstanding and self._scheduler.time() >= self._last_request_at + self._timeout_s:
            self._forward()

    def _forward(self) -> None:
        self._timer = None
        self._last_request_at = self._scheduler.time()
        self._outstanding = True
        self.forwarded += 1
        self._request()


@dataclass(slots=True)
class ViewerCounts:
    """Frames and requests of one viewer, since the keyframe that it began with."""

    sent: int = 0
    dropped: int = 0
    keyframes_asked: int = 0


class Viewer:
    """One viewer's place in the broadcast. It gets frames from :meth:`join` to :meth:`leave`.

    Args:
        broadcast: Where it joins.
        local: It is on the robot itself: there is no network whose capacity counts, and the source may be switched off
            as idle although it watches, unless it is :attr:`in_use`.
        queue_frames: How many frames it may be behind; None: as many as any viewer.
    """

    def __init__(self, broadcast: Broadcast, *, local: bool = False, queue_frames: int | None = None) -> None:
        self._broadcast = broadcast
        self.local = local
        self._in_use = not local
        self._limit = broadcast.queue_frames if queue_frames is None else queue_frames
        self._queue: deque[EncodedPacket] = deque()
        self._arrived = asyncio.Event()
        self._joined = False
        self._left = False
        self._started = False
        self._thinned = False
        self._last_keyframe_pts = 0
        self.needs_keyframe = True
        self.counts = ViewerCounts()

    @property
    def captured_us(self) -> int | None:
        """When the newest frame was captured, in microseconds of the monotonic clock; None before there is one."""
        return self._broadcast.captured_us

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the newest frame has to be rotated to be shown."""
        return self._broadcast.rotation

    @property
    def in_use(self) -> bool:
        """It keeps the source from being switched off as idle."""
        return self._in_use

    @in_use.setter
    def in_use(self, in_use: bool) -> None:
        self._in_use = in_use
        self._broadcast.update_watched()

    def join(self) -> None:
        """Begin to receive: a stream that begins with a keyframe, made for this viewer. Does nothing when called again.

        Replaying the frames since the last keyframe instead would show it the past, which is wrong for somebody who
        drives a robot.
        """
        if not self._joined and not self._left:
            self._joined = True
            self._broadcast.add(self)

    async def next_packet(self) -> EncodedPacket:
        """The next frame of a stream that begins, and goes on after each gap, with a keyframe.

        Raises:
            EndOfStreamError: The viewer has left.
        """
        while not self._queue:
            if self._left:
                raise EndOfStreamError
            self._arrived.clear()
            await self._arrived.wait()
        self.counts.sent += 1
        return self._queue.popleft()

    def request_keyframe(self) -> None:
        """Ask on behalf of a decoder that reports loss."""
        if self._joined and not self._left:
            self.counts.keyframes_asked += 1
            self._broadcast.keyframes.ask()

    def estimate(self, bits_per_second: int) -> None:
        """Report the receiver's estimate of its network's capacity (REMB)."""
        if self._broadcast.bitrate is not None:
            self._broadcast.bitrate.estimate(self, bits_per_second)

    def limit(self, bits_per_second: int) -> None:
        """Report the most that a media server wants (its REMB)."""
        if self._broadcast.bitrate is not None:
            self._broadcast.bitrate.limit(self, bits_per_second)

    def report_loss(self, fraction_lost: float) -> None:
        """Report the share of packets that the receiver has lost since its last report, 0 to 1."""
        if self._broadcast.bitrate is not None:
            self._broadcast.bitrate.report(self, fraction_lost)

    def leave(self) -> None:
        """Leave the broadcast; a wait for the next frame ends."""
        if self._left:
            return
        self._left = True
        self._queue.clear()
        self._arrived.set()
        if self._joined:
            self._broadcast.remove(self)

    def offer(self, packet: EncodedPacket, *, after_loss: bool = False) -> None:
        """Queue a frame, or drop it when it cannot be decoded, or there is no room for it, here or in the network.

        Args:
            packet: The frame.
            after_loss: The source lost frames before it.
        """
        pts = packet.pts or 0
        if self._started and self._broadcast.bitrate is not None and self._broadcast.bitrate.thinned(self):
            self._thinned = True
            self.needs_keyframe = pts >= self._last_keyframe_pts + _THINNED_INTERVAL_TICKS
            if not (packet.is_keyframe and self.needs_keyframe):
                self.counts.dropped += 1
                return
        elif self._thinned:
            self._thinned = False
            self.needs_keyframe = True
        if packet.is_keyframe:
            # Frames before a keyframe only delay it once there is no room for it.
            if len(self._queue) >= self._limit:
                self._drop_queue()
            self.needs_keyframe = False
            self._started = True
            self._last_keyframe_pts = pts
        elif len(self._queue) >= self._limit:
            self._drop_queue()
            self.needs_keyframe = True
        elif after_loss:
            self.needs_keyframe = True
        if self.needs_keyframe:
            self.counts.dropped += self._started
            return
        self._queue.append(packet)
        self._arrived.set()

    def _drop_queue(self) -> None:
        self.counts.dropped += len(self._queue)
        self._queue.clear()


class Broadcast:
    """Hands the frames of one source to any number of viewers. Used from the event loop only.

    Args:
        source: Encodes once, and only while there are viewers.
        scheduler: The event loop, or a test's clock.
        bitrate: Limits within which the bitrate follows the receivers; None leaves it as it is.
        queue_frames: How many frames a viewer may be behind.

    Attributes:
        captured_us: When the newest frame was captured, in microseconds of the monotonic clock; None before there is
            one.
        rotation: Degrees clockwise by which the newest frame has to be rotated to be shown.
        keyframes: The only owner of keyframe requests: viewers ask here, and no other place repeats or merges them.
        bitrate: Follows the receivers; None when the bitrate stays as it is.
        queue_frames: How many frames a viewer may be behind.
        packed: The newest frames as RTP payloads with their time at 90 kHz, by presentation time; of the senders.
    """

    def __init__(
        self,
        source: VideoSource,
        scheduler: Scheduler,
        *,
        bitrate: BitrateLimits | None = None,
        queue_frames: int = 8,
    ) -> None:
        self._source = source
        self._viewers: list[Viewer] = []
        self._watched = self._in_use = False
        self._last_pts = -1
        self.captured_us: int | None = None
        self.rotation = 0
        self.keyframes = KeyframeRequests(source.request_keyframe, scheduler)
        self.bitrate = BitrateControl(bitrate, source.set_bitrate, scheduler.time) if bitrate else None
        self.queue_frames = queue_frames
        self.packed: dict[int, tuple[list[bytes], int]] = {}
        source.set_sink(self._publish)

    @property
    def viewer_count(self) -> int:
        """Number of viewers that receive frames."""
        return len(self._viewers)

    def add(self, viewer: Viewer) -> None:
        """Add a viewer; called by :meth:`Viewer.join`."""
        self._viewers.append(viewer)
        if self.bitrate is not None and not viewer.local:
            self.bitrate.join(viewer)
        self.update_watched()
        self.keyframes.ask()

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer; called by :meth:`Viewer.leave`."""
        self._viewers.remove(viewer)
        if self.bitrate is not None and not viewer.local:
            self.bitrate.leave(viewer)
        if not self._viewers:
            self.keyframes.clear()
            self.packed.clear()
        self.update_watched()

    def update_watched(self) -> None:
        """Tell the source whether there are viewers, and such that keep it on; called by viewers."""
        watched, in_use = bool(self._viewers), any(viewer.in_use for viewer in self._viewers)
        if (watched, in_use) != (self._watched, self._in_use):
            self._watched, self._in_use = watched, in_use
            self._source.set_watched(watched, in_use=in_use)

    def close(self) -> None:
        """Release the source; the viewers that are left get no more frames."""
        for viewer in tuple(self._viewers):
            viewer.leave()
        self.keyframes.clear()
        self._source.set_sink(None)

    def _publish(self, frame: EncodedFrame) -> None:
        self.keyframes.frame_arrived(keyframe=frame.keyframe)
        self.captured_us = frame.timestamp_us
        self.rotation = frame.rotation
        packet = self._packet(frame)
        for viewer in self._viewers:
            viewer.offer(packet, after_loss=frame.after_loss)
        if any(viewer.needs_keyframe for viewer in self._viewers):
            self.keyframes.ask()

    def _packet(self, frame: EncodedFrame) -> EncodedPacket:
        packet: EncodedPacket = av.Packet(frame.data)
        # RFC 3550, 5.1: the timestamp of a stream increases, even when the source's goes back after a suspend.
        self._last_pts = max(self._last_pts + 1, frame.timestamp_us * _RTP_CLOCK_HZ // 1_000_000)
        packet.pts = packet.dts = self._last_pts
        packet.time_base = _RTP_TIME_BASE
        packet.is_keyframe = frame.keyframe
        return packet
