"""Finds out that a person speaks while the robot itself does. May block."""

from __future__ import annotations

from collections import deque

from robot_node.speech.decimation import BYTES_PER_S, Decimator
from robot_node.speech.echo import FRAME_SAMPLES, EchoCanceller
from robot_node.speech.played_sound import PlayedSound
from robot_node.speech.voice_activity import VoiceActivityDetector

_SURE = 0.7
"""Probability of speech: what is left of the robot's own voice resembles speech, too."""

_FRAMES = 3
"""So many frames of the detector in a row: 0.1 s."""

_LATELY = 4


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
        self._cleaned = b""
        self._exceeds: deque[bool] = deque(maxlen=_LATELY)
        self._in_a_row = 0

    def played(self, samples: bytes, at: float) -> None:
        """Take what the loudspeaker plays: 48 kHz, and when it was handed to it, in seconds."""
        if self._played.add(self._decimator.decimate(samples), at):
            self._canceller.begin()

    def overhear(self, decimated: bytes, heard_at: float) -> tuple[bytes, bool]:
        """Take what the microphone hears while the robot speaks.

        Args:
            decimated: The sound that comes next: 16 kHz.
            heard_at: When its last sample was heard, by the clock of :meth:`played`.

        Returns:
            The sound without the robot's voice, at 16 kHz, and whether a person speaks in it.
        """
        self._rest += decimated
        size, cleaned, person = 2 * FRAME_SAMPLES, b"", False
        while len(self._rest) >= size:
            start = heard_at - len(self._rest) / BYTES_PER_S
            frame, self._rest = self._rest[:size], self._rest[size:]
            left, exceeds = self._canceller.clean(frame, self._played.since(start, FRAME_SAMPLES))
            self._exceeds.append(exceeds)
            cleaned += left
            person = self._speaks(left) or person
        return cleaned, person

    def forget(self) -> None:
        """What comes next does not continue what was heard."""
        self._rest = self._cleaned = b""
        self._exceeds.clear()
        self._in_a_row = 0
        self._detector.forget()

    def _speaks(self, left: bytes) -> bool:
        self._cleaned += left
        size = 2 * self._detector.frame_samples
        while len(self._cleaned) >= size:
            frame, self._cleaned = self._cleaned[:size], self._cleaned[size:]
            likely = self._detector.probability(frame) >= self._threshold
            self._in_a_row = self._in_a_row + 1 if likely and sum(self._exceeds) >= _LATELY - 1 else 0
        return self._in_a_row >= _FRAMES
