"""Single pictures and MJPEG over HTTP: photos of the camera, taken only while somebody watches, once for all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from robot_node.devices.camera.capture import Photo
from robot_node.devices.camera.photo import FittedPhoto, PhotoLimits, fit
from robot_node.errors import RobotNodeError

logger = logging.getLogger(__name__)

BOUNDARY = "picture"
_QUALITY = 0.8
_NO_STORE = {"Cache-Control": "no-store"}
_SLOWEST_S = 20.0
"""A client that takes longer for one picture is disconnected."""

TakePhoto = Callable[[float], Awaitable[Photo]]
"""Takes a photo of a JPEG quality from 0 to 1; raises DeviceError and NotReadyError."""


class Pictures:
    """The latest picture for any number of streams.

    Args:
        take_photo: Takes a photo.
        frame_rate: Pictures per second of a stream, at most.
    """

    def __init__(self, take_photo: TakePhoto, *, frame_rate: float) -> None:
        self._take_photo = take_photo
        self._interval_s = 1 / frame_rate
        self._streams = 0
        self._taking: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Future[Photo]] = set()

    @property
    def streams(self) -> int:
        """How many watch now."""
        return self._streams

    async def snapshot(self, request: Request) -> Response:
        """Answer with one picture: ``quality`` from 0 to 1, ``max_side`` in pixels."""
        try:
            quality, limits = _asked_for(request)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        try:
            photo = await self._take_photo(quality)
            fitted: FittedPhoto = await asyncio.to_thread(fit, photo, quality, limits)
        except RobotNodeError as error:
            return unavailable(error)
        return Response(fitted.photo.jpeg, headers=_NO_STORE, media_type="image/jpeg")

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send pictures as ``multipart/x-mixed-replace`` until the client leaves or the camera goes off."""
        self._streams += 1
        try:
            await self._send_pictures(scope, receive, send)
        finally:
            self._streams -= 1
            if not self._streams and self._taking is not None:
                taking, self._taking = self._taking, None  # the next stream begins another
                taking.cancel()
                await asyncio.wait([taking])

    async def _send_pictures(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            photo = await self._next()
        except RobotNodeError as error:
            await unavailable(error)(scope, receive, send)
            return
        media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}".encode()
        headers = [(b"content-type", media_type), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(_until_gone(receive), name="MJPEG client")
        try:
            while not gone.done():
                async with asyncio.timeout(_SLOWEST_S):
                    await send({"type": "http.response.body", "body": _part(photo), "more_body": True})
                photo = await self._next()
        except RobotNodeError:  # the camera went off
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:  # nothing more can be sent either: the server closes the connection
            logger.debug("A client takes more than %g s for one picture", _SLOWEST_S)
        finally:
            gone.cancel()

    async def _next(self) -> Photo:
        """Wait for the next picture.

        Raises:
            RobotNodeError: There is none.
        """
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take(), name="MJPEG pictures")
        picture: asyncio.Future[Photo] = asyncio.get_running_loop().create_future()
        self._waiting.add(picture)
        try:
            return await picture
        finally:
            self._waiting.discard(picture)

    async def _take(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            try:
                photo = await self._take_photo(_QUALITY)
            except Exception as error:  # noqa: BLE001  # raised by each stream
                for picture in self._still_waiting():
                    picture.set_exception(error)
                return
            for picture in self._still_waiting():
                picture.set_result(photo)
            await asyncio.sleep(max(0.0, begun + self._interval_s - clock()))

    def _still_waiting(self) -> list[asyncio.Future[Photo]]:
        return [picture for picture in self._waiting if not picture.done()]


def unavailable(error: RobotNodeError) -> Response:
    """The answer when there is no picture: why, and the remedy."""
    return PlainTextResponse(f"{error}\n", 503, headers={**_NO_STORE, "Retry-After": "5"})


def _asked_for(request: Request) -> tuple[float, PhotoLimits]:
    query = request.query_params
    try:
        quality, side = float(query.get("quality", _QUALITY)), int(query.get("max_side", 0))
    except ValueError:
        raise ValueError("quality and max_side are numbers.") from None
    if not 0 <= quality <= 1:
        raise ValueError("quality is between 0 and 1.")
    if side and side < 16:
        raise ValueError("max_side is at least 16.")
    return quality, PhotoLimits(max_side=side or None)


def _part(photo: Photo) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(photo.jpeg)}\r\n\r\n"
    return head.encode() + photo.jpeg + b"\r\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
