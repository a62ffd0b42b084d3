"""The interface of wake word detectors, and how one is made by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from robot_node.core.engine_loading import load_engine

ENTRY_POINTS = "robot_node.wake_words"
"""Group of the entry points by which a package brings a detector: functions of :class:`WakeWordOptions`."""

MICRO, OPEN = "micro-wakeword", "open-wakeword"


@dataclass(frozen=True, slots=True)
class WakeWordOptions:
    """What a detector listens for.

    Attributes:
        words: Names of words that it brings, or paths of models.
        threshold: How sure it must be, 0 to 1; None: as sure as each model's author advises.
    """

    words: tuple[str, ...]
    threshold: float | None = None


class WakeWordDetector(Protocol):
    """Notices wake words. May block; used by one thread only."""

    def hear(self, samples: bytes) -> str:
        """Return the wake word whose end is in this sound; empty when there is none. Each is returned once.

        Args:
            samples: The sound that comes next: signed 16 bit, machine byte order, mono, 16 kHz; any length.

        Raises:
            DeviceError: it failed.
        """

    def forget(self) -> None:
        """Forget the sound so far: what comes next does not continue it."""


def make_wake_words(engine: str, options: WakeWordOptions) -> WakeWordDetector:
    """Make a detector by its name.

    Raises:
        SettingsError: there is no such detector, or no such word.
        DeviceError: its package is missing or does not work.
    """
    if engine == MICRO:
        from robot_node.speech.micro_wakeword import MicroWakeWords  # other detectors need nothing of it

        return MicroWakeWords(options)
    if engine == OPEN:
        from robot_node.speech.open_wakeword import OpenWakeWords

        return OpenWakeWords(options)
    factory = load_engine(
        engine,
        group=ENTRY_POINTS,
        kind="wake word",
        built_in=f"{MICRO}, {OPEN}",
        setting="hearing.wake_word",
    )
    detector: WakeWordDetector = factory(options)
    return detector
