"""Listens, and serves an application behind its token: shared by the robot's HTTP server and the console's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from robot_node.core.hosts import host_in_url
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import listen, serve_app
from robot_node.errors import SettingsError
from robot_node.robot.web.access import TokenOnly


class Address(Protocol):
    """Where to listen, as settings have it."""

    @property
    def host(self) -> str:
        """Host name or address of this machine."""

    @property
    def port(self) -> int:
        """TCP port; 0 for any free one."""

    @property
    def name(self) -> str:
        """Another host name of the server, e.g. that of a proxy before it; may be empty."""

    @property
    def cert_file(self) -> Path | None:
        """The server's certificate; None: without TLS."""

    @property
    def key_file(self) -> Path | None:
        """The certificate's key."""


async def listen_and_serve(
    app: TokenOnly,
    address: Address,
    *,
    name: str,
    remedy: str,
    limits: ConnectionLimits,
    embed_origins: Collection[str] = (),
    on_listening: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until cancelled.

    Args:
        app: The application.
        address: Where to listen, and the certificate.
        name: Of the task.
        remedy: How to choose another address.
        limits: Limits on the connections.
        embed_origins: Origins of other servers' pages that may show what this one answers, such as pictures.
        on_listening: Called with the URL once requests are answered.

    Raises:
        SettingsError: The address cannot be listened on, or the certificate cannot be used.
    """
    tls = (address.cert_file, address.key_file) if address.cert_file and address.key_file else None
    if tls is not None:
        await asyncio.to_thread(_check_certificate, *tls)
    with await listen(address.host, address.port, remedy=remedy) as listener:
        scheme = "https" if tls else "http"
        on_listening(f"{scheme}://{host_in_url(address.host)}:{listener.getsockname()[1]}/")
        await serve_app(
            app,
            listener,
            host=address.host,
            name=name,
            also=address.name,
            embed_origins=embed_origins,
            lifespan="off",
            limits=limits,
            websockets=True,
            tls=tls,
        )


def _check_certificate(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"The certificate {certificate} with the key {key} cannot be used: {error.strerror}.",
            remedy="Both must be readable PEM files that belong together; docs/tls.md shows how to make them.",
        ) from error
