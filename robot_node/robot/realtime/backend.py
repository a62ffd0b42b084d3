"""Talks with a model for the people around the robot: what they say goes out as text, what it answers is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.events import Event, EventLog
from robot_node.core.json_limits import check_json
from robot_node.core.state import RobotState, act_for
from robot_node.errors import RemoteError, RobotNodeError
from robot_node.robot.realtime.budget import DailyBudget
from robot_node.robot.realtime.conversation import Action, CallTool, Conversation, Failed, Say, Send, State, Used
from robot_node.settings.realtime import RealtimeSettings

logger = logging.getLogger(__name__)

FAULT = "realtime"
"""Name of its fault in the robot's state."""

CONVERSATION = "conversation"
"""Kind of its events: a session began or ended."""

PERSON_SAYS = frozenset({"heard", "chat"})
PERSON_STOPS = frozenset({"interrupted", "stop_word"})

_CONNECT_S = 10.0
_MAX_MESSAGE_BYTES = 1 << 20
_MAX_VALUES = 20_000
_WAITING = 16


class Voice(Protocol):
    """Speaks."""

    async def say(self, text: str) -> object:
        """Speak after what is spoken now."""

    def stop(self) -> object:
        """Fall silent."""


Tool = tuple[str, str, Mapping[str, Any]]
"""Name, description and JSON schema."""


@dataclass(frozen=True, slots=True)
class _Person:
    text: str


@dataclass(frozen=True, slots=True)
class _Stop:
    said: str


@dataclass(frozen=True, slots=True)
class _Received:
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Result:
    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Lost:
    reason: str


_Input = _Person | _Stop | _Received | _Result | _Lost


