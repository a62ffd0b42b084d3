"""A model's answer by text, as far as the robot's own voice has spoken it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from robot_node.speech.speaker import SpeechEnd, SpeechTask


class SpokenTexts:
    """The texts of one answer. Used from the event loop only.

    Args:
        on_cut: Called when a text was not spoken to its end: with all that was heard of the answer.
    """

    def __init__(self, on_cut: Callable[[str], object]) -> None:
        self._on_cut = on_cut
        self._tasks: list[SpeechTask] = []

    @property
    def is_speaking(self) -> bool:
        """Something of the answer has not been heard yet."""
        return any(not task.ended.done() for task in self._tasks)

    def forget(self) -> str:
        """Return what has been heard of the answer; what is added from now on belongs to another one."""
        ended = [task.ended.result() for task in self._tasks if task.ended.done()]
        self._tasks.clear()
        return " ".join(end.said for end in ended if end.said)

    def add(self, task: SpeechTask) -> None:
        """Take the text that is spoken next."""
        self._tasks.append(task)
        task.ended.add_done_callback(self._on_ended)

    def _on_ended(self, ended: asyncio.Future[SpeechEnd]) -> None:
        end = ended.result()
        if not end.whole and not end.error and any(task.ended is ended for task in self._tasks):
            self._on_cut(self.forget())  # of several that were stopped together, the first says it
