"""Talks with a model for the people around the robot: what they say goes out, what it answers is spoken."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from robot_node.core.events import Event, EventLog
from robot_node.core.state import RobotState, act_for
from robot_node.core.text import printable
from robot_node.errors import RobotNodeError
from robot_node.robot.realtime.actions import CallTool
from robot_node.robot.realtime.budget import DailyBudget
from robot_node.robot.realtime.conversation import Conversation
from robot_node.robot.realtime.inputs import Cut, Input, Inputs, Result, Said, Sound, SoundEnd, SpeechInput, Stop
from robot_node.robot.realtime.messages import SessionOptions, SoundOptions, Tool
from robot_node.robot.realtime.session import Session
from robot_node.robot.realtime.spoken_answers import SpokenAnswers
from robot_node.robot.realtime.spoken_texts import SpokenTexts
from robot_node.robot.realtime.states import State
from robot_node.settings.realtime import RealtimeSettings
from robot_node.speech.speaker import SpeechTask
from robot_node.speech.spoken_stream import SpokenStream
from robot_node.speech.turn_claims import HEARD

logger = logging.getLogger(__name__)

FAULT = "realtime"
"""Name of its fault in the robot's state."""

CONVERSATION = "conversation"
"""Kind of its events: a session began or ended."""

PERSON_SAYS = frozenset({HEARD, "chat"})
PERSON_STOPS = frozenset({"interrupted", "stop_word"})

_CONNECT_S = 10.0
_MAX_MESSAGE_BYTES = 1 << 20


class Voice(Protocol):
    """Speaks."""

    async def say(self, text: str) -> SpeechTask:
        """Speak after what is spoken now."""

    def play(self, stream: SpokenStream) -> object:
        """Speak with the sound that comes, after what is spoken now."""

    def stop(self) -> object:
        """Fall silent."""