class RealtimeBackend:
    """Has a session with the server while somebody talks to the robot. Used from the event loop only.

    Args:
        settings: Server, key, tools and limits.
        state: Gets the fault of a server that cannot be used.
        events: Tells what people say; gets when a session began and ended.
        voice: Speaks the answers.
        tools: What the model may call.
        call_tool: Calls one of them; returns the text of its result.
        today: The day, by which limits are counted.
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
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._settings = settings
        self._state = state
        self._events = events
        self._voice = voice
        self._tools = tools
        self._call_tool = call_tool
        self._today = today
        self._budget = DailyBudget(settings.minutes_per_day, settings.tokens_per_day)
        self._inputs: asyncio.Queue[_Input] = asyncio.Queue(_WAITING)

    async def run(self) -> None:
        """Talk until cancelled."""
        stop_listening = self._events.listen(self._on_event)
        try:
            while True:
                match await self._inputs.get():
                    case _Person(text):
                        await self._answer(text)
        finally:
            stop_listening()

    def _on_event(self, event: Event) -> None:
        if event.kind in PERSON_SAYS:
            self._put(_Person(event.text))
        elif event.kind in PERSON_STOPS:
            self._put(_Stop(str(event.details.get("said", ""))))

    def _put(self, item: _Input) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # people who talk faster than a model answers
            self._inputs.put_nowait(item)

    async def _answer(self, text: str) -> None:
        if reason := self._budget.exhausted(self._today()):
            self._report(reason)
            return
        began = time.monotonic()
        try:
            await self._converse(text)
        except (RobotNodeError, OSError, WebSocketException, TimeoutError) as error:
            self._report(_reason(error))
        finally:
            self._budget.spend(self._today(), seconds=time.monotonic() - began)

    def _report(self, reason: str) -> None:
        if self._state.snapshot.fault(FAULT) != reason:
            logger.error("The model cannot be talked to: %s", reason)
        self._state.set_fault(FAULT, reason)

    async def _converse(self, text: str) -> None:
        """One session: from the first thing that a person says until nobody has said anything for a while."""
        settings = self._settings
        headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        longest_s = min(settings.longest_session_s, self._budget.seconds_left(self._today()))
        async with connect(
            settings.url, additional_headers=headers, open_timeout=_CONNECT_S, max_size=_MAX_MESSAGE_BYTES
        ) as server:
            self._events.add(CONVERSATION, "A conversation with the model has begun.", details={"state": "began"})
            session = _Session(server, Conversation(settings.instructions, self._tools), self)
            self._inputs = asyncio.Queue(_WAITING)  # nothing of an earlier session is in it
            try:
                async with asyncio.timeout(longest_s):
                    await session.run(text)
            finally:
                await session.close()
                self._keep_people()
                self._events.add(CONVERSATION, "The conversation with the model has ended.", details={"state": "ended"})

    def _keep_people(self) -> None:
        """People who have said something meanwhile begin the next session."""
        before, self._inputs = self._inputs, asyncio.Queue(_WAITING)
        while not before.empty():
            if isinstance(item := before.get_nowait(), _Person):
                self._put(item)

    async def next_input(self, limit_s: float) -> _Input | None:
        """Return what comes next; None: nothing within that time."""
        try:
            return await asyncio.wait_for(self._inputs.get(), limit_s)
        except TimeoutError:
            return None

    async def put(self, item: _Input) -> None:
        """Add what the server or a tool says; waits while too much does."""
        await self._inputs.put(item)

    async def say(self, text: str) -> None:
        """Speak a part of an answer."""
        try:
            with act_for(self._settings.client_id):
                await self._voice.say(text)
        except RobotNodeError as error:  # the voice reports its own faults
            logger.warning("An answer of the model is not spoken: %s", error)

    def silence(self) -> None:
        """Say no more of an answer."""
        self._voice.stop()

    async def call(self, call: CallTool) -> None:
        """Call a tool for the model."""
        with act_for(self._settings.client_id):
            text = await self._call_tool(call.name, call.arguments)
        await self.put(_Result(call.call_id, text))

    def used(self, tokens: int) -> str:
        """Count tokens; return which limit is reached, empty while none is."""
        self._budget.spend(self._today(), tokens=tokens)
        return self._budget.exhausted(self._today())

    def works(self) -> None:
        """The server answers."""
        self._state.set_fault(FAULT, "")

    def limits_s(self, state: State) -> float:
        """How long to wait for the next thing to happen."""
        return self._settings.idle_s if state is State.WAITING else self._settings.answer_timeout_s


class _Session:
    def __init__(self, server: ClientConnection, conversation: Conversation, backend: RealtimeBackend) -> None:
        self._server = server
        self._conversation = conversation
        self._backend = backend
        self._reading: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self, text: str) -> None:
        """Talk until nobody has said anything for a while.

        Raises:
            RemoteError: the server does not answer, refuses, or ends the session.
        """
        self._reading = asyncio.create_task(self._read(), name="realtime events")
        conversation = self._conversation
        await self._act(conversation.begin())
        await self._act(conversation.person_said(text))
        while True:
            came = await self._backend.next_input(self._backend.limits_s(conversation.state))
            match came:
                case _Person(text):
                    if conversation.state is State.ANSWERING:
                        self._backend.silence()
                    await self._act(conversation.person_said(text))
                case _Stop(said):
                    await self._act(conversation.stop(said))
                case _Received(event):
                    await self._act(conversation.received(event))
                case _Result(call_id, text):
                    await self._act(conversation.tool_answered(call_id, text))
                case _Lost(reason):
                    raise RemoteError(f"The server has ended the conversation: {reason}.")
                case None if conversation.state is State.WAITING:
                    return
                case None:
                    raise RemoteError("The server does not answer.", remedy="See whether it is overloaded.")

    async def close(self) -> None:
        for task in filter(None, (self._reading, *self._calls)):
            await cancel_and_wait(task)

    async def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(message):
                    await self._server.send(json.dumps(message))
                case Say(text):
                    self._backend.works()
                    await self._backend.say(text)
                case CallTool():
                    task = asyncio.create_task(self._backend.call(action), name=f"tool {action.name} for the model")
                    self._calls.add(task)
                    task.add_done_callback(self._calls.discard)
                case Used(tokens):
                    if reason := self._backend.used(tokens):
                        raise RemoteError(reason)
                case Failed(reason):
                    raise RemoteError(f"The server refuses: {reason.rstrip('.')}.")

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
                    await self._backend.put(_Received(event))
            await self._backend.put(_Lost("it closed the connection"))
        except ConnectionClosed as error:
            await self._backend.put(_Lost(str(error.rcvd.reason if error.rcvd and error.rcvd.reason else "it is gone")))


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
