"""Limits on the connections of a web server, so that strangers can neither take all descriptors nor keep them."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

BACKLOG = 32
"""Connections that wait to be accepted; the event loop accepts as many at once, and only then they are counted."""

_RECEIVING = frozenset({h11.IDLE, h11.SEND_BODY})


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What is too much; a connection beyond is closed at once.

    Attributes:
        connections: In all.
        per_address: From one address; of IPv6, from one network of 64 bits.
        request_s: Seconds that a client has for a whole request, its headers and its body.
    """

    connections: int = 64
    per_address: int = 32
    request_s: float = 20.0


USUAL = ConnectionLimits()
"""For a page or a few figures."""


class LimitedConfig(uvicorn.Config):
    """uvicorn's settings, and the limits.

    Args:
        app: An ASGI application.
        limits: Of its connections.
        options: As of uvicorn.
    """

    def __init__(self, app: Any, limits: ConnectionLimits, **options: Any) -> None:
        # The other parser that uvicorn takes, if it is installed, does not limit headers.
        super().__init__(app, http=LimitedProtocol, backlog=BACKLOG, **options)
        self.limits = limits


class LimitedProtocol(H11Protocol):
    """A connection that is closed when it is one too many, or when a request takes too long to arrive."""

    config: LimitedConfig
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, or close it."""
        super().connection_made(transport)
        limits, ours = self.config.limits, origin_of(self.client)
        of_address = sum(origin_of(getattr(other, "client", None)) == ours for other in self.connections)
        if len(self.connections) > limits.connections or of_address > limits.per_address:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take data; the clock runs from the first byte of a request to its last."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # h11 does not see the end of a WebSocket's request: the connection has then another protocol.
        if self.conn.their_state not in _RECEIVING or self.transport.get_protocol() is not self:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.config.limits.request_s, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def origin_of(client: tuple[str, int] | None) -> bytes:
    """Return what an address is counted as: of IPv6, its network of 64 bits."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return b""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped.packed if address.ipv4_mapped else address.packed[:8]
    return address.packed
