"""A bounded jitter buffer for samples, between the event loop and a loudspeaker's thread."""

from __future__ import annotations

import threading
from collections import deque

from robot_node.core.media import SAMPLE_RATE

_BYTES_PER_SAMPLE = 2


class JitterQueue:
    """Samples to be played. Filled on the event loop, emptied by the loudspeaker's thread.

    Args:
        limit_s: Seconds of sound that are kept; of more, the oldest are dropped.
        prebuffer_s: Seconds of sound that are collected before playing begins.
    """

    def __init__(self, limit_s: float, prebuffer_s: float) -> None:
        self._limit_bytes = _bytes_of(limit_s)
        self._prebuffer_bytes = _bytes_of(prebuffer_s)
        self._prebuffer_s = prebuffer_s
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closed = False

    @property
    def empty(self) -> bool:
        """No samples are queued."""
        with self._changed:
            return not self._chunks

    @property
    def queued_s(self) -> float:
        """Seconds of sound in the queue."""
        with self._changed:
            return self._queued_bytes / (SAMPLE_RATE * _BYTES_PER_SAMPLE)

    def put(self, samples: bytes) -> None:
        """Add samples at the end."""
        with self._changed:
            self._chunks.append(samples[-self._limit_bytes :])
            self._queued_bytes += len(self._chunks[-1])
            while self._queued_bytes > self._limit_bytes:
                self._queued_bytes -= len(self._chunks.popleft())
            self._changed.notify()

    def get(self, wait_s: float) -> bytes:
        """Take the next samples; empty when nothing came within ``wait_s`` seconds, or the queue is closed."""
        with self._changed:
            if not self._chunks and self._changed.wait_for(lambda: self._closed or self._chunks, wait_s):
                # It begins, or it has run dry: collect again, unless there will not be more.
                self._changed.wait_for(
                    lambda: self._closed or self._queued_bytes >= self._prebuffer_bytes, self._prebuffer_s
                )
            if self._closed or not self._chunks:
                return b""
            samples = self._chunks.popleft()
            self._queued_bytes -= len(samples)
            return samples

    def clear(self) -> None:
        """Drop all samples."""
        with self._changed:
            self._chunks.clear()
            self._queued_bytes = 0

    def close(self) -> None:
        """End every wait in :meth:`get`, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _bytes_of(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * _BYTES_PER_SAMPLE
