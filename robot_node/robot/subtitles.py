"""Subtitles: what the media backend heard and says, as text below the face."""

from __future__ import annotations

import re
from collections.abc import Callable

from robot_node.webrtc.messages import (
    AsrResponse,
    BackendMessage,
    DataMessage,
    TextMessage,
    TtsBegin,
    TtsComplete,
    TtsTerminate,
    TtsText,
)

_SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s*")
"""After a full stop and the like, Latin or Chinese."""

_LONGEST = 400
"""Characters shown of a sentence without end."""


class Subtitles:
    """Turns the backend's messages into text to show.

    Args:
        show: Shows a text; an empty one clears it.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._task_id: str | None = None
        self._sentence = ""

    def receive(self, message: BackendMessage) -> None:
        """Show the text of a message."""
        match message:
            case AsrResponse(results):
                self._show(f"\u201c{results.strip()}\u201d" if results.strip() else "")
            case TextMessage(payload):
                self._show(payload)
            case DataMessage():
                pass  # for programs: see Chat.receive_data
            case TtsBegin(task_id):
                self._begin(task_id)
            case TtsText(task_id, text):
                if task_id != self._task_id:
                    self._begin(task_id)
                self._add(text)
            case TtsComplete(task_id):
                if task_id == self._task_id:
                    self._begin(None)  # the text stays until it has been read
            case TtsTerminate(task_id):
                if task_id == self._task_id:
                    self._begin(None)
                    self._show("")

    def _begin(self, task_id: str | None) -> None:
        self._task_id, self._sentence = task_id, ""

    def _add(self, text: str) -> None:
        """Add a chunk; shown are the sentence that it completes, if any, and the one that it begins."""
        sentences = _SENTENCE_END.split(self._sentence + text)
        self._sentence = sentences[-1][-_LONGEST:]
        if shown := " ".join(sentences[-2:]).strip()[-_LONGEST:]:
            self._show(shown)
