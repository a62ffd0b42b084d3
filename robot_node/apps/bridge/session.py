"""A session with one robot that forwards messages unchanged.

It uses the handshake protocol (2025-11-25 and earlier): every robot supports it, and it lets a robot send requests.
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

from robot_node.apps.bridge.listing import Kind, Listing, error_of_robot, question_of_robot
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.text import escaped
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.presence import Directory, OnlineServer

logger = logging.getLogger(__name__)

Params = dict[str, Any]

# Metadata that a client of 2026-07-28 sends about its connection to the bridge: not for the robot.
_ENVELOPE = frozenset(
    {PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, LOG_LEVEL_META_KEY}
)
_SERVER_REQUESTS = frozenset({"elicitation/create", "sampling/createMessage"})
_MAX_PAGES = 32
_MAX_INSTRUCTIONS = 4000  # characters
_MAX_QUEUED_PROGRESS = 256
_MAX_FORWARDED_REQUESTS = 8  # of one robot, unanswered by the agent


class Caller(Protocol):
    """The agent's side of one request.

    Attributes:
        agent: Identifies the agent; empty for the bridge itself, which no robot can ask.
        progress_token: The agent's progress token; None if it wants no progress.
    """

    agent: str
    progress_token: str | int | None

    async def notify(self, method: str, params: Params) -> None:
        """Send a notification that belongs to the request."""

    async def ask(self, method: str, params: Params) -> Params:
        """Send a request to the agent while its own request is being served.

        Raises:
            MCPError: The agent refused, does not support it, or gave an invalid answer.
        """


class _Call:
    """A request in progress, with its queue of progress notifications."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._progress: asyncio.Queue[Params | None] = asyncio.Queue(_MAX_QUEUED_PROGRESS)
        self._task = asyncio.create_task(self._send_progress(), name="bridge progress")

    def progress(self, params: Params | None) -> None:
        """Queue a progress notification; None ends the queue."""
        if self._progress.full():  # an agent that reads slowly loses the oldest
            self._progress.get_nowait()
        self._progress.put_nowait(params)

    async def drain(self) -> None:
        """Wait until all progress has been sent to the agent."""
        self.progress(None)
        try:
            await self._task
        finally:
            await cancel_and_wait(self._task)

    async def _send_progress(self) -> None:
        while (params := await self._progress.get()) is not None:
            await self.caller.notify("notifications/progress", params | {"progressToken": self.caller.progress_token})


