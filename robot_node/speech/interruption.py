"""Finds out that a person speaks while the robot itself does. May block."""

from __future__ import annotations

from collections import deque

from robot_node.core.media import Played
from robot_node.speech.decimation import BYTES_PER_S, Decimator
from robot_node.speech.echo import FRAME_S, FRAME_SAMPLES, EchoCanceller
from robot_node.speech.played_sound import PlayedSound
from robot_node.speech.voice_activity import VoiceActivityDetector

_SURE = 0.7
"""Probability of speech: what is left of the robot's own voice resembles speech, too."""

_FRAMES = 4
"""So many frames of the detector in a row: 0.13 s."""

_UNSURE_FRAMES = 6
"""The same, while the way from the loudspeaker to the microphone is not known."""

_LATELY = 4

_SLIP_S = 0.01
"""By how much sound and clock may differ, before sound must have been lost."""

_WAIT_S = 0.1


class InterruptionDetector:
    """Hears a person through the robot's own voice. Used by one thread only.

    Args:
        detector: Of speech, for this purpose alone.
        threshold: Probability from which sound is speech, 0 to 1.

    Raises:
        DeviceError: numpy is missing.
    """

    def __init__(self, detector: VoiceActivityDetector, threshold: float) -> None:
        self._detector = detector
        self._threshold = max(threshold, _SURE)
        self._canceller = EchoCanceller()
        self._played = PlayedSound()
        self._decimator = Decimator()
        self._rest = b""
        self._start: float | None = None  # when its first sample was heard
        self._cleaned = b""
        self._exceeds: deque[bool] = deque(maxlen=_LATELY)
        self._in_a_row = 0

    def played(self, played: Played) -> None:
        """Take what the loudspeaker plays."""
        if self._played.add(self._decimator.decimate(played.samples), played.at, ran_out=played.ran_out):
            self._canceller.begin()

    def overhear(self, decimated: bytes, heard_at: float) -> tuple[bytes, bool]:
        """Take what the microphone hears while the robot speaks.

        Args:
            decimated: The sound that comes next: 16 kHz.
            heard_at: When its last sample was heard, by the clock of :class:`robot_node.core.media.Played`.

        Returns:
            The sound without the robot's voice, at 16 kHz, and whether a person speaks in it. Some of it may come with
            the next call.
        """
        self._rest += decimated
        start = self._start_of_rest(heard_at - len(self._rest) / BYTES_PER_S)
        size, cleaned, person = 2 * FRAME_SAMPLES, b"", False
        while len(self._rest) >= size and not self._is_to_wait(start + FRAME_S, heard_at):
            frame, self._rest = self._rest[:size], self._rest[size:]
            left, exceeds = self._canceller.clean(frame, self._played.since(start, FRAME_SAMPLES))
            start += FRAME_S
            self._exceeds.append(exceeds)
            cleaned += left
            person = self._speaks(left) or person
        self._start = start
        return cleaned, person

    def forget(self) -> None:
        """What comes next does not continue what was heard."""
        self._rest = self._cleaned = b""
        self._start = None
        self._exceeds.clear()
        self._in_a_row = 0
        self._detector.forget()

    def _start_of_rest(self, by_clock: float) -> float:
        """When the first sample that waits was heard: it follows those before it, unless some were lost."""
        if self._start is not None and abs(by_clock - self._start) < _SLIP_S:
            return self._start
        if self._start is not None:
            self._canceller.begin()
        return by_clock

    def _is_to_wait(self, end: float, now: float) -> bool:
        """Whether what was played until then may still arrive: on a busy machine it comes late."""
        return now - end < _WAIT_S and 0 < end - self._played.end < _WAIT_S

    def _speaks(self, left: bytes) -> bool:
        self._cleaned += left
        size = 2 * self._detector.frame_samples
        while len(self._cleaned) >= size:
            frame, self._cleaned = self._cleaned[:size], self._cleaned[size:]
            likely = self._detector.probability(frame) >= self._threshold
            self._in_a_row = self._in_a_row + 1 if likely and sum(self._exceeds) >= _LATELY - 1 else 0
        return self._in_a_row >= (_FRAMES if self._canceller.sure else _UNSURE_FRAMES)
