"""What the loudspeaker played and when, next to what the microphone heard and when. Pure: times are passed in."""

from __future__ import annotations

from robot_node.speech.decimation import BYTES_PER_S, RATE

_KEPT_BYTES = 2 * BYTES_PER_S
_GAP_S = 0.004
"""A piece that comes so much later than the one before ended: the device had run out of sound, and begins again."""

_PAUSE_S = 0.5
"""What was played before such a gap is not heard any more."""


class PlayedSound:
    """The last two seconds of what the loudspeaker played, at 16 kHz."""

    def __init__(self) -> None:
        self._samples = bytearray()
        self._end = float("-inf")

    @property
    def end(self) -> float:
        """When the last sample that is known is played, in seconds; minus infinity before the first one."""
        return self._end

    def add(self, samples: bytes, at: float, *, ran_out: bool = False) -> bool:
        """Take what comes next.

        Args:
            samples: Signed 16 bit, mono, 16 kHz.
            at: When it was handed to the loudspeaker, in seconds; several pieces at once follow one another.
            ran_out: The device says that it had run out of sound.

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
        return ran_out or gap_s > _GAP_S

    def since(self, start: float, count: int) -> bytes:
        """Return so many samples from that time on; silence where nothing was played."""
        if not self._samples:
            return bytes(2 * count)
        first = 2 * round((start - self._end) * RATE) + len(self._samples)
        if first < 0:
            return bytes(min(-first, 2 * count)) + bytes(self._samples[: max(0, first + 2 * count)])
        return bytes(self._samples[first : first + 2 * count]).ljust(2 * count, b"\0")
