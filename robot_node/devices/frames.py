"""The way of encoded frames from the encoder's thread to the event loop: one hop each, bounded, never raising."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robot_node.devices.h264 import FrameReceiver, H264Stream

_MOST_IN_FLIGHT = 60
_KEYFRAME_PATIENCE_S = 1.0


class FrameHandoff:
    """Hands the frames of one run of the encoder to the loop. A keyframe comes first, also after a loss.

    Args:
        loop: The event loop.
        deliver: Called on the loop with each frame.
        request_keyframe: Called on the loop when frames were lost.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: FrameReceiver, request_keyframe: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._deliver = deliver
        self._request_keyframe = request_keyframe
        self._open = True
        self._handed_over = 0
        self._taken = 0
        self._lost = 0
        self._lost_known = 0
        self._waits_for_keyframe = True
        self._keyframe_due: float | None = loop.time() + _KEYFRAME_PATIENCE_S
        self.stream: H264Stream | None = None

    def receive(self, data: bytes, keyframe: bool, captured_us: int) -> None:
        """Take a frame in the encoder's thread. Frames are lost while the loop does not keep up."""
        if not self._open:
            return
        if self._handed_over - self._taken >= _MOST_IN_FLIGHT:
            self._lost += 1
            return
        self._handed_over += 1
        try:
            self._loop.call_soon_threadsafe(self._take, data, keyframe, captured_us, self._lost)
        except RuntimeError:
            self._open = False  # the loop was closed: the process is ending

    @property
    def received(self) -> int:
        """How many frames the encoder has given; read on the loop."""
        return self._handed_over + self._lost

    def expect_keyframe(self) -> bool:
        """Say that a keyframe is wanted; False when one is under way already."""
        now = self._loop.time()
        if self._keyframe_due is not None and now < self._keyframe_due:
            return False
        self._keyframe_due = now + _KEYFRAME_PATIENCE_S
        return True

    def close(self) -> None:
        """Deliver no more, not even what is on its way."""
        self._open = False

    def _take(self, data: bytes, keyframe: bool, captured_us: int, lost: int) -> None:
        self._taken += 1
        if not self._open:
            return
        if keyframe:
            self._keyframe_due = None
            self._waits_for_keyframe = False
        elif lost != self._lost_known:
            self._waits_for_keyframe = True
        self._lost_known = lost
        if self._waits_for_keyframe:
            self._request_keyframe()
            return
        self._deliver(data, keyframe, captured_us)
