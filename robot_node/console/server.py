"""Web server of the console: the page, and its MQTT, which is passed on to the broker."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from robot_node.console.page import PageFile, face_picture, headers, page_files
from robot_node.core.hosts import is_loopback
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import not_for_good
from robot_node.errors import NotReadyError, SettingsError
from robot_node.mqtt.types import Broker
from robot_node.robot.web.access import TokenOnly
from robot_node.robot.web.door import listen_and_serve
from robot_node.robot.web.mqtt import PATH as MQTT_PATH
from robot_node.robot.web.mqtt import MqttProxy
from robot_node.settings.root import Settings
from robot_node.webrtc.ice_servers import parse_ice_server

logger = logging.getLogger(__name__)

# Of all robots' people, who may come through one proxy: a page has two connections for MQTT.
_LIMITS = ConnectionLimits(connections=256, per_address=192)
_MOST_MQTT = 128


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
        broker_url: The broker's address for browsers: ``ws://...``, ``wss://...``, or a path of the page's own server.
            Empty: the host that the page was loaded from, port 8083, or 8084 if it was loaded over https.
        username: The broker's user name that the page suggests.
        ice_servers: ICE servers for the page's RTCPeerConnection, each with ``urls`` and, for TURN, its credentials.
        whep: WHEP endpoint where the page watches instead of at the robot; None: it watches at the robot.
        broker: Where the page's MQTT is passed on to; None: nowhere.
        token: What everybody needs who asks; empty: nothing.
        name: Another host name of the server, e.g. that of a proxy before it; may be empty.
        cert_file: The server's certificate; None: without TLS.
        key_file: The certificate's key.
        clips_of: Server id of the robot whose recordings are under ``clips/`` next to the page; empty: there are none.
    """

    host: str = "127.0.0.1"
    port: int = 8088
    broker_url: str = ""
    username: str = ""
    ice_servers: tuple[Mapping[str, str], ...] = ()
    whep: WhepEndpoint | None = None
    broker: Broker | None = None
    token: str = field(default="", repr=False)
    name: str = ""
    cert_file: Path | None = None
    key_file: Path | None = None
    clips_of: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Create it from a robot's settings.

        Raises:
            SettingsError: An ICE server's address is invalid.
        """
        console = settings.console
        servers = [parse_ice_server(url) for url in settings.webrtc.ice_servers]
        return cls(
            host=console.host,
            port=console.port,
            broker_url=console.broker_url or MQTT_PATH,
            username=console.username,
            ice_servers=tuple(
                {"urls": server.url}
                | ({"username": server.username, "credential": server.credential} if server.username else {})
                for server in servers
            ),
            whep=WhepEndpoint.from_settings(settings),
            broker=None if console.broker_url else settings.broker,
            token=console.token,
            name=console.name,
            cert_file=console.cert_file,
            key_file=console.key_file,
        )

    def config(self) -> dict[str, Any]:
        """Return the content of ``/config.json``, which everyone who can load the page can read."""
        return {
            "brokerUrl": self.broker_url,
            "username": self.username,
            "iceServers": [dict(server) for server in self.ice_servers],
            **({"whep": self.whep.config()} if self.whep else {}),
            **({"clipsOf": self.clips_of} if self.clips_of else {}),
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
    """Serve the page, and its MQTT, until cancelled.

    Args:
        console: Address and configuration.
        on_listening: Called with the page's URL once a browser can open it.

    Raises:
        NotReadyError: The page has not been built.
        SettingsError: The address cannot be listened on, or would open the broker to the network without a token.
    """
    if console.broker is not None and not console.token and not is_loopback(console.host):
        raise SettingsError(
            f"At {console.host} other machines could reach the broker through the console: it needs a token.",
            remedy="Set console.token (openssl rand -hex 32), or console.broker_url: browsers then connect to the "
            "broker directly.",
        )
    mqtt = [MqttProxy(console.broker, max_connections=_MOST_MQTT).route()] if console.broker is not None else []
    page = await asyncio.to_thread(lambda: page_routes(console, page_files()))
    app = TokenOnly(Starlette(routes=[*mqtt, *page]), console.token)
    remedy = "Choose another address or port: --host, --port, or [console] of the settings."
    await listen_and_serve(app, console, name="console", remedy=remedy, limits=_LIMITS, on_listening=on_listening)


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
    clips_of = settings.robot.server_id if settings.recording.enabled else ""
    return page_routes(replace(Console.from_settings(settings), clips_of=clips_of), files)


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
