"""Serve a web application until cancelled: shared by bridge and console."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

import uvicorn

from robot_node.core.own_host import OwnHostOnly
from robot_node.core.web_limits import BACKLOG, USUAL, ConnectionLimits, LimitedConfig
from robot_node.errors import NotReadyError, SettingsError

_GOODBYE_S = 1
# Of what has not come whole: what one read of the socket brings, 256 KiB at most, may be longer.
_MAX_HEADER_BYTES = 16 * 1024
# A page's photo goes to it, not from it.
_MAX_MESSAGE_BYTES = 256 * 1024
_UNREAD_S = 30.0


async def listen(host: str, port: int, *, remedy: str, unread_s: float = _UNREAD_S) -> socket.socket:
    """Open a listening socket. The host's name is looked up in a thread, as that may block.

    Args:
        host: A host name or address of this machine.
        port: A TCP port; 0 for any free one.
        remedy: How to choose another one.
        unread_s: A client that reads nothing of what it is sent for so many seconds is disconnected.

    Raises:
        SettingsError: it cannot be had.
    """
    opening = asyncio.get_running_loop().run_in_executor(None, _open_listener, host, port, unread_s)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_listener)  # the thread goes on, and nobody takes what it opens
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"Cannot listen at {host}:{port}: {reason}.", remedy=remedy) from error


def _open_listener(host: str, port: int, unread_s: float) -> socket.socket:
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # tcp(7); connections inherit it. Without it a response, or a close, may wait for the client for ever.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unread_s * 1000))
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _close_listener(opening: asyncio.Future[socket.socket]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


@contextlib.contextmanager
def not_for_good() -> Iterator[None]:
    """Make an unavailable address a retryable error: a network may come up later, another program may end.

    Raises:
        NotReadyError: instead of a :class:`SettingsError`, which would end the robot.
    """
    try:
        yield
    except SettingsError as error:
        raise NotReadyError(error.message, remedy=error.remedy) from error


def _is_no_refusal(record: logging.LogRecord) -> bool:
    # uvicorn takes a WebSocket that is refused with a reason for a mistake of the application, and strangers get many.
    return not record.msg.startswith("ASGI callable returned without completing handshake")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield


async def serve_app(
    app: Any,
    listener: socket.socket,
    *,
    host: str,
    name: str,
    also: str = "",
    embed_origins: Collection[str] = (),
    lifespan: Literal["auto", "off"] = "auto",
    limits: ConnectionLimits = USUAL,
    tls: tuple[Path, Path] | None = None,
    websockets: bool = False,
) -> None:
    """Serve until cancelled; pending requests then have a second to end.

    Requests for another host name, or from pages of another site, are refused.

    Args:
        app: An ASGI application.
        listener: From :func:`listen`.
        host: The address that was passed to :func:`listen`.
        name: Of the task.
        also: Another host name of the server, e.g. that of a proxy before it; may be empty.
        embed_origins: Origins of other servers' pages that may show what this one answers, such as pictures.
        lifespan: Whether to send the application lifespan events.
        limits: Limits on its connections.
        tls: Files of the certificate and of its key; None: without TLS.
        websockets: The application takes WebSockets.
    """
    certificate, key = tls or (None, None)
    config = LimitedConfig(
        OwnHostOnly(app, host, also, embed_origins),
        limits,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GOODBYE_S,
        ws="websockets-sansio" if websockets else "none",
        ws_max_size=_MAX_MESSAGE_BYTES,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        lifespan=lifespan,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)  # the same one is there once
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]), name=name)
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving])
