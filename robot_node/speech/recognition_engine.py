"""What makes text of sound: a small interface, and how the engine of the settings is found.

An engine runs in a process of its own, which imports nothing else of robot-node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from robot_node.errors import SettingsError

ENTRY_POINTS = "robot_node.recognition_engines"
"""Group of the entry points by which a package brings an engine: functions of :class:`Wanted`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be recognised.

    Attributes:
        language: A language tag such as ``"en"`` (BCP 47).
        phrases: What may be said, word by word; without any, anything may.
        model: Folder of the engine's model; empty for the one that it brings.
    """

    language: str = "en"
    phrases: tuple[str, ...] = ()
    model: str = ""


class Recognizer(Protocol):
    """Makes text of sound. May block; used by one thread only."""

    @property
    def listening(self) -> bool:
        """Somebody is speaking now."""

    def hear(self, samples: bytes) -> str:
        """Listen to what comes next.

        Args:
            samples: Signed 16 bit, machine byte order, 48 kHz, mono; usually 20 ms.

        Returns:
            What was said, once its end has been heard; empty before, and when nothing was understood.

        Raises:
            DeviceError: it failed.
        """

    def forget(self) -> None:
        """Forget what was heard so far: what comes next does not continue it."""


def make_recognizer(engine: str, wanted: Wanted) -> Recognizer:
    """Load an engine.

    Args:
        engine: Its name.
        wanted: What it is to recognise.

    Raises:
        SettingsError: there is no such engine, or it cannot do what is wanted.
        DeviceError: its package is missing or does not work.
    """
    if engine == "pocketsphinx":
        from robot_node.speech.sphinx import SphinxRecognizer  # another one needs nothing of it

        return SphinxRecognizer(wanted)
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if engine not in found:
        known = ", ".join(["none", "pocketsphinx", *sorted(found)])
        raise SettingsError(
            f"There is no speech recognition engine {engine!r} (hearing.engine).", remedy=f"There are: {known}."
        )
    try:
        make: Callable[[Wanted], Recognizer] = found[engine].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"The speech recognition engine {engine!r} cannot be loaded: {error}.",
            remedy="Install its package into robot-node's venv again.",
        ) from error
    return make(wanted)
