"""Recordings over HTTP: a list, and each file with ranges, so that players can seek."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from robot_node.errors import ArgumentError
from robot_node.robot.recording.library import Library
from robot_node.robot.recording.listing import listing_of

_NOT_STORED = {"Cache-Control": "no-store"}


def clip_routes(library: Library, *, is_unfinished: Callable[[str], bool]) -> tuple[BaseRoute, ...]:
    """Return the routes ``/clips/`` and ``/clips/NAME``.

    Args:
        library: The recordings.
        is_unfinished: Whether a file is still being written; called on the event loop.
    """

    async def clips(_: Request) -> Response:
        try:
            listing = await asyncio.to_thread(listing_of, library)
        except OSError as error:
            return PlainTextResponse(f"The recordings cannot be read: {error.strerror}.\n", 503, _NOT_STORED)
        listed = [
            {
                "name": file.name,
                "began": file.began.isoformat(timespec="seconds"),
                "bytes": file.size,
                "seconds": contents.seconds,
                "cause": contents.cause,
                "recording": is_unfinished(file.name),
            }
            for file, contents in reversed(listing.newest)
        ]
        return JSONResponse({"clips": listed, "all": listing.all}, headers=_NOT_STORED)

    async def clip(request: Request) -> Response:
        if is_unfinished(request.path_params["name"]):  # it would grow while it is sent
            return PlainTextResponse("It is still being recorded.\n", 409, _NOT_STORED)
        try:
            path = await asyncio.to_thread(library.path, request.path_params["name"])
        except ArgumentError as error:
            return PlainTextResponse(f"{error.message}\n", 404, _NOT_STORED)
        # RFC 9110, 14: ranges, with an ETag of size and time of the last change.
        return FileResponse(path, media_type="video/mp4", headers=_NOT_STORED)

    return Route("/clips/", clips), Route("/clips/{name}", clip)
