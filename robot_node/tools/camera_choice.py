"""Arguments of the camera's tools that are always accepted, and offered where they are of use: models pay for each.

``camera``: which of the robot's cameras, when there are several. ``size`` and ``dng``: a photo in full size.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from pydantic import Field
from pydantic.config import JsonDict

from robot_node.devices.camera.cameras import Cameras
from robot_node.tools.listing import UNLISTED

P = ParamSpec("P")
R = TypeVar("R")


def choosing(cameras: Cameras) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Decorate a tool that has the argument ``camera: str | None = None``, to be given to :meth:`Cameras.choose`.

    It belongs below ``@server.tool``.
    """

    def describe(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        tool.__annotations__["camera"] = camera_argument(cameras)
        return tool

    return describe


def camera_argument(cameras: Cameras) -> Any:
    """Return the type of the argument, with its description."""
    schema: JsonDict = {"enum": [*cameras]} if len(cameras) > 1 else {UNLISTED: True}
    return Annotated[str | None, Field(description=f"Default: {next(iter(cameras))}.", json_schema_extra=schema)]


def storing(cameras: Cameras) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Decorate a tool that has the arguments ``size`` and ``dng``, for :meth:`Camera.full_photo`.

    They are offered where photos are stored: a message has no room for more than a model sees anyway.
    """
    schema: JsonDict = {UNLISTED: not any(each.stores_photos for each in cameras.values())}

    def describe(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        tool.__annotations__["size"] = Annotated[Literal["video", "full"], Field(json_schema_extra=schema)]
        tool.__annotations__["dng"] = Annotated[
            bool, Field(description="true: store full size as DNG on the robot.", json_schema_extra=schema)
        ]
        return tool

    return describe
