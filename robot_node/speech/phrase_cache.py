"""Keeps the sound of short texts, so that what a robot says often is synthesised once."""

from __future__ import annotations

from collections import OrderedDict

from robot_node.speech.synthesis_engine import LoadingEngine, SpeechEngine
from robot_node.speech.waveform import Waveform

_LONGEST_TEXT = 100
_MOST_TEXTS = 20
_MOST_BYTES = 2_000_000


class PhraseCache:
    """An engine in front of another one, whose speech of short texts it keeps in memory.

    When full, what was used least recently goes first.

    Args:
        engine: Synthesises what is not kept.
        most_texts: How many texts are kept.
        most_bytes: Bytes of sound of all texts together.
    """

    def __init__(self, engine: SpeechEngine, *, most_texts: int = _MOST_TEXTS, most_bytes: int = _MOST_BYTES) -> None:
        self._engine = engine
        self._most_texts = most_texts
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str], Waveform] = OrderedDict()
        self._bytes = 0

    async def check(self, language: str) -> None:
        """Ask the engine, also for texts that are kept.

        Raises:
            DeviceError: the engine is missing or does not work.
            SettingsError: it does not speak this language.
        """
        await self._engine.check(language)

    async def synthesize(self, text: str, language: str) -> Waveform:
        """Return the kept speech, or the engine's.

        Raises:
            DeviceError: the engine failed.
            SettingsError: it does not speak this language.
        """
        key = (text, language)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        speech = await self._engine.synthesize(text, language)
        if len(text) <= _LONGEST_TEXT and key not in self._kept:
            self._keep(key, speech)
        return speech

    async def prepare(self, language: str) -> None:
        """See :meth:`robot_node.speech.synthesis_engine.LoadingEngine.prepare`."""
        if isinstance(self._engine, LoadingEngine):
            await self._engine.prepare(language)

    async def close(self) -> None:
        """See :meth:`robot_node.speech.synthesis_engine.LoadingEngine.close`."""
        if isinstance(self._engine, LoadingEngine):
            await self._engine.close()

    def _keep(self, key: tuple[str, str], speech: Waveform) -> None:
        if len(speech.samples) > self._most_bytes:
            return
        self._kept[key] = speech
        self._bytes += len(speech.samples)
        while len(self._kept) > self._most_texts or self._bytes > self._most_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.samples)
