"""A session with one robot that hands messages on as they are.

It speaks the handshake protocol (2025-11-25 and earlier): every robot knows it, and it lets a robot ask back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    LOG_LEVEL_META_KEY,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.presence import Directory, OnlineServer

logger = logging.getLogger(__name__)

Params = dict[str, Any]

# Of a client of 2026-07-28, about the connection to us: our session with the robot says its own.
_ENVELOPE = frozenset(
    {PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, LOG_LEVEL_META_KEY}
)
_QUESTIONS = frozenset({"elicitation/create", "sampling/createMessage"})
_MAX_PAGES = 100
_MAX_PROGRESS_AHEAD = 256


class Caller(Protocol):
    """The agent's side of one request.

    Attributes:
        agent: Tells agents apart.
        progress_token: What the agent wants progress to be marked with; None when it wants none.
    """

    agent: str
    progress_token: str | int | None

    async def tell(self, method: str, params: Params) -> None:
        """Send a notification that belongs to the request."""

    async def ask(self, method: str, params: Params) -> Params:
        """Ask the agent something while its request is served.

        Raises:
            MCPError: it refused, or cannot be asked.
        """


class _Call:
    """A request under way, and the progress that it makes."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._progress: asyncio.Queue[Params | None] = asyncio.Queue(_MAX_PROGRESS_AHEAD)
        self._task = asyncio.create_task(self._tell(), name="bridge progress")

    def progress(self, params: Params | None) -> None:
        """Hand on progress; None ends it."""
        if self._progress.full():  # an agent that reads slowly misses steps, not the last one
            self._progress.get_nowait()
        self._progress.put_nowait(params)

    async def told(self) -> None:
        """Wait until the agent has been told all of it."""
        self.progress(None)
        try:
            await self._task
        finally:
            await cancel_and_wait(self._task)

    async def _tell(self) -> None:
        while (params := await self._progress.get()) is not None:
            await self.caller.tell("notifications/progress", params | {"progressToken": self.caller.progress_token})


class RobotSession:
    """A session that is open. Made by :func:`open_session`.

    Attributes:
        capabilities: What the robot declared.
    """

    def __init__(
        self, dispatcher: JSONRPCDispatcher[TransportContext], label: str, on_change: Callable[[str, Params], None]
    ) -> None:
        self.capabilities: Params = {}
        self._dispatcher = dispatcher
        self._label = label
        self._on_change = on_change
        self._calls: dict[str, _Call] = {}
        self._numbers = itertools.count(1)

    async def initialize(self) -> None:
        """Open the session.

        Raises:
            MCPError: the robot refused.
            RemoteError: it speaks another protocol.
        """
        offer = {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            "capabilities": {"elicitation": {}, "sampling": {}},
            "clientInfo": {"name": "robot-node bridge", "version": version("robot-node")},
        }
        answer = await self._dispatcher.send_raw_request("initialize", offer, {"cancel_on_abandon": False})
        if answer.get("protocolVersion") not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise RemoteError(f"{self._label} speaks an unknown version of MCP.", remedy="Update robot-node.")
        capabilities = answer.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        await self._dispatcher.notify("notifications/initialized", None)

    async def list_all(self, method: str, member: str) -> list[Params]:
        """Every page of a list.

        Args:
            method: e.g. ``tools/list``.
            member: Of the result, e.g. ``tools``.

        Raises:
            MCPError: the robot refused.
        """
        found: list[Params] = []
        params: Params = {}
        for _ in range(_MAX_PAGES):
            page = await self._dispatcher.send_raw_request(method, params)
            items = page.get(member)
            found += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
            if not isinstance(cursor := page.get("nextCursor"), str):
                break
            params = {"cursor": cursor}
        return found

    async def subscribe(self, uri: str, *, on: bool = True) -> None:
        """Ask to be told of changes of a resource, or no longer.

        Raises:
            MCPError: the robot refused.
        """
        method = "resources/subscribe" if on else "resources/unsubscribe"
        await self._dispatcher.send_raw_request(method, {"uri": uri})

    async def request(self, method: str, params: Mapping[str, Any], caller: Caller) -> Params:
        """Hand a request on; cancelled, tell the robot so.

        Returns:
            The robot's result as it is.

        Raises:
            MCPError: the robot's error as it is, or what became of the connection.
        """
        request_id = f"bridge-{next(self._numbers)}"
        meta = {key: value for key, value in (params.get("_meta") or {}).items() if key not in _ENVELOPE}
        if caller.progress_token is not None:
            meta["progressToken"] = request_id  # our transport's time limit starts anew at progress with this token
        options: CallOptions = {"request_id": request_id}
        call = self._calls[request_id] = _Call(caller)
        try:
            return await self._dispatcher.send_raw_request(method, {**params, "_meta": meta}, options)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED and error.error.message == "Connection closed":
                raise MCPError(CONNECTION_CLOSED, f"The connection to {self._label} was lost.") from None
            raise
        finally:
            del self._calls[request_id]
            await call.told()

    async def on_request(
        self, _: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
    ) -> Params:
        """Answer the robot, or let the agent do so for whom it works."""
        if method == "ping":
            return {}
        if method not in _QUESTIONS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", method)
        callers = {call.caller.agent: call.caller for call in self._calls.values()}
        if len(callers) != 1:
            number = "no agent" if not callers else f"{len(callers)} agents"
            raise MCPError(
                INVALID_REQUEST, f"The bridge cannot tell whom {method} is for: {number} had called this robot."
            )
        (caller,) = callers.values()
        return await caller.ask(method, dict(params or {}))

    async def on_notify(
        self, _: DispatchContext[TransportContext], method: str, _params: Mapping[str, Any] | None
    ) -> None:
        """Notifications are taken in the order of their arrival, by :meth:`on_notification`."""
        logger.debug("%s sent %s.", self._label, method)

    def on_notification(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Take in a notification; returns whether it was one for us."""
        given = dict(params or {})
        if method == "notifications/progress":
            token = given.get("progressToken")
            if isinstance(token, str) and (call := self._calls.get(token)) is not None:
                call.progress(given)
            return True
        self._on_change(method, given)
        return False


class _Started(asyncio.Event):
    def started(self, _: object = None) -> None:
        self.set()


@contextlib.asynccontextmanager
async def open_session(
    servers: Directory, robot: OnlineServer, on_change: Callable[[str, Params], None]
) -> AsyncIterator[tuple[RobotSession, asyncio.Task[None]]]:
    """Connect to a robot.

    Args:
        servers: The connection to its broker.
        robot: Which one.
        on_change: Told every notification of the robot but progress: method and parameters.

    Yields:
        The session, and a task that ends when the session does.

    Raises:
        BrokerError: the broker is unreachable or refuses us.
        RemoteError: the robot is not online.
        MCPError: it refused.
    """
    label = f"{robot.server_id} ({robot.server_name})"
    async with servers.transport(robot) as (read, write):
        dispatcher: JSONRPCDispatcher[TransportContext] = JSONRPCDispatcher(read, write)
        session = RobotSession(dispatcher, label, on_change)
        started = _Started()
        running = asyncio.create_task(
            dispatcher.run(session.on_request, session.on_notify, session.on_notification, task_status=started),
            name=f"bridge session with {robot.server_id}",
        )
        try:
            await started.wait()
            await session.initialize()
            yield session, running
        finally:
            await cancel_and_wait(running)
