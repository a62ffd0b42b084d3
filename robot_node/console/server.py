"""HTTP server of the console: serves the page only, since the page itself talks to the broker."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from robot_node.console.page import PageFile, face_picture, headers, page_files
from robot_node.core.hosts import host_in_url
from robot_node.core.web_server import listen, not_for_good, serve_app
from robot_node.errors import NotReadyError
from robot_node.settings.root import Settings
from robot_node.webrtc.ice_servers import parse_ice_server

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WhepEndpoint:
    """Where the page watches robots by WHEP.

    Attributes:
        url: Of the endpoint; ``{server_id}`` in it stands for the robot's server id.
        token: Its bearer token, for everyone who can load the page.
        server_id: The only robot that is watched there; empty: every robot.
    """

    url: str
    token: str = field(default="", repr=False)
    server_id: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Create it from a robot's settings; an address without ``{server_id}`` is for this robot alone."""
        console = settings.console
        if not console.whep_url:
            return None
        of = "" if "{server_id}" in console.whep_url else settings.robot.server_id
        return cls(console.whep_url, console.whep_token, of)

    @property
    def origin(self) -> str:
        """Scheme, host and port; empty if it is of the page's own server."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    def config(self) -> dict[str, str]:
        """Return its part of the page's configuration."""
        return {"url": self.url, "token": self.token, "serverId": self.server_id}


@dataclass(frozen=True, slots=True)
class Console:
    """Address and configuration of the console.

    Attributes:
        host: Host name or address of this machine to listen on; loopback by default.
        port: TCP port; 0 for any free one.
        broker_url: The broker's address for browsers: ``ws://...`` or ``wss://...``. Empty: the host that the page was
            loaded from, port 8083, or 8084 if it was loaded over https.
        username: The broker's user name that the page suggests.
        password: The broker's password, for everyone who can load the page: that of the demo's own broker only.
        ice_servers: ICE servers for the page's RTCPeerConnection, each with ``urls`` and, for TURN, its credentials.
        whep: WHEP endpoint where the page watches instead of at the robot; None: it watches at the robot.
    """

    host: str = "127.0.0.1"
    port: int = 8088
    broker_url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ice_servers: tuple[Mapping[str, str], ...] = ()
    whep: WhepEndpoint | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Create it from a robot's settings.

        Raises:
            SettingsError: An ICE server's address is invalid.
        """
        console, broker = settings.console, settings.broker
        websockets = (f"{each}{each.path}" for each in broker.addresses if each.transport == "websockets")
        servers = [parse_ice_server(url) for url in settings.webrtc.ice_servers]
        return cls(
            host=console.host,
            port=console.port,
            broker_url=console.broker_url or ",".join(websockets),
            username=console.username,
            ice_servers=tuple(
                {"urls": server.url}
                | ({"username": server.username, "credential": server.credential} if server.username else {})
                for server in servers
            ),
            whep=WhepEndpoint.from_settings(settings),
        )

    def config(self) -> dict[str, Any]:
        """Return the content of ``/config.json``, which everyone who can load the page can read."""
        return {
            "brokerUrl": self.broker_url,
            "username": self.username,
            **({"password": self.password} if self.password else {}),
            "iceServers": [dict(server) for server in self.ice_servers],
            **({"whep": self.whep.config()} if self.whep else {}),
            "version": metadata.version("robot-node"),
        }


def page_routes(console: Console, files: Mapping[str, PageFile]) -> Sequence[Route]:
    """Build the routes; the last takes every path. Reads a file, the version of the package: call it in a thread.

    Args:
        console: Content of ``/config.json``.
        files: The page, from :func:`robot_node.console.page.page_files`.
    """
    configuration = console.config()
    headers_of_all = headers(console.whep.origin if console.whep else "")

    async def config(_: Request) -> Response:
        private = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
        return JSONResponse(configuration, headers={**headers_of_all, **private})

    async def face(request: Request) -> Response:
        picture = await asyncio.to_thread(face_picture, request.path_params["emotion"])
        if picture is None:
            return Response("There is no such emotion.", 404, headers_of_all, "text/plain")
        return Response(picture, 200, {**headers_of_all, "Cache-Control": "max-age=86400"}, "image/png")

    async def page(request: Request) -> Response:
        file = files.get(request.url.path)
        if file is None:
            return Response("There is no such page.", 404, headers_of_all, "text/plain")
        found = {**headers_of_all, "Cache-Control": file.cache_control, "Vary": "Accept-Encoding"}
        if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.compressed, 200, {**found, "Content-Encoding": "gzip"}, file.media_type)
        return Response(file.content, 200, found, file.media_type)

    return (Route("/config.json", config), Route("/faces/{emotion}.png", face), Route("/{path:path}", page))


async def serve_console(console: Console, *, on_listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page until cancelled.

    Args:
        console: Address and configuration.
        on_listening: Called with the page's URL once a browser can open it.

    Raises:
        NotReadyError: The page has not been built.
        SettingsError: The address cannot be listened on.
    """
    app = await asyncio.to_thread(lambda: Starlette(routes=page_routes(console, page_files())))
    remedy = "Choose another address or port: --host, --port, or [console] of the settings."
    with await listen(console.host, console.port, remedy=remedy) as listener:
        on_listening(f"http://{host_in_url(console.host)}:{listener.getsockname()[1]}/")
        await serve_app(app, listener, host=console.host, name="console", lifespan="off")


def http_routes(settings: Settings) -> Sequence[Route]:
    """Return the routes for the robot's own HTTP server; none when the page has not been built.

    Raises:
        SettingsError: An ICE server's address is invalid.
    """
    try:
        files = page_files()
    except NotReadyError as error:
        logger.warning("The robot's HTTP server has no console. %s", error)
        return ()
    return page_routes(
        replace(Console.from_settings(settings), broker_url=settings.console.broker_url or "/mqtt"), files
    )


async def serve_with_robot(settings: Settings) -> None:
    """Serve the page until cancelled, as a service of a robot in the same process.

    Raises:
        NotReadyError: It cannot be served now; the robot goes on without it.
    """
    with not_for_good():
        console = Console.from_settings(settings)
        await serve_console(console, on_listening=lambda url: logger.info("Console at %s", url))


def open_browser(url: str) -> bool:
    """Open the page in a browser on this machine's screen; return whether there is a screen.

    Without a screen a text browser would take over the terminal, and it cannot show the page.
    """
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_screen and webbrowser.open(url)
