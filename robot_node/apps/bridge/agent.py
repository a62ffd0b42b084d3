"""The agent's side of the bridge: notifications and requests to the agent that sent a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.subscriptions import ServerEvent, event_to_notification
from pydantic import RootModel, ValidationError

from robot_node.apps.bridge.session import Params

_CAPABILITY_FOR = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling"}


class _AnyResult(RootModel[dict[str, Any]]):
    """An unchanged result."""


class Agent:
    """The agent that sent a request. A :class:`robot_node.apps.bridge.session.Caller`.

    Attributes:
        agent: Identifies the agent: by its session id over HTTP; stdio has a single agent.
        progress_token: The agent's progress token of this request.
    """

    def __init__(self, ctx: ServerRequestContext[Any, Any]) -> None:
        self._ctx = ctx
        self.agent = "stdio"
        if ctx.request is not None:
            self.agent = ctx.request.headers.get("mcp-session-id") or f"request {id(ctx)}"
        self.progress_token = progress_token_from_params(ctx.params)

    async def notify(self, method: str, params: Params) -> None:
        """Send a notification that belongs to the request."""
        notification = types.Notification[Params, str](method=method, params=params)
        # Not one of the SDK's models, which drop unknown members.
        await self._ctx.session.send_notification(cast("types.ServerNotification", notification), self._ctx.request_id)

    async def report_progress(self, done: float, total: float) -> None:
        """Send progress of the request, if the agent wants any."""
        if self.progress_token is not None:
            progress = {"progressToken": self.progress_token, "progress": done, "total": total}
            await self.notify("notifications/progress", progress)

    async def notify_event(self, event: ServerEvent) -> None:
        """Send a notification that belongs to no request."""
        await self._ctx.session.send_notification(event_to_notification(event, {}))

    async def ask(self, method: str, params: Params) -> Params:
        """Send a request to the agent while its own request is being served.

        Raises:
            MCPError: The agent refused, does not support it, or gave an invalid answer.
        """
        session = self._ctx.session
        if not session.can_send_request:
            raise MCPError(
                types.INVALID_REQUEST,
                f"The bridge cannot send {method} to an agent with MCP {session.protocol_version}.",
            )
        if getattr(session.client_capabilities, _CAPABILITY_FOR[method], None) is None:
            raise MCPError(types.INVALID_REQUEST, f"The agent does not support {method}.")
        question = types.Request[Params, str](method=method, params=params)
        related = ServerMessageMetadata(related_request_id=self._ctx.request_id)
        try:
            answer = await session.send_request(cast("types.ServerRequest", question), _AnyResult, metadata=related)
        except ValidationError as error:
            raise MCPError(types.INVALID_REQUEST, f"The agent's answer to {method} is not valid.") from error
        return answer.root


class EventQueue:
    """Queue of the events for one agent, without duplicates."""

    def __init__(self) -> None:
        self._events: dict[ServerEvent, None] = {}
        self._not_empty = asyncio.Event()

    def put(self, event: ServerEvent) -> None:
        """Add an event, unless it is in the queue already."""
        self._events[event] = None
        self._not_empty.set()

    async def events(self) -> AsyncIterator[ServerEvent]:
        """Yield events as they arrive, without end."""
        while True:
            await self._not_empty.wait()
            self._not_empty.clear()
            events, self._events = self._events, {}
            for event in events:
                yield event
