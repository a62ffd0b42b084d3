"""The sound of a model's answers, part by part, played as the robot's voice."""

from __future__ import annotations

import logging
from collections.abc import Callable

from robot_node.errors import RobotNodeError
from robot_node.robot.realtime.actions import SOUND_RATE
from robot_node.speech.spoken_stream import LONGEST_S, SpokenStream

logger = logging.getLogger(__name__)

_MOST = 8
"""Parts of one answer; a model makes one or two."""


class SpokenAnswers:
    """Plays answers while they come. Used from the event loop only.

    Args:
        play: Plays one part after what is spoken now.
        on_cut: Called when a part was cut short: its id, its number, and how many seconds of it were heard.
    """

    def __init__(
        self, play: Callable[[SpokenStream], object], on_cut: Callable[[str, int, float], None] = lambda *_: None
    ) -> None:
        self._play = play
        self._on_cut = on_cut
        self._coming: dict[tuple[str, int], SpokenStream] = {}
        self._playing: list[SpokenStream] = []

    @property
    def is_speaking(self) -> bool:
        """Something of them has not been heard yet."""
        self._playing = [stream for stream in self._playing if not stream.is_done]
        return bool(self._playing)

    @property
    def _waiting_s(self) -> float:
        return sum(stream.waiting_s for stream in self._playing)

    def add_sound(self, item_id: str, index: int, sound: bytes) -> None:
        """Take the sound that comes next of a part; the first makes it begin."""
        stream = self._part(item_id, index)
        if stream is None or stream.is_done or not sound or self._waiting_s >= LONGEST_S:
            return
        is_first = stream.received_s == 0
        stream.add_sound(sound)
        if not is_first:
            return
        self._playing.append(stream)
        try:
            self._play(stream)
        except RobotNodeError as error:
            logger.warning("An answer of the model is not spoken: %s", error)
            stream.cut(0.0)

    def add_text(self, item_id: str, index: int, text: str) -> None:
        """Take the text that comes next of a part."""
        if (stream := self._part(item_id, index)) is not None:
            stream.add_text(text)

    def complete(self) -> None:
        """No more comes of what is there; it is played to its end."""
        for stream in self._coming.values():
            stream.complete()
        self._coming.clear()

    def _part(self, item_id: str, index: int) -> SpokenStream | None:
        key = item_id, index
        if key not in self._coming and len(self._coming) < _MOST:
            self._coming[key] = SpokenStream(SOUND_RATE, lambda heard_s: self._on_cut(item_id, index, heard_s))
        return self._coming.get(key)
