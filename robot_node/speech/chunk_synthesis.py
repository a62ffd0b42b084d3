"""Synthesises a text chunk by chunk, each while the one before is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from robot_node.core.media import SpeechFrame
from robot_node.speech.synthesis_engine import SpeechEngine
from robot_node.speech.waveform import SpeechEncoder


class ChunkSynthesis:
    """Synthesises the chunks of a text in order, each while the one before is heard.

    Args:
        engine: Synthesises them.
        chunks: The text, cut by :func:`robot_node.speech.text_chunks.text_chunks`.
        language: A language tag.
    """

    def __init__(self, engine: SpeechEngine, chunks: Iterable[str], language: str) -> None:
        self._engine = engine
        self._language = language
        self._chunks: Iterator[str] = iter(chunks)
        self._encoder: SpeechEncoder | None = None
        self._next: asyncio.Task[tuple[SpeechFrame, ...]] | None = None
        self._start_next()

    async def next_chunk(self) -> tuple[SpeechFrame, ...]:
        """Return the speech of the next chunk; to be called once for each.

        Raises:
            DeviceError: the engine failed.
            SettingsError: it does not speak the language.
        """
        assert self._next is not None
        frames = await self._next
        self._start_next()
        return frames

    async def aclose(self) -> None:
        """Leave nothing running."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    def _start_next(self) -> None:
        chunk = next(self._chunks, None)
        self._next = None if chunk is None else asyncio.create_task(self._synthesize(chunk), name="speech synthesis")

    async def _synthesize(self, chunk: str) -> tuple[SpeechFrame, ...]:
        speech = await self._engine.synthesize(chunk.strip(), self._language)
        if self._encoder is None:
            self._encoder = await asyncio.to_thread(SpeechEncoder)
        return await asyncio.to_thread(self._encoder.frames, speech)
