"""The bridge over streamable HTTP."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from starlette.types import ASGIApp

from robot_node.apps.bridge.http_guard import BearerOnly, RefusalLog, UsableMessages
from robot_node.apps.bridge.tokens import HttpAccess
from robot_node.core.hosts import host_in_url, is_loopback
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import serve_app
from robot_node.errors import SettingsError

PATH = "/mcp"
MAX_SESSIONS = 256
_MAX_BODY_BYTES = 1024 * 1024
# Agents on one machine, or behind a proxy, have one address; each may keep a stream of events open.
_LIMITS = ConnectionLimits(connections=2 * MAX_SESSIONS, per_address=MAX_SESSIONS)


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
        return is_loopback(self.host)

    def check(self, access: HttpAccess) -> None:
        """Refuse an address that others can reach without a token.

        Raises:
            SettingsError: It is one.
        """
        if not self.is_loopback and not access:
            raise SettingsError(
                f"Anyone who can reach {self.host} could use the robots: beyond loopback a token is required.",
                remedy="Add --token-file FILE (make one with: openssl rand -hex 32) or --issuer URL.",
            )

    def url(self, port: int | None = None) -> str:
        """Return the URL for agents."""
        return f"http://{host_in_url(self.host)}:{self.port if port is None else port}{PATH}"


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def serve_http(
    server: Server[Any],
    address: HttpAddress,
    listener: socket.socket,
    access: HttpAccess = HttpAccess(),  # noqa: B008  # frozen
) -> None:
    """Serve until cancelled.

    Args:
        server: The MCP server.
        address: The address listened on.
        listener: From :func:`robot_node.core.web_server.listen`.
        access: Who may use it.
    """
    # Host and Origin are checked before: see robot_node.core.own_host.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app: ASGIApp = server.streamable_http_app(
        streamable_http_path=PATH, transport_security=security, max_sessions=MAX_SESSIONS
    )
    app = RequestBodyLimitMiddleware(UsableMessages(app), _MAX_BODY_BYTES)
    url = access.public_url or address.url(listener.getsockname()[1])
    if access:
        app = BearerOnly(app, access, url)
    also = urlsplit(url).hostname or ""
    await serve_app(RefusalLog(app), listener, host=address.host, also=also, name="bridge over HTTP", limits=_LIMITS)
