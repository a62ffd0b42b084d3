"""The bridge over streamable HTTP."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Self

from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings

from robot_node.core.web_server import serve_app
from robot_node.errors import SettingsError

PATH = "/mcp"
_MAX_SESSIONS = 256
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where to listen.

    Attributes:
        host: A host name or address of this machine.
        port: A TCP port; 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``HOST:PORT``, ``[IPV6]:PORT`` or ``PORT`` alone, which means loopback.

        Raises:
            SettingsError: it is none of these, or means every address of the machine.
        """
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise SettingsError(f"{text!r} is no address to listen at.", remedy="Write it as 127.0.0.1:8765.")
        if _is_unspecified(host):
            raise SettingsError(
                f"{host} means every address of this machine, so that requests cannot be checked for theirs.",
                remedy="Name the one address or host name that agents will use.",
            )
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return self.host in _LOOPBACK

    def url(self, port: int | None = None) -> str:
        """Where agents connect to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}{PATH}"


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def serve_http(server: Server[Any], address: HttpAddress, listener: socket.socket) -> None:
    """Serve until cancelled.

    Requests must name our address as their host, and pages of a browser must come from it: without that any web site
    could reach a bridge on loopback, by a host name of its own that leads there (DNS rebinding).

    Args:
        server: What to serve.
        address: Where we were asked to listen.
        listener: From :func:`robot_node.core.web_server.listen`.
    """
    hosts = {f"[{host}]" if ":" in host else host for host in (*_LOOPBACK, address.host)}
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[f"{host}:*" for host in sorted(hosts)],
        allowed_origins=[f"http://{host}:*" for host in sorted(hosts)],
    )
    app = server.streamable_http_app(streamable_http_path=PATH, transport_security=security, max_sessions=_MAX_SESSIONS)
    await serve_app(app, listener, name="bridge over HTTP")
