"""The agent's side of the bridge: whom a request comes from, and how to tell or ask that agent something."""

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
from pydantic import RootModel

from robot_node.apps.bridge.session import Params

_CAPABILITY_FOR = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling"}


class _Anything(RootModel[dict[str, Any]]):
    """A result as it is."""


class Agent:
    """The agent that sent a request. A :class:`robot_node.apps.bridge.session.Caller`.

    Attributes:
        agent: Tells agents apart: over HTTP their session ids, while stdio has only one.
        progress_token: What it wants progress to be marked with.
    """

    def __init__(self, ctx: ServerRequestContext[Any, Any]) -> None:
        self._ctx = ctx
        self.agent = "stdio"
        if ctx.request is not None:
            self.agent = ctx.request.headers.get("mcp-session-id") or f"request {id(ctx)}"
        self.progress_token = progress_token_from_params(ctx.params)

    async def tell(self, method: str, params: Params) -> None:
        """Send a notification that belongs to the request."""
        notification = types.Notification[Params, str](method=method, params=params)
        # Not one of the SDK's models: they would drop what they don't know.
        await self._ctx.session.send_notification(cast("types.ServerNotification", notification), self._ctx.request_id)

    async def tell_event(self, event: ServerEvent) -> None:
        """Tell of a change, apart from any request."""
        await self._ctx.session.send_notification(event_to_notification(event, {}))

    async def ask(self, method: str, params: Params) -> Params:
        """Ask the agent something while its request is served.

        Raises:
            MCPError: it refused, or cannot be asked.
        """
        session = self._ctx.session
        if not session.can_send_request:
            raise MCPError(
                types.INVALID_REQUEST,
                f"{method} does not pass the bridge to an agent that speaks MCP {session.protocol_version}.",
            )
        if getattr(session.client_capabilities, _CAPABILITY_FOR[method], None) is None:
            raise MCPError(types.INVALID_REQUEST, f"The agent's program does not support {method}.")
        question = types.Request[Params, str](method=method, params=params)
        related = ServerMessageMetadata(related_request_id=self._ctx.request_id)
        answer = await session.send_request(cast("types.ServerRequest", question), _Anything, metadata=related)
        return answer.root


class Follower:
    """Events for one agent, each once however often it happened before the agent was told."""

    def __init__(self) -> None:
        self._events: dict[ServerEvent, None] = {}
        self._some = asyncio.Event()

    def take(self, event: ServerEvent) -> None:
        """Remember an event."""
        self._events[event] = None
        self._some.set()

    async def events(self) -> AsyncIterator[ServerEvent]:
        """Yield events as they come, without end."""
        while True:
            await self._some.wait()
            self._some.clear()
            events, self._events = self._events, {}
            for event in events:
                yield event
