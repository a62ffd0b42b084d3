"""Serves the console's page. It speaks neither MQTT nor MCP: the page itself talks to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from robot_node.console.page import HEADERS, PageFile, face_picture, page_files
from robot_node.core.web_server import listen, serve_app


@dataclass(frozen=True, slots=True)
class Console:
    """What to serve, and where.

    Attributes:
        host: A host name or address of this machine; loopback by default.
        port: A TCP port; 0 for any free one.
        broker_url: Where the page finds the broker: ``ws://...`` or ``wss://...``. Empty: on the host that the page
            came from, port 8083, or 8084 when it came over https.
        username: The broker's user that the page suggests.
        ice_servers: What the page gives its RTCPeerConnection, each with ``urls`` and, for TURN, its credentials.
    """

    host: str = "127.0.0.1"
    port: int = 8088
    broker_url: str = ""
    username: str = ""
    ice_servers: tuple[Mapping[str, str], ...] = ()

    def config(self) -> dict[str, Any]:
        """What ``/config.json`` holds. No password: everybody who can load the page can read it."""
        return {
            "brokerUrl": self.broker_url,
            "username": self.username,
            "iceServers": [dict(server) for server in self.ice_servers],
            "version": metadata.version("robot-node"),
        }


def build_app(console: Console, files: Mapping[str, PageFile]) -> Starlette:
    """The web application. Reads a file, the version of the package: not for the event loop.

    Args:
        console: Its settings.
        files: The page, from :func:`robot_node.console.page.page_files`.
    """
    configuration = console.config()

    async def config(_: Request) -> Response:
        return JSONResponse(configuration, headers={**HEADERS, "Cache-Control": "no-store"})

    async def face(request: Request) -> Response:
        picture = await asyncio.to_thread(face_picture, request.path_params["emotion"])
        if picture is None:
            return Response("There is no such emotion.", 404, HEADERS, "text/plain")
        return Response(picture, 200, {**HEADERS, "Cache-Control": "max-age=86400"}, "image/png")

    async def page(request: Request) -> Response:
        file = files.get(request.url.path)
        if file is None:
            return Response("There is no such page.", 404, HEADERS, "text/plain")
        headers = {**HEADERS, "Cache-Control": file.cache_control, "Vary": "Accept-Encoding"}
        if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.compressed, 200, {**headers, "Content-Encoding": "gzip"}, file.media_type)
        return Response(file.content, 200, headers, file.media_type)

    return Starlette(
        routes=[Route("/config.json", config), Route("/faces/{emotion}.png", face), Route("/{path:path}", page)]
    )


async def serve_console(console: Console, *, on_listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page until cancelled.

    Args:
        console: What to serve, and where.
        on_listening: Called with the page's address once a browser can open it.

    Raises:
        NotReadyError: the page has not been built.
        SettingsError: the address cannot be listened at.
    """
    app = await asyncio.to_thread(lambda: build_app(console, page_files()))
    remedy = "Choose another address or port: --host, --port, or [console] of the settings."
    with await listen(console.host, console.port, remedy=remedy) as listener:
        host = f"[{console.host}]" if ":" in console.host else console.host
        on_listening(f"http://{host}:{listener.getsockname()[1]}/")
        await serve_app(app, listener, name="console", lifespan="off")
