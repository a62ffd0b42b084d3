"""One encoder, many viewers: who gets which frame, and when the encoder is asked for a keyframe.

Nothing here waits for a viewer. Each has a bounded queue; one that falls behind loses frames up to the next
keyframe, because a decoder can do nothing with what lies between.
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
    """The viewer has left the broadcast: no frame will come any more."""


class Handle(Protocol):
    """What a scheduled call can be cancelled with."""

    def cancel(self) -> None:
        """Do not call."""


class Scheduler(Protocol):
    """Time, and calls at a later time. An asyncio event loop is one."""

    def time(self) -> float:
        """Seconds on a monotonic clock."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Handle:
        """Call ``callback`` after ``delay`` seconds."""


class KeyframeRequests:
    """Merges the keyframe requests of all viewers into few to the encoder.

    A request counts for everybody who asks before its keyframe comes, and two are never closer than ``window_s``:
    neither a crowd that joins at once nor a viewer that asks without end turns every frame into a keyframe.

    Args:
        request: Asks the encoder.
        scheduler: Tells the time.
        window_s: Shortest time between two requests to the encoder.
        patience_s: After this time without a keyframe, a request is taken to be lost.
    """

    def __init__(
        self,
        request: Callable[[], None],
        scheduler: Scheduler,
        *,
        window_s: float = 0.25,
        patience_s: float = 1.0,
    ) -> None:
        self._request = request
        self._scheduler = scheduler
        self._window_s = window_s
        self._patience_s = patience_s
        self._last_request_at = float("-inf")
        self._outstanding = False
        self._timer: Handle | None = None
        self.forwarded = 0

    def ask(self) -> None:
        """A viewer needs a keyframe."""
        now = self._scheduler.time()
        if self._timer is not None or (self._outstanding and now < self._last_request_at + self._patience_s):
            return
        wait = self._last_request_at + self._window_s - now
        if wait > 0:
            self._timer = self._scheduler.call_later(wait, self._forward)
        else:
            self._forward()

    def keyframe_came(self) -> None:
        """The encoder has delivered one."""
        self._outstanding = False

    def forget(self) -> None:
        """Forget what was asked: nobody watches any more."""
        self._outstanding = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forward(self) -> None:
        self._timer = None
        self._last_request_at = self._scheduler.time()
        self._outstanding = True
        self.forwarded += 1
        self._request()


@dataclass(slots=True)
class ViewerCounts:
    """What became of the frames for one viewer, since the keyframe that it began with."""

    sent: int = 0
    dropped: int = 0
    keyframes_asked: int = 0


class Viewer:
    """One viewer's place in the broadcast. Made by :meth:`Broadcast.join`."""

    def __init__(self, broadcast: Broadcast, queue_frames: int) -> None:
        self._broadcast = broadcast
        self._limit = queue_frames
        self._queue: deque[EncodedPacket] = deque()
        self._arrived = asyncio.Event()
        self._left = False
        self._started = False
        self._thinned = False
        self._last_keyframe_pts = 0
        self.needs_keyframe = True
        self.counts = ViewerCounts()

    async def next_packet(self) -> EncodedPacket:
        """The next frame of a stream that begins, and goes on after each gap, with a keyframe.

        Raises:
            EndOfStreamError: the viewer has left.
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
        if not self._left:
            self.counts.keyframes_asked += 1
            self._broadcast.request_keyframe()

    def estimate(self, bits_per_second: int) -> None:
        """Tell what the receiver takes its network to carry (REMB)."""
        if self._broadcast.bitrate is not None:
            self._broadcast.bitrate.estimate(self, bits_per_second)

    def report_loss(self, fraction_lost: float) -> None:
        """Tell which share of the packets the receiver has lost since its last report, 0 to 1."""
        if self._broadcast.bitrate is not None:
            self._broadcast.bitrate.report(self, fraction_lost)

    def leave(self) -> None:
        """Leave the broadcast; a wait for the next frame ends."""
        if self._left:
            return
        self._left = True
        self._queue.clear()
        self._arrived.set()
        self._broadcast.remove(self)

    def offer(self, packet: EncodedPacket) -> None:
        """Take a frame, or drop it when it cannot be decoded, or there is no room for it, here or in the network."""
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
            # Whatever waits in front of a keyframe only delays it once there is no room for it.
            if len(self._queue) >= self._limit:
                self._drop_queue()
            self.needs_keyframe = False
            self._started = True
            self._last_keyframe_pts = pts
        elif len(self._queue) >= self._limit:
            self._drop_queue()
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
        source: Encodes once, and only while somebody watches.
        scheduler: The event loop, or a clock of a test's own.
        bitrate: Between what the bitrate follows the receivers; None leaves it as it is.
        queue_frames: How many frames a viewer may be behind.
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
        self._queue_frames = queue_frames
        self._viewers: list[Viewer] = []
        self._last_pts = -1
        self.captured_us: int | None = None
        self.keyframes = KeyframeRequests(source.request_keyframe, scheduler)
        self.bitrate = BitrateControl(bitrate, source.set_bitrate, scheduler.time) if bitrate else None
        source.set_sink(self._publish)

    @property
    def viewer_count(self) -> int:
        """How many receive frames."""
        return len(self._viewers)

    def join(self) -> Viewer:
        """Add a viewer; the stream it gets begins with a keyframe that is made for it at once.

        Showing it the frames since the last keyframe instead would show it the past, which is wrong for somebody
        who drives a robot.
        """
        viewer = Viewer(self, self._queue_frames)
        self._viewers.append(viewer)
        if self.bitrate is not None:
            self.bitrate.join(viewer)
        if len(self._viewers) == 1:
            self._source.set_watched(True)
        self.request_keyframe()
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Take a viewer out; called by :meth:`Viewer.leave`."""
        self._viewers.remove(viewer)
        if self.bitrate is not None:
            self.bitrate.leave(viewer)
        if not self._viewers:
            self.keyframes.forget()
            self._source.set_watched(False)

    def request_keyframe(self) -> None:
        """Ask the encoder for a keyframe; requests that are close together become one."""
        self.keyframes.ask()

    def close(self) -> None:
        """Let the source go; viewers that are left get no more frames."""
        for viewer in tuple(self._viewers):
            viewer.leave()
        self.keyframes.forget()
        self._source.set_sink(None)

    def _publish(self, frame: EncodedFrame) -> None:
        if frame.keyframe:
            self.keyframes.keyframe_came()
        self.captured_us = frame.timestamp_us
        packet = self._packet(frame)
        for viewer in self._viewers:
            viewer.offer(packet)
        if any(viewer.needs_keyframe for viewer in self._viewers):
            self.request_keyframe()

    def _packet(self, frame: EncodedFrame) -> EncodedPacket:
        packet: EncodedPacket = av.Packet(frame.data)
        # RFC 3550, 5.1: the timestamp of a stream increases, whatever a source does when it is switched off and on.
        self._last_pts = max(self._last_pts + 1, frame.timestamp_us * _RTP_CLOCK_HZ // 1_000_000)
        packet.pts = packet.dts = self._last_pts
        packet.time_base = _RTP_TIME_BASE
        packet.is_keyframe = frame.keyframe
        return packet
