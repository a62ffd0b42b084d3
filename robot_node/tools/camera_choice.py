"""The argument ``camera`` of a tool: which of the robot's cameras, when there are several.

A robot with one camera accepts it, and does not offer it: models pay for each argument.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ParamSpec, TypeVar

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
