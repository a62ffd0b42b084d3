"""What the loudspeaker played and when, next to what the microphone heard and when. Pure: times are passed in."""

from __future__ import annotations

from robot_node.speech.decimation import BYTES_PER_S, RATE

_KEPT_BYTES = 2 * BYTES_PER_S
_GAP_S = 0.004
"""A piece that comes so much later than the one before ended: the device had run out of sound, and begins again."""

_PAUSE_S = 0.5
"""What was played before such a gap is not heard any more."""

_LATE_S = 0.2
_RISE = 1e-6


class PlayedSound:
    """The last two seconds of what the loudspeaker played, at 16 kHz."""

    def __init__(self) -> None:
        self._samples = bytearray()
        self._end = float("-inf")

    def add(self, samples: bytes, at: float) -> bool:
        """Take what comes next.

        Args:
            samples: Signed 16 bit, mono, 16 kHz.
            at: When it was handed to the loudspeaker, in seconds; several pieces at once follow one another.

        Returns:
            The device had run out of sound: it may take another while now until it is heard.
        """
        gap_s = at - self._end
        if gap_s > _GAP_S:
            if gap_s > _PAUSE_S:
                self._samples.clear()
            else:
                self._samples += bytes(2 * round(gap_s * RATE))
            self._end = at
        self._samples += samples
        self._end += len(samples) / BYTES_PER_S
        del self._samples[: max(0, len(self._samples) - _KEPT_BYTES)]
        return gap_s > _GAP_S

    def since(self, start: float, count: int) -> bytes:
        """Return so many samples from that time on; silence where nothing was played."""
        if not self._samples:
            return bytes(2 * count)
        first = 2 * round((start - self._end) * RATE) + len(self._samples)
        if first < 0:
            return bytes(min(-first, 2 * count)) + bytes(self._samples[: max(0, first + 2 * count)])
        return bytes(self._samples[first : first + 2 * count]).ljust(2 * count, b"\0")


class MicrophoneClock:
    """When the microphone's samples were heard: of all that may have delayed them, the least counts."""

    def __init__(self) -> None:
        self._offset = float("inf")

    def time_of(self, position_s: float, arrived: float) -> float:
        """Return when the newest sample was heard.

        Args:
            position_s: Seconds of sound so far.
            arrived: When the newest came.
        """
        offset = arrived - position_s
        if offset > self._offset + _LATE_S:  # some was lost
            self._offset = offset
        self._offset = min(self._offset + _RISE, offset)  # no two clocks are quite the same
        return self._offset + position_s
