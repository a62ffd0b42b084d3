"""The robot's one HTTP server: puts pictures, WHEP, figures and the console behind one port and one token."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from robot_node.core.state import RobotState
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import listen, not_for_good, serve_app
from robot_node.robot.web.access import TokenOnly
from robot_node.robot.web.pictures import Pictures, TakePhoto
from robot_node.robot.web.whep import Whep
from robot_node.settings.http import HttpSettings
from robot_node.settings.root import Settings
from robot_node.webrtc.direct import DirectSignaling

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
_LIMITS = ConnectionLimits(connections=96, per_address=48)


def build_app(
    settings: HttpSettings, state: RobotState, pictures: Pictures, whep: Whep | None, also: Sequence[BaseRoute] = ()
) -> TokenOnly:
    """Build the ASGI application.

    Args:
        settings: The token.
        state: What ``/healthz`` tells: 200 while agents can reach the robot, else 503.
        pictures: Snapshots and MJPEG.
        whep: Video; None when the robot does not stream.
        also: Further routes; the last may take every path that is left.
    """

    async def healthz(_: Request) -> Response:
        online = state.snapshot.mcp_connected
        return JSONResponse({"online": online}, 200 if online else 503, {"Cache-Control": "no-store"})

    routes = [
        Route(HEALTH, healthz),
        Route("/snapshot.jpg", pictures.snapshot),
        Route("/stream.mjpeg", _Mjpeg(pictures)),
        *(whep.routes() if whep is not None else ()),
        *also,
    ]
    return TokenOnly(Starlette(routes=routes), settings.token, open_paths={HEALTH})


class _Mjpeg:
    """An ASGI application: Starlette takes only objects for such, and functions for those that return a response."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pictures.stream(scope, receive, send)


async def serve(
    settings: Settings,
    state: RobotState,
    take_photo: TakePhoto,
    direct: DirectSignaling,
    also: Sequence[BaseRoute] = (),
) -> None:
    """Serve until cancelled, as a service of the robot.

    Args:
        settings: Those of the robot.
        state: Its state.
        take_photo: Takes a photo of a JPEG quality from 0 to 1.
        direct: Where offers go.
        also: Further routes; the last may take every path that is left.

    Raises:
        NotReadyError: The address cannot be listened on; the robot goes on without.
    """
    http = settings.http
    pictures = Pictures(take_photo, frame_rate=http.stream_frame_rate, max_streams=http.max_streams)
    whep = Whep(direct, settings.webrtc) if settings.webrtc.enabled else None
    app = build_app(http, state, pictures, whep, also)
    await serve_door(app, http, on_listening=lambda url: logger.info("HTTP at %s", url))


async def serve_door(
    app: TokenOnly, settings: HttpSettings, *, on_listening: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until cancelled.

    Args:
        app: From :func:`build_app`.
        settings: Where to listen, and the certificate.
        on_listening: Called with the URL once requests are answered.

    Raises:
        NotReadyError: The address cannot be listened on; the robot goes on without.
    """
    with not_for_good():
        listener = await listen(settings.host, settings.port, remedy="Choose another host or port in [http].")
    with listener:
        scheme = "https" if settings.cert_file else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        on_listening(f"{scheme}://{host}:{listener.getsockname()[1]}/")
        await serve_app(
            app,
            listener,
            host=settings.host,
            name="HTTP",
            also=settings.name,
            lifespan="off",
            limits=_LIMITS,
            tls=(settings.cert_file, settings.key_file) if settings.cert_file and settings.key_file else None,
        )
