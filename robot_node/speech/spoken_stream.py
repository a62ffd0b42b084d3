"""Speech that others have made, and that comes piece by piece: its sound with its text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from robot_node.core.media import SpeechFrame
from robot_node.speech.transcript import Transcript
from robot_node.speech.waveform import StreamEncoder

LONGEST_S = 300.0
"""Seconds of one stream; of a longer one the rest is not heard."""

_START_S = 0.1
"""Sound that is there before it is played: what comes a little late makes no gap."""

_PART_S = 0.4
"""Seconds that are prepared at a time, while those before are heard."""


class SpokenStream:
    """One piece of speech: filled while :class:`robot_node.speech.speaker.Speaker` plays it. For the event loop only.

    Args:
        rate: Samples per second of its sound.
        on_cut: Called when it is cut short, with the seconds of it that have been heard.
    """

    def __init__(self, rate: int, on_cut: Callable[[float], None] = lambda _: None) -> None:
        self._rate = rate
        self._on_cut = on_cut
        self._transcript = Transcript()
        self._waiting = bytearray()
        self._received_bytes = 0
        self._changed = asyncio.Event()
        self._complete = self._done = False

    @property
    def received_s(self) -> float:
        """Seconds of sound that have come."""
        return self._received_bytes / 2 / self._rate

    @property
    def waiting_s(self) -> float:
        """Seconds of it that are kept because they have not been heard yet."""
        return len(self._waiting) / 2 / self._rate

    @property
    def is_complete(self) -> bool:
        """Nothing more will come."""
        return self._complete

    @property
    def is_done(self) -> bool:
        """It has been heard, or was cut short."""
        return self._done

    @property
    def text(self) -> str:
        """Its text, as far as it has come."""
        return self._transcript.text

    def add_sound(self, samples: bytes) -> None:
        """Take the sound that comes next: signed 16 bit, machine byte order, mono."""
        room = round(LONGEST_S * self._rate) * 2 - self._received_bytes
        if self._complete or room <= 0:
            return
        self._waiting += samples[:room]
        self._received_bytes += min(len(samples), room)
        self._changed.set()

    def add_text(self, text: str) -> None:
        """Take the text that comes next."""
        if not self._complete:
            self._transcript.add(text)

    def complete(self) -> None:
        """Nothing more will come."""
        self._complete = True
        self._changed.set()

    async def parts(self) -> AsyncGenerator[tuple[SpeechFrame, ...]]:
        """Yield the frames as they come, less than half a second at a time; to be called once."""
        encoder = await asyncio.to_thread(StreamEncoder, self._rate)
        coming = asyncio.create_task(self._next_part(encoder, self._bytes(_START_S)), name="spoken stream")
        try:
            last = False
            while not last:
                frames, last = await coming
                if not last:
                    coming = asyncio.create_task(self._next_part(encoder, 2), name="spoken stream")
                if frames:
                    yield frames
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _next_part(self, encoder: StreamEncoder, enough: int) -> tuple[tuple[SpeechFrame, ...], bool]:
        """Return frames, and whether they are the last; waits for so many bytes."""
        while len(self._waiting) < enough and not self._complete:
            self._changed.clear()
            await self._changed.wait()
        size = min(self._bytes(_PART_S), len(self._waiting) & ~1)
        samples = bytes(self._waiting[:size])
        del self._waiting[:size]
        last = self._complete and len(self._waiting) < 2
        return await asyncio.to_thread(encoder.frames, samples, last=last), last

    def said(self, heard_s: float) -> str:
        """Return the words in its first seconds."""
        return self._transcript.said(self._share(heard_s))

    def next_line(self, heard_s: float) -> tuple[str, str] | None:
        """Return what to show once so many seconds have been heard: see :meth:`Transcript.next_line`."""
        return self._transcript.next_line(self._share(heard_s))

    def finish(self) -> None:
        """It has been heard."""
        self._done = True
        self.complete()

    def cut(self, heard_s: float) -> None:
        """Cut it short after so many seconds; has no effect when it is done."""
        if self._done:
            return
        self.finish()
        self._waiting.clear()
        self._on_cut(min(max(0.0, heard_s), self.received_s))

    def _share(self, heard_s: float) -> float:
        return min(1.0, max(0.0, heard_s) / self.received_s) if self._received_bytes else 0.0

    def _bytes(self, seconds: float) -> int:
        return 2 * round(seconds * self._rate)
