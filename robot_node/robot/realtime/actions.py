"""What a conversation with a model has the robot do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SOUND_RATE = 24_000
"""Samples per second of all sound, signed 16 bit, little endian, mono."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to the server."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play sound of an answer after what has come of it.

    Attributes:
        item_id: Part of the answer, by its id.
        index: Content of that part, by its number.
        sound: At :data:`SOUND_RATE`.
    """

    item_id: str
    index: int
    sound: bytes


@dataclass(frozen=True, slots=True)
class Caption:
    """More of the text of an answer that is played: see :class:`Play`."""

    item_id: str
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """No more sound of the answer will come."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What a person said, as a model for transcription understood it."""

    text: str


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool, and hand its result to :meth:`Conversation.tool_answered`."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Used:
    """The server counted so many tokens."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The server could not answer: why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The server ends the session, however well it went: why."""

    reason: str


Action = Send | Say | Play | Caption | AnswerEnd | Transcribed | CallTool | Used | Failed | Ended
