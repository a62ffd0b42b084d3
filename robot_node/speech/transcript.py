"""The text of speech that comes as sound: nobody says when each word is heard. Pure."""

from __future__ import annotations

from robot_node.speech.progress import words_of
from robot_node.speech.text_chunks import sentences

LONGEST = 10_000
"""Characters that are kept; the sound of more is heard without them."""

_LONGEST_LINE = 400


class Transcript:
    """Takes a text to be spread evenly over its sound, and shows it sentence by sentence."""

    def __init__(self) -> None:
        self._text = ""
        self._position = 0  # up to which it has been heard
        self._shown = 0  # up to which it has been shown

    @property
    def text(self) -> str:
        """What has come so far."""
        return self._text.strip()

    def add(self, text: str) -> None:
        """Take what comes next."""
        clean = "".join(char if char.isprintable() else " " for char in text)
        self._text = (self._text + clean).lstrip()[:LONGEST]

    def said(self, share: float) -> str:
        """Return the words that are heard in that share of the sound so far, 0 to 1."""
        return words_of(self._text, share).strip()

    def next_line(self, share: float) -> tuple[str, str] | None:
        """Return the sentence that is heard now, as far as it has come, and what is new in the text up to its end.

        Args:
            share: Of the sound so far, how much has been heard: 0 to 1.

        Returns:
            None while there is nothing new.
        """
        self._position = max(self._position, round(share * len(self._text)))
        end, line = 0, ""
        for sentence in sentences(self._text):
            end, line = end + len(sentence), sentence
            if self._position < end:
                break
        if not self._text[self._shown : end].strip():
            return None
        new, self._shown = self._text[self._shown : end], end
        return line.strip()[-_LONGEST_LINE:], new
