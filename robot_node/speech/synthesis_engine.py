"""What makes speech of text: a small interface, and how the engine of the settings is found."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol

from robot_node.errors import SettingsError
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.waveform import Waveform

ENTRY_POINTS = "robot_node.speech_engines"
"""Group of the entry points by which a package brings an engine: functions of :class:`VoiceSettings`."""


class SpeechEngine(Protocol):
    """Makes speech of text. Used from the event loop only, and by one text at a time."""

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken.

        Args:
            language: A language tag such as ``"en"`` or ``"zh"`` (BCP 47).

        Raises:
            DeviceError: the engine is missing or does not work.
            SettingsError: it does not speak this language.
        """

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Make speech of one sentence or so. When cancelled, it leaves nothing running.

        Args:
            text: Printable characters.
            language: As for :meth:`check`.

        Raises:
            DeviceError: it failed.
            SettingsError: it does not speak this language.
        """


def make_engine(settings: VoiceSettings) -> SpeechEngine | None:
    """The engine that the settings name; None for ``"none"``.

    Raises:
        SettingsError: there is no such engine; the remedy lists those there are.
    """
    if settings.engine == "none":
        return None
    if settings.engine == EspeakEngine.NAME:
        return EspeakEngine(rate=settings.rate, pitch=settings.pitch)
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if settings.engine not in found:
        known = ", ".join(["none", EspeakEngine.NAME, *sorted(found)])
        raise SettingsError(
            f"There is no speech engine {settings.engine!r} (voice.engine).", remedy=f"There are: {known}."
        )
    try:
        engine: SpeechEngine = found[settings.engine].load()(settings)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"The speech engine {settings.engine!r} cannot be loaded: {error}.",
            remedy="Install its package into robot-node's venv again.",
        ) from error
    return engine
