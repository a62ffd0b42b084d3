"""Sound that waits to be played: smooths what comes in bursts, bounded, between the event loop and a thread."""

from __future__ import annotations

import threading
from collections import deque

from robot_node.core.media import SAMPLE_RATE

_BYTES_PER_SAMPLE = 2


class JitterQueue:
    """What waits to be played. Filled on the event loop, emptied by the loudspeaker's thread.

    Args:
        limit_s: Seconds that may wait; of more the oldest are dropped.
        prebuffer_s: Seconds that are collected before playing begins.
    """

    def __init__(self, limit_s: float, prebuffer_s: float) -> None:
        self._limit_bytes = _bytes_of(limit_s)
        self._prebuffer_bytes = _bytes_of(prebuffer_s)
        self._prebuffer_s = prebuffer_s
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closed = False

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        with self._changed:
            return not self._chunks

    @property
    def waiting_s(self) -> float:
        """Seconds that wait."""
        with self._changed:
            return self._waiting_bytes / (SAMPLE_RATE * _BYTES_PER_SAMPLE)

    def put(self, samples: bytes) -> None:
        """Add samples at the end."""
        with self._changed:
            self._chunks.append(samples[-self._limit_bytes :])
            self._waiting_bytes += len(self._chunks[-1])
            while self._waiting_bytes > self._limit_bytes:
                self._waiting_bytes -= len(self._chunks.popleft())
            self._changed.notify()

    def get(self, wait_s: float) -> bytes:
        """Take the next samples; none when nothing came within ``wait_s`` seconds or the queue is closed."""
        with self._changed:
            if not self._chunks and self._changed.wait_for(lambda: self._closed or self._chunks, wait_s):
                # It begins, or it has run dry: collect again, unless there will not be more.
                self._changed.wait_for(
                    lambda: self._closed or self._waiting_bytes >= self._prebuffer_bytes, self._prebuffer_s
                )
            if self._closed or not self._chunks:
                return b""
            samples = self._chunks.popleft()
            self._waiting_bytes -= len(samples)
            return samples

    def clear(self) -> None:
        """Forget what waits."""
        with self._changed:
            self._chunks.clear()
            self._waiting_bytes = 0

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _bytes_of(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * _BYTES_PER_SAMPLE
