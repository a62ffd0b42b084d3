"""The robot's one HTTP server: puts pictures, WHEP, figures and the console behind one port and one token."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from robot_node.core.state import RobotState
from robot_node.core.web_limits import ConnectionLimits
from robot_node.core.web_server import not_for_good
from robot_node.robot.web.access import TokenOnly
from robot_node.robot.web.door import listen_and_serve
from robot_node.robot.web.pictures import Pictures, TakePhoto
from robot_node.robot.web.whep import Whep
from robot_node.settings.http import HttpSettings
from robot_node.settings.root import Settings
from robot_node.webrtc.direct import DirectSignaling

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
_LIMITS = ConnectionLimits(connections=96, per_address=48)


def build_app(
    settings: HttpSettings,
    state: RobotState,
    pictures: Mapping[str, Pictures],
    whep: Whep | None,
    also: Sequence[BaseRoute] = (),
) -> TokenOnly:
    """Build the ASGI application.

    Args:
        settings: The token, and how many MJPEG streams there may be at once.
        state: What ``/healthz`` tells: 200 while agents can reach the robot, else 503.
        pictures: Snapshots and MJPEG of each camera; the first is the default.
        whep: Video; None when the robot does not stream.
        also: Further routes; the last may take every path that is left.
    """

    async def healthz(_: Request) -> Response:
        online = state.snapshot.mcp_connected
        return JSONResponse({"online": online}, 200 if online else 503, {"Cache-Control": "no-store"})

    async def snapshot(request: Request) -> Response:
        chosen = _chosen(pictures, request)
        return chosen if isinstance(chosen, Response) else await chosen.snapshot(request)

    routes = [
        Route(HEALTH, healthz),
        Route("/snapshot.jpg", snapshot),
        Route("/stream.mjpeg", _Mjpeg(pictures, settings.max_streams)),
        *(whep.routes() if whep is not None else ()),
        *also,
    ]
    return TokenOnly(Starlette(routes=routes), settings.token, open_paths={HEALTH})


class _Mjpeg:
    """An ASGI application: Starlette takes only objects for such, and functions for those that return a response."""

    def __init__(self, pictures: Mapping[str, Pictures], max_streams: int) -> None:
        self._pictures = pictures
        self._max_streams = max_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = _chosen(self._pictures, Request(scope))
        if sum(each.streams for each in self._pictures.values()) >= self._max_streams:
            text = f"There are {self._max_streams} streams already, as many as the robot permits.\n"
            chosen = PlainTextResponse(text, 503, headers={"Retry-After": "10"})
        await (chosen if isinstance(chosen, Response) else chosen.stream)(scope, receive, send)


def _chosen(pictures: Mapping[str, Pictures], request: Request) -> Pictures | Response:
    """The pictures of the camera that a request names; without a name, of the first."""
    name = request.query_params.get("camera", next(iter(pictures)))
    return pictures.get(name) or PlainTextResponse(f"There is no such camera; there are: {', '.join(pictures)}.\n", 404)


async def serve(
    settings: Settings,
    state: RobotState,
    take_photo: Mapping[str, TakePhoto],
    direct: DirectSignaling,
    also: Sequence[BaseRoute] = (),
) -> None:
    """Serve until cancelled, as a service of the robot.

    Args:
        settings: Those of the robot.
        state: Its state.
        take_photo: Takes a photo of a JPEG quality from 0 to 1, by the camera's name.
        direct: Where offers go.
        also: Further routes; the last may take every path that is left.

    Raises:
        NotReadyError: The address cannot be listened on; the robot goes on without.
    """
    http = settings.http
    pictures = {name: Pictures(take, frame_rate=http.stream_frame_rate) for name, take in take_photo.items()}
    whep = Whep(direct, settings.webrtc) if settings.webrtc.enabled else None
    app = build_app(http, state, pictures, whep, also)
    await serve_robot(app, http, on_listening=lambda url: logger.info("HTTP at %s", url))


async def serve_robot(
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
    remedy = "Choose another host or port in [http]."
    with not_for_good():
        await listen_and_serve(
            app,
            settings,
            name="HTTP",
            remedy=remedy,
            limits=_LIMITS,
            embed_origins=settings.embed_origins,
            on_listening=on_listening,
        )
