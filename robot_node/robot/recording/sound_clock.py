"""When sound was captured: the sound card's clock and the system's are not the same. Pure."""

from __future__ import annotations

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE

_MICROSECONDS = 1_000_000
_WINDOW_PACKETS = 100
_TOLERANCE_US = 20_000


class SoundClock:
    """Turns the timestamps of packets into times of the monotonic clock, which are those of the pictures.

    A timestamp counts the samples since the microphone was opened. A sound card that is off by 50 millionths is 4 s off
    after a day, so the timestamps are compared with the arrival of the packets: the shortest delay within two seconds,
    since a busy machine only makes it longer.
    """

    def __init__(self) -> None:
        self._next = 0
        self._usual_us: int | None = None
        self._shortest_us: int | None = None
        self._packets = 0
        self._correction_us = 0

    def time_us(self, timestamp: int, arrived_s: float) -> int:
        """Return when a packet was captured, in microseconds of the monotonic clock.

        Args:
            timestamp: Of the packet, in samples.
            arrived_s: When it arrived, in seconds of the monotonic clock.
        """
        if timestamp != self._next:  # it was opened, or paused: RFC 3550, 5.1, the timestamp is that of the clock again
            self._usual_us = self._shortest_us = None
            self._packets = self._correction_us = 0
        self._next = timestamp + FRAME_SAMPLES
        counted_us = timestamp * _MICROSECONDS // SAMPLE_RATE
        delay_us = int(arrived_s * _MICROSECONDS) - counted_us
        self._shortest_us = delay_us if self._shortest_us is None else min(self._shortest_us, delay_us)
        self._packets += 1
        if self._packets == _WINDOW_PACKETS:
            self._end_window(self._shortest_us)
        return counted_us + self._correction_us

    def _end_window(self, shortest_us: int) -> None:
        self._packets, self._shortest_us = 0, None
        if self._usual_us is None:
            self._usual_us = shortest_us
        elif abs(shortest_us - self._usual_us - self._correction_us) > _TOLERANCE_US:
            self._correction_us = shortest_us - self._usual_us