class RobotSession:
    """An open session. Created by :func:`open_session`.

    Attributes:
        capabilities: Capabilities that the robot declared.
        instructions: Its instructions for agents, without control characters; may be empty.
    """

    def __init__(
        self, dispatcher: JSONRPCDispatcher[TransportContext], label: str, on_change: Callable[[str, Params], None]
    ) -> None:
        self.capabilities: Params = {}
        self.instructions = ""
        self._dispatcher = dispatcher
        self._label = label
        self._on_change = on_change
        self._calls: dict[str, _Call] = {}
        self._numbers = itertools.count(1)
        self._forwarded = 0

    async def initialize(self) -> None:
        """Perform the handshake.

        Raises:
            MCPError: The robot refused.
            RemoteError: It supports no common protocol version.
        """
        offer = {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            "capabilities": {"elicitation": {}, "sampling": {}},
            "clientInfo": {"name": "robot-node bridge", "version": version("robot-node")},
        }
        answer = await self._dispatcher.send_raw_request("initialize", offer, {"cancel_on_abandon": False})
        if answer.get("protocolVersion") not in tuple(HANDSHAKE_PROTOCOL_VERSIONS):  # it may be of any type
            raise RemoteError(f"{self._label} uses an unknown version of MCP.", remedy="Update robot-node.")
        capabilities = answer.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        if isinstance(instructions := answer.get("instructions"), str):
            lines = instructions[:_MAX_INSTRUCTIONS].strip().split("\n")
            self.instructions = "\n".join(escaped(line) for line in lines)
        await self._dispatcher.notify("notifications/initialized", None)

    async def list_all(self, kind: Kind, claim: Callable[[int], bool]) -> Listing:
        """Return all pages of a list, up to its limits.

        Args:
            kind: The kind of list.
            claim: Whether all robots' lists leave room for so many bytes of it.

        Raises:
            MCPError: The robot refused.
        """
        listing = Listing(kind, claim)
        params: Params = {}
        for _ in range(_MAX_PAGES):
            page = await self._dispatcher.send_raw_request(kind.method, params)
            listing.add(page.get(kind.member))
            if listing.is_full or not isinstance(cursor := page.get("nextCursor"), str):
                break
            params = {"cursor": cursor}
        return listing

    async def subscribe(self, uri: str, *, on: bool = True) -> None:
        """Subscribe to a resource, or unsubscribe.

        Raises:
            MCPError: The robot refused.
        """
        method = "resources/subscribe" if on else "resources/unsubscribe"
        await self._dispatcher.send_raw_request(method, {"uri": uri})

    async def request(self, method: str, params: Mapping[str, Any], caller: Caller) -> Params:
        """Forward a request; cancellation is forwarded too.

        Returns:
            The robot's result, unchanged.

        Raises:
            MCPError: The robot's error, as one line, or the reason why the connection was lost.
        """
        request_id = f"bridge-{next(self._numbers)}"
        meta = {key: value for key, value in (params.get("_meta") or {}).items() if key not in _ENVELOPE}
        if caller.progress_token is not None:
            meta["progressToken"] = request_id  # progress with this token restarts the time limit of our transport
        options: CallOptions = {"request_id": request_id}
        call = self._calls[request_id] = _Call(caller)
        try:
            return await self._dispatcher.send_raw_request(method, {**params, "_meta": meta}, options)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED and error.error.message == "Connection closed":
                raise MCPError(CONNECTION_CLOSED, f"The connection to {self._label} was lost.") from None
            raise error_of_robot(error) from None
        finally:
            del self._calls[request_id]
            await call.drain()

    async def on_request(
        self, _: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
    ) -> Params:
        """Answer a request of the robot, or forward it to the agent whose call it belongs to."""
        if method == "ping":
            return {}
        if method not in _SERVER_REQUESTS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", method)
        callers = {call.caller.agent: call.caller for call in self._calls.values() if call.caller.agent}
        if len(callers) != 1:
            number = "no agent" if not callers else f"{len(callers)} agents"
            raise MCPError(INVALID_REQUEST, f"The bridge cannot forward {method}: {number} had called this robot.")
        if self._forwarded >= _MAX_FORWARDED_REQUESTS:
            raise MCPError(INVALID_REQUEST, f"{_MAX_FORWARDED_REQUESTS} requests to the agent are unanswered.")
        (caller,) = callers.values()
        forwarded = dict(params or {})
        if method == "elicitation/create":
            forwarded = question_of_robot(forwarded)
        self._forwarded += 1
        try:
            return await caller.ask(method, forwarded)
        finally:
            self._forwarded -= 1

    async def on_notify(
        self, _: DispatchContext[TransportContext], method: str, _params: Mapping[str, Any] | None
    ) -> None:
        """Ignore it: :meth:`on_notification` has handled it, in the order of arrival."""
        logger.debug("%s sent %s.", self._label, method)

    def on_notification(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Handle a notification; return True if it must not be passed on."""
        content = dict(params or {})
        if method == "notifications/progress":
            token = content.get("progressToken")
            if isinstance(token, str) and (call := self._calls.get(token)) is not None:
                call.progress(content)
            return True
        self._on_change(method, content)
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
        robot: The robot.
        on_change: Called with method and parameters of each notification except progress.

    Yields:
        The session, and a task that ends when the session does.

    Raises:
        BrokerError: The broker is unreachable or refused the connection.
        RemoteError: The robot is not online.
        MCPError: The robot refused.
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
