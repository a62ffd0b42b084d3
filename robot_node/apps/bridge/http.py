"""The bridge over streamable HTTP."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Self

from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as ASGIMessage

from robot_node.core.json_limits import check_json
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import serve_app
from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.jsonrpc import MAX_VALUES

PATH = "/mcp"
_MAX_SESSIONS = 256
_MAX_BODY_BYTES = 1024 * 1024
# Agents on one machine, or behind a proxy, have one address; each may keep a stream of events open.
_LIMITS = ConnectionLimits(connections=2 * _MAX_SESSIONS, per_address=_MAX_SESSIONS)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Address to listen on.

    Attributes:
        host: Host name or address of this machine.
        port: TCP port; 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``HOST:PORT``, ``[IPV6]:PORT`` or ``PORT``, which means loopback.

        Raises:
            SettingsError: It is none of these, or means all addresses of the machine.
        """
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise SettingsError(f"{text!r} is not a valid address.", remedy="Write it as 127.0.0.1:8765.")
        if _is_unspecified(host):
            raise SettingsError(
                f"{host} means all addresses of this machine, so that the Host header of requests cannot be checked.",
                remedy="Use the one address or host name that agents connect to.",
            )
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return self.host in _LOOPBACK

    def url(self, port: int | None = None) -> str:
        """Return the URL for agents."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}{PATH}"


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def serve_http(server: Server[Any], address: HttpAddress, listener: socket.socket) -> None:
    """Serve until cancelled.

    Args:
        server: The MCP server.
        address: The address listened on.
        listener: From :func:`robot_node.core.web_server.listen`.
    """
    # Host and Origin are checked before: see robot_node.core.own_host.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(streamable_http_path=PATH, transport_security=security, max_sessions=_MAX_SESSIONS)
    measured = RequestBodyLimitMiddleware(_MeasuredJson(app), _MAX_BODY_BYTES)
    await serve_app(measured, listener, host=address.host, name="bridge over HTTP", limits=_LIMITS)


class _MeasuredJson:
    """Refuses bodies that hold too many JSON values, before the SDK parses them. Needs the whole body in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = await receive()
        try:
            check_json(first.get("body", b""), max_values=MAX_VALUES)
        except ValueError as error:
            await PlainTextResponse(f"The body is too large. {error}\n", 413)(scope, receive, send)
            return
        waiting = [first]

        async def replay() -> ASGIMessage:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)
