"""How much of a text has been said. Pure."""

from __future__ import annotations


class Progress:
    """Follows a text while it is spoken, chunk by chunk."""

    def __init__(self) -> None:
        self._before = self._chunk = ""
        self._seconds = 0.0
        self._began: float | None = None

    def next_chunk(self, chunk: str, seconds: float) -> None:
        """The next chunk follows, which lasts so many seconds; those before have been heard."""
        self._before += self._chunk
        self._chunk, self._seconds, self._began = chunk, seconds, None

    def begin_chunk(self, at: float) -> None:
        """The chunk is heard from that time on, in seconds; only the first call counts."""
        if self._began is None:
            self._began = at

    def said(self, now: float) -> str:
        """Return the words that have been heard by then."""
        if self._began is None or self._seconds <= 0:
            return self._before.strip()
        share = min(1.0, max(0.0, (now - self._began) / self._seconds))
        return (self._before + words_of(self._chunk, share)).strip()


def words_of(text: str, share: float) -> str:
    """Return the words in that share of a text, 0 to 1."""
    end = round(share * len(text))
    if end < len(text):  # whole words, unless the language writes none
        end = max(text.rfind(" ", 0, end + 1), 0) if " " in text.strip() else end
    return text[:end]
