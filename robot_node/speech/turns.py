"""Turns of a conversation: when the robot listens, and until when. A table; pure, with the time passed in.

Time is that of the microphone's sound, in seconds: it stands still while the microphone is muted.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class TurnState(enum.StrEnum):
    """What the robot listens for."""

    ASLEEP = "asleep"  # the wake word
    OPEN = "open"  # speech: no wake word is configured
    AWAKE = "awake"  # speech, in a turn that has begun
    LISTENING = "listening"  # somebody speaks
    FOLLOW_UP = "follow_up"  # speech, for a while after a turn; the wake word is not needed


class TurnEvent(enum.StrEnum):
    """What happens."""

    WAKE_WORD = "wake_word"
    PUSH_TO_TALK = "push_to_talk"
    SPEECH_BEGINS = "speech_begins"
    SPEECH_ENDS = "speech_ends"  # and something was understood
    NOT_UNDERSTOOD = "not_understood"  # speech, or what was taken for it, has ended
    TIMEOUT = "timeout"
    STOP = "stop"  # a stop phrase
    INTERRUPTION = "interruption"  # a person speaks while the robot does
    ROBOT_SPEAKS = "robot_speaks"  # or a viewer: the microphone is muted meanwhile
    SWITCHED_OFF = "switched_off"


class Next(enum.Enum):
    """A state that depends on the settings, or on what was before."""

    REST = enum.auto()  # ASLEEP, or OPEN without a wake word
    AFTER = enum.auto()  # FOLLOW_UP, if there is to be one; else as REST
    BEFORE = enum.auto()  # the state before LISTENING


_S, _E = TurnState, TurnEvent

TRANSITIONS: Mapping[tuple[TurnState, TurnEvent], TurnState | Next] = MappingProxyType(
    {
        (_S.ASLEEP, _E.WAKE_WORD): _S.AWAKE,
        (_S.ASLEEP, _E.PUSH_TO_TALK): _S.AWAKE,
        (_S.ASLEEP, _E.INTERRUPTION): _S.LISTENING,
        (_S.OPEN, _E.PUSH_TO_TALK): _S.AWAKE,
        (_S.OPEN, _E.INTERRUPTION): _S.LISTENING,
        (_S.OPEN, _E.SPEECH_BEGINS): _S.LISTENING,
        (_S.AWAKE, _E.WAKE_WORD): _S.AWAKE,
        (_S.AWAKE, _E.PUSH_TO_TALK): _S.AWAKE,
        (_S.AWAKE, _E.INTERRUPTION): _S.LISTENING,
        (_S.AWAKE, _E.SPEECH_BEGINS): _S.LISTENING,
        (_S.AWAKE, _E.TIMEOUT): Next.REST,
        (_S.AWAKE, _E.STOP): Next.REST,
        (_S.AWAKE, _E.ROBOT_SPEAKS): _S.AWAKE,
        (_S.AWAKE, _E.SWITCHED_OFF): Next.REST,
        (_S.LISTENING, _E.SPEECH_ENDS): Next.AFTER,
        (_S.LISTENING, _E.NOT_UNDERSTOOD): Next.BEFORE,
        (_S.LISTENING, _E.TIMEOUT): Next.REST,
        (_S.LISTENING, _E.STOP): Next.REST,
        (_S.LISTENING, _E.ROBOT_SPEAKS): Next.BEFORE,
        (_S.LISTENING, _E.SWITCHED_OFF): Next.REST,
        (_S.FOLLOW_UP, _E.WAKE_WORD): _S.AWAKE,
        (_S.FOLLOW_UP, _E.PUSH_TO_TALK): _S.AWAKE,
        (_S.FOLLOW_UP, _E.INTERRUPTION): _S.LISTENING,
        (_S.FOLLOW_UP, _E.SPEECH_BEGINS): _S.LISTENING,
        (_S.FOLLOW_UP, _E.TIMEOUT): Next.REST,
        (_S.FOLLOW_UP, _E.STOP): Next.REST,
        (_S.FOLLOW_UP, _E.ROBOT_SPEAKS): _S.FOLLOW_UP,
        (_S.FOLLOW_UP, _E.SWITCHED_OFF): Next.REST,
    }
)
"""The next state. What is not here changes nothing: who sleeps is not woken by speech."""

_RESTARTS = frozenset({TurnEvent.WAKE_WORD, TurnEvent.PUSH_TO_TALK, TurnEvent.ROBOT_SPEAKS})
"""Events after which the time of the state begins again."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """How long each state lasts, in seconds.

    Attributes:
        wait_s: Until somebody speaks after a wake word.
        longest_s: Of one utterance; what lasts longer is no speech.
        follow_up_s: After a turn; 0 for none.
    """

    wait_s: float = 8.0
    longest_s: float = 15.0
    follow_up_s: float = 8.0


class Turns:
    """The state of the conversation.

    Args:
        has_wake_word: A wake word is needed to begin a turn.
        times: How long each state lasts.
    """

    def __init__(self, *, has_wake_word: bool, times: TurnTimes = TurnTimes()) -> None:
        self._times = times
        self._rest = TurnState.ASLEEP if has_wake_word else TurnState.OPEN
        self._after = TurnState.FOLLOW_UP if has_wake_word and times.follow_up_s > 0 else self._rest
        self._before, self._deadline_before = self._rest, math.inf
        self._state, self._deadline = self._rest, math.inf
        self._wait_s = times.wait_s

    @property
    def state(self) -> TurnState:
        """The state now."""
        return self._state

    @property
    def in_turn(self) -> bool:
        """What is said now is meant for the robot: a wake word came, or somebody speaks."""
        return self._state in {TurnState.AWAKE, TurnState.LISTENING}

    def is_over(self, now: float) -> bool:
        """Whether the time of the state has passed: :attr:`TurnEvent.TIMEOUT` is due."""
        return now >= self._deadline

    def handle(self, event: TurnEvent, now: float, *, wait_s: float | None = None) -> TurnState:
        """Take an event, and return the state after it.

        Args:
            event: What happens.
            now: When, in seconds.
            wait_s: How long the robot waits for speech after this event; None: as the times say, or as before.
        """
        entry = TRANSITIONS.get((self._state, event))
        if entry is None:
            return self._state
        next_state = self._resolve(entry)
        if event in {TurnEvent.WAKE_WORD, TurnEvent.PUSH_TO_TALK}:
            self._wait_s = self._times.wait_s if wait_s is None else wait_s
        if event is TurnEvent.INTERRUPTION:  # who speaks means the robot: it may be said again
            self._before, self._deadline_before = TurnState.AWAKE, now + self._times.wait_s
        elif next_state is TurnState.LISTENING:
            self._before, self._deadline_before = self._state, self._deadline
        if entry is Next.BEFORE and event not in _RESTARTS:
            self._deadline = self._deadline_before
        else:
            self._deadline = now + self._seconds(next_state)
        self._state = next_state
        return next_state

    def _resolve(self, entry: TurnState | Next) -> TurnState:
        match entry:
            case Next.REST:
                return self._rest
            case Next.AFTER:
                return self._after
            case Next.BEFORE:
                return self._before
        return entry

    def _seconds(self, state: TurnState) -> float:
        match state:
            case TurnState.AWAKE:
                return self._wait_s
            case TurnState.LISTENING:
                return self._times.longest_s
            case TurnState.FOLLOW_UP:
                return self._times.follow_up_s
        return math.inf
