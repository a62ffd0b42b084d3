"""The interface of voice activity detectors, and how one is made by its name."""

from __future__ import annotations

from typing import Protocol

from robot_node.core.engine_loading import load_engine

ENTRY_POINTS = "robot_node.voice_activity"
"""Group of the entry points by which a package brings a detector: functions without arguments."""

_BUILT_IN = "silero"


class VoiceActivityDetector(Protocol):
    """Tells speech from other sound. May block; used by one thread only."""

    @property
    def frame_samples(self) -> int:
        """How many samples it takes at a time: at 16 kHz, 160 (10 ms) to 1600 (100 ms)."""

    def probability(self, frame: bytes) -> float:
        """Return how likely somebody speaks in this frame, 0 to 1.

        Args:
            frame: The sound that comes next: :attr:`frame_samples` of signed 16 bit, machine byte order, mono, 16 kHz.

        Raises:
            DeviceError: it failed.
        """

    def forget(self) -> None:
        """Forget the sound so far: what comes next does not continue it."""


def make_voice_activity(engine: str) -> VoiceActivityDetector:
    """Make a detector by its name.

    Raises:
        SettingsError: there is no such detector.
        DeviceError: its package is missing or does not work.
    """
    if engine == _BUILT_IN:
        from robot_node.speech.silero import SileroDetector  # other detectors need nothing of it

        return SileroDetector()
    factory = load_engine(
        engine, group=ENTRY_POINTS, kind="voice activity", built_in=_BUILT_IN, setting="hearing.voice_activity"
    )
    detector: VoiceActivityDetector = factory()
    return detector
