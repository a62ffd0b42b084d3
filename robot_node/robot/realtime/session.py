"""One session with a server of OpenAI Realtime: what comes is handled in order, and what follows is done."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.json_limits import check_json
from robot_node.errors import RemoteError
from robot_node.robot.realtime.actions import (
    SOUND_RATE,
    Action,
    AnswerEnd,
    CallTool,
    Caption,
    Ended,
    Failed,
    Play,
    Say,
    Send,
    Transcribed,
    Used,
)
from robot_node.robot.realtime.conversation import Conversation
from robot_node.robot.realtime.inputs import Cut, Input, Inputs, Lost, Received, Result, Said, Sound, SoundEnd, Stop
from robot_node.robot.realtime.spoken_answers import SpokenAnswers
from robot_node.robot.realtime.states import State
from robot_node.speech.recognition_messages import TurnEnd

_MAX_VALUES = 20_000


class Surroundings(Protocol):
    """The robot, as a session needs it."""

    async def say(self, text: str) -> None:
        """Speak a part of an answer with the robot's own voice."""

    @property
    def is_speaking(self) -> bool:
        """Its own voice still speaks an answer."""

    def silence(self) -> str:
        """Say no more of an answer; return what has been heard of it, as far as it came as text."""

    def begin_answer(self) -> None:
        """What is spoken from now on answers something else."""

    async def call(self, call: CallTool) -> None:
        """Call a tool for the model; its result is an input."""

    def used(self, *, tokens: int = 0, sound_s: float = 0.0) -> str:
        """Count what was used; return which limit is reached, empty while none is."""

    def works(self) -> None:
        """The server answers."""

    def transcribed(self, text: str) -> None:
        """A person said this."""

    def was_claimed(self, sequence: int) -> bool:
        """The event of that number was for an agent, and is not for the model."""

    def limit_s(self, state: State) -> float:
        """How long to wait for the next thing to happen."""


class Session:
    """A session with a server.

    Args:
        server: The connection.
        conversation: What is said in it.
        inputs: What happens.
        answers: Plays the sound of the answers.
        robot: The robot.
    """

    def __init__(
        self,
        server: ClientConnection,
        conversation: Conversation,
        inputs: Inputs,
        answers: SpokenAnswers,
        robot: Surroundings,
    ) -> None:
        self._server = server
        self._conversation = conversation
        self._inputs = inputs
        self._answers = answers
        self._robot = robot
        self._reading: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._is_ended = False

    async def run(self, first: Input) -> None:
        """Talk until nobody has said anything for a while.

        Args:
            first: What a person said.

        Raises:
            RemoteError: the server does not answer, refuses, or ends the session in the middle; a limit is reached.
        """
        self._reading = asyncio.create_task(self._read(), name="realtime events")
        await self._act(self._conversation.begin())
        came: Input | None = first
        while not self._is_ended:
            if came is not None:
                await self._handle(came)
            elif self._conversation.state is not State.WAITING:
                raise RemoteError("The server does not answer.", remedy="See whether it is overloaded.")
            elif not self._is_speaking:
                return
            if not self._is_ended:
                came = await self._inputs.next(self._robot.limit_s(self._conversation.state))

    async def close(self) -> None:
        """Leave nothing running; what has come of an answer is played to its end."""
        self._answers.complete()
        for task in filter(None, (self._reading, *self._calls)):
            await cancel_and_wait(task)

    async def _handle(self, came: Input) -> None:
        conversation = self._conversation
        match came:
            case Said(text, sequence):
                if not self._robot.was_claimed(sequence):
                    await self._make_room()
                    self._robot.begin_answer()
                    await self._act(conversation.person_said(text))
            case Sound(_, sound):
                await self._make_room()
                await self._act(conversation.person_speaks(sound))
                self._check(self._robot.used(sound_s=_seconds_of(sound)))
            case SoundEnd():
                await self._end_speech(came)
            case Stop(said):
                await self._act(conversation.stop(said))
            case Cut(item_id, index, heard_s):
                await self._act(conversation.cut(item_id, index, heard_s))
            case Received(event):
                await self._act(conversation.received(event))
            case Result(call_id, text):
                await self._act(conversation.tool_answered(call_id, text))
            case Lost(reason):
                self._end(reason)

    @property
    def _is_speaking(self) -> bool:
        return self._answers.is_speaking or self._robot.is_speaking

    async def _make_room(self) -> None:
        """A person speaks: an answer that is still being made or spoken is not wanted any more."""
        if (self._conversation.state is State.ANSWERING or self._is_speaking) and (heard := self._robot.silence()):
            await self._act(self._conversation.stop(heard))

    def _end(self, reason: str) -> None:
        """The server ends the session: each has a longest time. What a person says next begins another one."""
        if not self._conversation.is_idle:
            raise RemoteError(f"The server has ended the conversation: {reason.rstrip('.')}.")
        self._is_ended = True

    async def _end_speech(self, end: SoundEnd) -> None:
        is_for_agent = end.sequence is not None and self._robot.was_claimed(end.sequence)
        await self._act(
            self._conversation.speech_ended(
                complete=end.reason is TurnEnd.HEARD and not is_for_agent,
                understood=end.sequence is not None,
                silence=end.reason is TurnEnd.STOPPED,
            )
        )

    async def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(message):
                    await self._server.send(json.dumps(message))
                case Say(text):
                    self._robot.works()
                    await self._robot.say(text)
                case Play(item_id, index, sound):
                    self._robot.works()
                    self._answers.add_sound(item_id, index, sound)
                    self._check(self._robot.used(sound_s=len(sound) / 2 / SOUND_RATE))
                case Caption(item_id, index, text):
                    self._answers.add_text(item_id, index, text)
                case AnswerEnd():
                    self._answers.complete()
                case Transcribed(text):
                    self._robot.transcribed(text)
                case CallTool():
                    task = asyncio.create_task(self._robot.call(action), name=f"tool {action.name} for the model")
                    self._calls.add(task)
                    task.add_done_callback(self._calls.discard)
                case Used(tokens):
                    self._check(self._robot.used(tokens=tokens))
                case Ended(reason):
                    self._end(reason)
                case Failed(reason):
                    raise RemoteError(f"The server refuses: {reason.rstrip('.')}.")

    @staticmethod
    def _check(limit: str) -> None:
        if limit:
            raise RemoteError(limit)

    async def _read(self) -> None:
        try:
            async for message in self._server:
                data = message.encode() if isinstance(message, str) else message
                try:
                    check_json(data, max_values=_MAX_VALUES)
                    event = json.loads(data)
                except (ValueError, RecursionError):
                    continue
                if isinstance(event, dict):
                    await self._inputs.add_in_time(Received(event))
            await self._inputs.add_in_time(Lost("it closed the connection"))
        except ConnectionClosed as error:
            reason = str(error.rcvd.reason if error.rcvd and error.rcvd.reason else "it is gone")
            await self._inputs.add_in_time(Lost(reason))


def _seconds_of(sound: str) -> float:
    return len(base64.b64decode(sound)) / 2 / SOUND_RATE
