"""What the process of speech recognition tells the robot: one JSON object a line."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any


class TurnEnd(enum.StrEnum):
    """Why a turn has ended."""

    HEARD = "heard"
    SILENCE = "silence"  # nobody spoke, or nothing was understood, within the time
    TOO_LONG = "too_long"  # what was taken for speech did not end
    STOPPED = "stopped"  # a stop phrase or a stop word
    INTERRUPTED = "interrupted"  # the robot, or a viewer, spoke
    SWITCHED_OFF = "switched_off"


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is loaded."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Somebody began or ceased to speak; with turns: the robot began or ceased to wait for speech."""

    begun: bool


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something was understood.

    Attributes:
        text: The recognised text.
        by: The speaker: the ``by`` of the sound in which the utterance began.
        confidence: How sure the engine is, 0 to 1; None: it does not say.
        language: A language tag; empty: the one that the engine was made for.
        seconds: How long the utterance was; None: it is not known.
    """

    text: str
    by: str
    confidence: float | None = None
    language: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PartialUtterance:
    """What was understood so far of an utterance that goes on; what follows may change it."""

    text: str


@dataclass(frozen=True, slots=True)
class SpokenSound:
    """Sound of what somebody says in a turn, which goes on.

    Attributes:
        sound: What comes next of it: base64 of signed 16 bit, little endian, mono, 24 kHz.
    """

    sound: str


@dataclass(frozen=True, slots=True)
class SpokenEnd:
    """What somebody said in a turn has ended.

    Attributes:
        reason: ``HEARD``: it is complete. Else it is not meant for anybody: a stop phrase, or no speech, or the robot
            spoke, or the microphone was closed.
    """

    reason: TurnEnd


@dataclass(frozen=True, slots=True)
class WakeWord:
    """A wake word was heard: its name."""

    name: str


@dataclass(frozen=True, slots=True)
class StopWord:
    """A stop word was heard: its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """A person speaks while the robot does."""


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """What is said now is meant for the robot."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A turn has ended."""

    reason: TurnEnd


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine cannot go on: why, and what helps."""

    error: str
    remedy: str


EngineMessage = (
    Ready
    | Listening
    | Utterance
    | PartialUtterance
    | SpokenSound
    | SpokenEnd
    | WakeWord
    | StopWord
    | Interruption
    | TurnBegan
    | TurnEnded
    | Failed
)

_KINDS: Mapping[str, type[EngineMessage]] = MappingProxyType(
    {
        "ready": Ready,
        "listening": Listening,
        "utterance": Utterance,
        "partial_utterance": PartialUtterance,
        "spoken_sound": SpokenSound,
        "spoken_end": SpokenEnd,
        "wake_word": WakeWord,
        "stop_word": StopWord,
        "interruption": Interruption,
        "turn_began": TurnBegan,
        "turn_ended": TurnEnded,
        "failed": Failed,
    }
)
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_line(message: EngineMessage) -> str:
    """Write a message as a line, without its end."""
    return json.dumps({"kind": _NAMES[type(message)], **asdict(message)})


def from_line(line: str | bytes) -> EngineMessage:
    """Read a line that :func:`to_line` wrote."""
    fields: dict[str, Any] = json.loads(line)
    kind = _KINDS[fields.pop("kind")]
    if "reason" in fields:
        fields["reason"] = TurnEnd(fields["reason"])
    return kind(**fields)
