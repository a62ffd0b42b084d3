"""The interface of speech synthesis engines, and the engine that the settings name."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from robot_node.core.engine_loading import load_engine
from robot_node.settings.devices import VoiceSettings
from robot_node.speech.espeak import EspeakEngine
from robot_node.speech.piper import PiperEngine
from robot_node.speech.sherpa_speech import SherpaEngine
from robot_node.speech.waveform import Waveform

ENTRY_POINTS = "robot_node.speech_engines"
"""Group of the entry points by which a package brings an engine: functions of :class:`VoiceSettings`."""


class SpeechEngine(Protocol):
    """Synthesises speech. Used from the event loop only, and by one text at a time."""

    async def check(self, language: str) -> None:
        """Make sure that a text in this language can be spoken.

        Args:
            language: A language tag such as ``"en"`` or ``"zh"`` (BCP 47).

        Raises:
            DeviceError: the engine is missing or does not work.
            SettingsError: it does not speak this language.
        """

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Synthesise one sentence or so. When cancelled, return at once.

        Args:
            text: Printable characters.
            language: As for :meth:`check`.

        Raises:
            DeviceError: it failed.
            SettingsError: it does not speak this language.
        """


@runtime_checkable
class LoadingEngine(SpeechEngine, Protocol):
    """A speech engine that keeps voices loaded between texts."""

    async def prepare(self, language: str) -> None:
        """Load the voice of a language at the robot's start, if the settings ask for it.

        Raises:
            DeviceError: the engine is missing or does not work.
            SettingsError: it does not speak this language.
        """

    async def close(self) -> None:
        """Unload all voices."""


def make_engine(settings: VoiceSettings) -> SpeechEngine | None:
    """Make the engine that the settings name; None for ``"none"``.

    Raises:
        SettingsError: there is no such engine, and the remedy lists those there are; or it needs other settings too.
    """
    if settings.engine == "none":
        return None
    if settings.engine == EspeakEngine.NAME:
        return EspeakEngine(
            rate=settings.rate,
            pitch=settings.pitch,
            program=settings.program or EspeakEngine.NAME,
            by_language=settings.voice_by_language,
        )
    if settings.engine == PiperEngine.NAME:
        return PiperEngine(
            folder=settings.voices,
            voice=settings.voice,
            by_language=settings.voice_by_language,
            rate=settings.rate,
            program=settings.program or PiperEngine.NAME,
            unload_after_s=settings.unload_after_s,
            memory_mb=settings.memory_mb,
        )
    if settings.engine == SherpaEngine.NAME:
        return SherpaEngine(
            folder=settings.voices,
            voice=settings.voice,
            by_language=settings.voice_by_language,
            rate=settings.rate,
            unload_after_s=settings.unload_after_s,
            memory_mb=settings.memory_mb,
        )
    built_in = f"{EspeakEngine.NAME}, {PiperEngine.NAME}, {SherpaEngine.NAME}"
    factory = load_engine(settings.engine, group=ENTRY_POINTS, kind="speech", built_in=built_in, setting="voice.engine")
    engine: SpeechEngine = factory(settings)
    return engine
