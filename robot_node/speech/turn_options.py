"""What the process of speech recognition is to do about turns; robot-node's side writes it, the process reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

NONE = "none"


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How turns begin and end.

    Attributes:
        voice_activity: Name of the voice activity detector; ``"none"``: no turns, the engine of recognition finds the
            beginning and the end of speech itself.
        speech_threshold: Probability from which sound is speech, 0 to 1.
        wake_word: Name of the wake word detector; ``"none"``: whatever is said is meant for the robot.
        wake_words: What it listens for.
        stop_words: Wake words that silence the robot, and end a turn, instead of beginning one.
        wake_threshold: How sure it must be, 0 to 1; None: as each model's author advises.
        end_of_speech_s: Silence, in seconds, after which speech has ended.
        follow_up_s: For so many seconds after a turn the wake word is not needed.
        stop_phrases: Texts that end a turn.
        interruptible: A person who speaks while the robot does interrupts it, and begins a turn.
        sound: What is said in a turn is also handed on as sound; then what the engine does not understand ends a turn,
            too.
    """

    voice_activity: str = NONE
    speech_threshold: float = 0.5
    wake_word: str = NONE
    wake_words: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ()
    wake_threshold: float | None = None
    end_of_speech_s: float = 0.7
    follow_up_s: float = 8.0
    stop_phrases: tuple[str, ...] = ()
    interruptible: bool = False
    sound: bool = False

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read the fields as JSON has them."""
        lists = {key: tuple(fields[key]) for key in ("wake_words", "stop_words", "stop_phrases")}
        return cls(**{**fields, **lists})
