"""What happens in conversations with a model, in order: what people, the server, tools and the voice do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robot_node.core.events import Event
from robot_node.speech.recognition_messages import TurnEnd
from robot_node.speech.turn_claims import is_speech


@dataclass(frozen=True, slots=True)
class Said:
    """A person said or typed a text; the number of the event that has it."""

    text: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Sound:
    """A person says something: the next piece of its sound, as base64.

    Attributes:
        utterance: Its number.
        sound: What comes next.
    """

    utterance: int
    sound: str


@dataclass(frozen=True, slots=True)
class SoundEnd:
    """What a person said has ended.

    Attributes:
        reason: Why.
        sequence: Number of the event that has its text; None: the robot itself did not understand it.
    """

    reason: TurnEnd
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A person wants silence; what had been said by then, if it is known."""

    said: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Sound of an answer was cut short: which, and how many seconds of it were heard."""

    item_id: str
    index: int
    heard_s: float


@dataclass(frozen=True, slots=True)
class Received:
    """The server sent an event."""

    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A tool has returned."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The server is gone: why."""

    reason: str


Input = Said | Sound | SoundEnd | Stop | Cut | Received | Result | Lost

_MOST = 400
"""Half a minute of sound, and more: people who speak while the server cannot be reached."""

_MOST_RECEIVED = 16
"""While so much waits, nothing more is read from the server."""


class Inputs:
    """A bounded queue. Used from the event loop only."""

    def __init__(self) -> None:
        self._items: deque[Input] = deque()
        self._added, self._taken = asyncio.Event(), asyncio.Event()

    def add(self, item: Input) -> None:
        """Add what cannot wait; it is dropped when far too much waits."""
        if len(self._items) < _MOST:
            self._items.append(item)
            self._added.set()

    async def add_in_time(self, item: Input) -> None:
        """Add what can wait; returns when there is room."""
        while len(self._items) >= _MOST_RECEIVED:
            self._taken.clear()
            await self._taken.wait()
        self.add(item)

    async def next(self, limit_s: float | None = None) -> Input | None:
        """Return what comes next; None: nothing within that time."""
        try:
            async with asyncio.timeout(limit_s):
                while not self._items:
                    self._added.clear()
                    await self._added.wait()
        except TimeoutError:
            return None
        self._taken.set()
        return self._items.popleft()

    def keep(self, wanted: Callable[[Input], bool]) -> None:
        """Drop everything else."""
        self._items = deque(item for item in self._items if wanted(item))
        self._taken.set()


class SpeechInput:
    """Numbers what people say, and adds it to the inputs: the sound near the robot, and texts of everybody.

    A :class:`robot_node.speech.recognition.SpeechSink`.

    Args:
        inputs: Get what people say.
        is_claimed: Whether an agent waits for what is said now: then it is not for the model.
    """

    def __init__(self, inputs: Inputs, is_claimed: Callable[[], bool] = lambda: False) -> None:
        self._inputs = inputs
        self._is_claimed = is_claimed
        self._speaks = self._withheld = self._lost = False
        self._sequence: int | None = None
        self._utterance = 0

    def hear(self, sound: str) -> None:
        """Take the next piece of what somebody says."""
        if not self._speaks:
            self._speaks, self._withheld, self._lost, self._sequence = True, self._is_claimed(), False, None
            self._utterance += 1
        elif self._is_claimed():
            self._withhold()
        if not self._withheld and not self._lost:
            self._inputs.add(Sound(self._utterance, sound))

    def end(self, reason: TurnEnd) -> None:
        """It has ended; of what is not complete nothing goes out from now on."""
        if not self._speaks:
            return
        if self._is_claimed():
            self._withhold()
        self._speaks = False
        if not self._withheld and not self._lost:
            self._end(reason)

    def _withhold(self) -> None:
        """An agent waits for what is said: nothing of it is for the model, not even what was sent already."""
        if not self._withheld and not self._lost:
            self._end(TurnEnd.STOPPED)
        self._withheld = True

    def _end(self, reason: TurnEnd) -> None:
        if reason is not TurnEnd.HEARD:
            number = self._utterance
            self._inputs.keep(lambda item: not (isinstance(item, Sound) and item.utterance == number))
        self._inputs.add(SoundEnd(reason, self._sequence))

    def give_up(self) -> None:
        """Nobody can get the sound of what is said now."""
        self._lost = True
        self._inputs.keep(lambda item: not isinstance(item, Sound | SoundEnd))

    def understand(self, event: Event) -> None:
        """Take the text of what somebody said or typed; it is not needed where the sound of it is there."""
        if is_speech(event) and self._is_claimed():
            if self._speaks and not event.by:
                self._withhold()
        elif event.by or event.kind == "chat" or not self._speaks or self._withheld:
            self._inputs.add(Said(event.text, event.sequence))
        else:
            self._sequence = event.sequence
