"""Calls of a server's tools from its own process, as a client: under the same rules, counted and attributed alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server import MCPServer, NotificationOptions, Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import LATEST_MODERN_VERSION

from robot_node.mcp_mqtt.implementation import VERSION
from robot_node.mcp_mqtt.inbox import Inbox
from robot_node.mcp_mqtt.session import ClientIdentity
from robot_node.mcp_mqtt.streams import SdkStream
from robot_node.mcp_mqtt.subscriptions import SessionSubscriptions, Subscriptions


def low_level_server(server: Server[Any] | MCPServer) -> Server[Any]:
    """Return the low-level server of an MCPServer, which the SDK keeps private, and says that it should be public."""
    return server._lowlevel_server if isinstance(server, MCPServer) else server  # noqa: SLF001  # see above


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool returned.

    Attributes:
        text: Of its result, or of its error; pictures and other content are left out.
        failed: It was refused, or failed.
    """

    text: str
    failed: bool


async def call_tool(server: Server[Any] | MCPServer, client_id: str, tool: str, arguments: Mapping[str, Any]) -> str:
    """Call a tool; return why it was refused or failed, empty when it was carried out.

    Args:
        server: Whose tool.
        client_id: The client that calls, trusted as if the broker had vouched for it. It cannot be asked anything.
        tool: The tool's name.
        arguments: Its arguments.
    """
    answer = await ask_tool(server, client_id, tool, arguments)
    return (answer.text or "The tool failed.") if answer.failed else ""


async def ask_tool(
    server: Server[Any] | MCPServer, client_id: str, tool: str, arguments: Mapping[str, Any]
) -> ToolAnswer:
    """Call a tool, as :func:`call_tool` does, and return its answer."""
    envelope = {
        PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
        CLIENT_INFO_META_KEY: {"name": client_id, "version": VERSION},
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    params = {"name": tool, "arguments": dict(arguments), "_meta": envelope}
    identity = ClientIdentity(client_id, SessionSubscriptions(Subscriptions(0)))
    inbox: Inbox[SessionMessage | Exception] = Inbox(1)
    inbox.put(
        SessionMessage(
            JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params=params),
            ServerMessageMetadata(request_context=identity),
        )
    )
    answer = _Answer(inbox)
    low_level = low_level_server(server)
    await low_level.run(inbox, answer, low_level.create_initialization_options(NotificationOptions()))
    return answer.answer


class _Answer(SdkStream):
    """The write stream: takes the answer, which ends the session."""

    def __init__(self, inbox: Inbox[SessionMessage | Exception]) -> None:
        self._inbox = inbox
        self.answer = ToolAnswer("There was no answer.", failed=True)

    async def send(self, item: SessionMessage, /) -> None:
        match item.message:
            case JSONRPCError(error=error):
                self.answer = ToolAnswer(error.message, failed=True)
            case JSONRPCResponse(result=result):
                self.answer = ToolAnswer(_text_of(result), failed=bool(result.get("isError")))
            case _:
                return
        self._inbox.end()

    def close(self) -> None:
        pass


def _text_of(result: Mapping[str, Any]) -> str:
    return " ".join(part["text"] for part in result.get("content", ()) if part.get("type") == "text")