class RealtimeBackend:
    """Has a session with the server while somebody talks to the robot. Used from the event loop only.

    Args:
        settings: Server, key, tools and limits.
        state: Gets the fault of a server that cannot be used.
        events: Tells what people say; gets when a session began and ended.
        voice: Speaks the answers.
        tools: What the model may call.
        call_tool: Calls one of them; returns the text of its result.
        is_claimed: Whether an agent waits for what is said now: then it is not for the model.
        was_claimed: The same of what was said or typed already, by the number of its event.
        is_stop_phrase: Whether a text that was understood ends the conversation.
        on_transcribed: Gets what people said, from a model for transcription.
        today: The day, by which limits are counted.

    Attributes:
        speech_input: Takes the sound of what people say.
    """

    def __init__(
        self,
        settings: RealtimeSettings,
        state: RobotState,
        events: EventLog,
        voice: Voice,
        *,
        tools: Sequence[Tool],
        call_tool: Callable[[str, Mapping[str, Any]], Awaitable[str]],
        is_claimed: Callable[[], bool] = lambda: False,
        was_claimed: Callable[[int], bool] = lambda _: False,
        is_stop_phrase: Callable[[str], bool] = lambda _: False,
        on_transcribed: Callable[[str], None] = lambda _: None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._settings = settings
        self._state = state
        self._events = events
        self._voice = voice
        self._tools = tools
        self._call_tool = call_tool
        self._was_claimed = was_claimed
        self._is_stop_phrase = is_stop_phrase
        self._on_transcribed = on_transcribed
        self._today = today
        self._budget = DailyBudget(settings.minutes_per_day, settings.tokens_per_day, settings.sound_minutes_per_day)
        self._inputs = Inputs()
        self._transcribing = False
        self._texts = SpokenTexts(lambda heard: self._inputs.add(Stop(heard)))
        self.speech_input = SpeechInput(self._inputs, is_claimed)

    async def run(self) -> None:
        """Talk until cancelled."""
        stop_listening = self._events.listen(self._on_event)
        try:
            while True:
                match await self._inputs.next():
                    case Said(_, sequence) as said if not self._was_claimed(sequence):
                        await self._answer(said)
                    case Sound() as sound:
                        await self._answer(sound)
        finally:
            stop_listening()

    def _on_event(self, event: Event) -> None:
        is_stop = event.kind in PERSON_STOPS or (event.kind == HEARD and self._is_stop_phrase(event.text))
        if is_stop:
            self.be_silent()
        elif event.kind in PERSON_SAYS and not self._transcribing:
            self.speech_input.understand(event)

    def be_silent(self) -> None:
        """A person wants silence, or an agent listens: call off the answer."""
        self._inputs.add(Stop(""))

    async def _answer(self, first: Input) -> None:
        if reason := self._budget.exhausted(self._today()):
            self._give_up(reason)
            return
        began = time.monotonic()
        try:
            await self._converse(first)
        except (RobotNodeError, OSError, WebSocketException, TimeoutError) as error:
            self._give_up(_reason(error))
        finally:
            self._budget.spend(self._today(), seconds=time.monotonic() - began)

    def _give_up(self, reason: str) -> None:
        if self._state.snapshot.fault(FAULT) != reason:
            logger.error("The model cannot be talked to: %s", reason)
        self._state.set_fault(FAULT, reason)
        self.speech_input.give_up()

    async def _converse(self, first: Input) -> None:
        """One session: from the first thing that a person says until nobody has said anything for a while."""
        settings = self._settings
        headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        longest_s = min(settings.longest_session_s, self._budget.seconds_left(self._today()))
        sound = SoundOptions(settings.sound_voice, settings.transcription_model) if settings.sound else None
        async with connect(
            settings.url, additional_headers=headers, open_timeout=_CONNECT_S, max_size=_MAX_MESSAGE_BYTES
        ) as server:
            self._events.add(CONVERSATION, "A conversation with the model has begun.", details={"state": "began"})
            conversation = Conversation(SessionOptions(settings.instructions, self._tools, sound))
            session = Session(server, conversation, self._inputs, SpokenAnswers(self._play, self._cut), self)
            try:
                async with asyncio.timeout(longest_s):
                    await session.run(first)
            finally:
                await session.close()
                # People who have said something meanwhile begin the next session.
                self._inputs.keep(lambda item: isinstance(item, Said | Sound | SoundEnd))
                self._events.add(CONVERSATION, "The conversation with the model has ended.", details={"state": "ended"})

    async def say(self, text: str) -> None:
        """Speak a part of an answer."""
        try:
            with act_for(self._settings.client_id):
                self._texts.add(await self._voice.say(text))
        except RobotNodeError as error:  # the voice reports its own faults
            logger.warning("An answer of the model is not spoken: %s", error)

    def _play(self, stream: SpokenStream) -> None:
        with act_for(self._settings.client_id):
            self._voice.play(stream)

    def _cut(self, item_id: str, index: int, heard_s: float) -> None:
        self._inputs.add(Cut(item_id, index, heard_s))

    @property
    def is_speaking(self) -> bool:
        """Its own voice still speaks an answer."""
        return self._texts.is_speaking

    def silence(self) -> str:
        """Say no more of an answer; return what has been heard of it, as far as it came as text."""
        self._voice.stop()
        return self._texts.forget()

    def begin_answer(self) -> None:
        """What is spoken from now on answers something else."""
        self._texts.forget()

    async def call(self, call: CallTool) -> None:
        """Call a tool for the model."""
        with act_for(self._settings.client_id):
            text = await self._call_tool(call.name, call.arguments)
        await self._inputs.add_in_time(Result(call.call_id, text))

    def used(self, *, tokens: int = 0, sound_s: float = 0.0) -> str:
        """Count what was used; return which limit is reached, empty while none is."""
        self._budget.spend(self._today(), tokens=tokens, sound_s=sound_s)
        return self._budget.exhausted(self._today())

    def works(self) -> None:
        """The server answers."""
        self._state.set_fault(FAULT, "")

    def transcribed(self, text: str) -> None:
        """A person said this; the model has heard it already."""
        if not (line := printable(text)):
            return
        self._transcribing = True
        try:
            self._on_transcribed(line)
        finally:
            self._transcribing = False

    def was_claimed(self, sequence: int) -> bool:
        """The event of that number was for an agent, and is not for the model."""
        return self._was_claimed(sequence)

    def limit_s(self, state: State) -> float:
        """How long to wait for the next thing to happen."""
        return self._settings.idle_s if state is State.WAITING else self._settings.answer_timeout_s


def _reason(error: Exception) -> str:
    match error:
        case InvalidStatus():
            status = error.response.status_code
            hint = " Check realtime.key." if status in {401, 403} else " Check realtime.url." if status == 404 else ""
            return f"The server refuses the connection: HTTP {status}.{hint}"
        case TimeoutError():
            return "The conversation was too long, or the server cannot be reached in time."
        case RobotNodeError():
            return str(error)
    return f"The server cannot be reached: {str(error).rstrip('.') or type(error).__name__}."
