"""The tools of the camera's controls: focus, exposure, colours, zoom. Offered where the settings permit it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from robot_node.devices.camera.camera import Camera
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.camera.controls import AUTOMATIC_AT_0, ControlRange, Ranges, dioptres, wished_of
from robot_node.errors import ArgumentError
from robot_node.settings.camera_controls import CameraControls
from robot_node.tools.camera_choice import camera_argument, choosing
from robot_node.tools.common import READS, SETS, readable_errors
from robot_node.tools.listing import UNLISTED
from robot_node.tools.robot_server import RobotServer

_DISTANCE = "focus_distance_m"
_RARE = frozenset({"focus_dioptres", "colour_gains"})
"""Accepted, but not offered: models pay for each argument, and there is another way."""

_MEANINGS = {
    "exposure_ms": "0: automatic",
    "gain": "0: automatic",
    "flicker_hz": "Of lamps; 0: off",
    "pan": "1: right edge",
    "tilt": "1: upper edge",
    "night": "Slow shutter",
    "rotate": "Clockwise",
}


class ControlsResult(BaseModel):
    """Result of set_camera."""

    controls: dict[str, Any] = Field(description="What is set; the camera has all others as it does by itself.")


class ControlsStatus(ControlsResult):
    """Result of get_camera."""

    ranges: dict[str, str] = Field(
        description="What each control can be set to; empty before the camera was on for the first time."
    )


def offer_camera_controls(server: RobotServer, cameras: Cameras, on_change: Callable[[], None]) -> None:
    """Let agents set the controls of the cameras whose settings permit it.

    Args:
        server: Gets the tools.
        cameras: The robot's cameras.
        on_change: Called when the list of tools has changed: what a camera has is known once it was on.
    """
    if not any(camera.controls.adjustable for camera in cameras.values()):
        return

    async def set_camera(**arguments: Any) -> ControlsResult:
        """Set focus, exposure, colours or zoom. What is left out stays; get_camera says what there is."""
        camera, reset = arguments.pop("camera"), arguments.pop("reset")
        wishes = {name: value for name, value in arguments.items() if value is not None}
        if not wishes and not reset:
            raise ToolError("Nothing to set. get_camera says what there is.")
        with readable_errors():
            if (distance_m := wishes.pop(_DISTANCE, None)) is not None:
                wishes["focus_dioptres"] = dioptres(distance_m)
            controls = await _adjustable(cameras, camera).controls.set(wishes, reset=reset)
        return ControlsResult(controls=wished_of(controls))

    set_camera.__signature__ = _signature(cameras)  # type: ignore[attr-defined]  # as inspect documents it
    server.tool(title="Set the camera", annotations=SETS)(set_camera)

    @server.tool(title="Get the camera's controls", annotations=READS)
    @choosing(cameras)
    async def get_camera(camera: str | None = None) -> ControlsStatus:
        """What set_camera can set, and what is set."""
        with readable_errors():
            controls = _adjustable(cameras, camera).controls
        ranges = controls.ranges or {}
        return ControlsStatus(
            controls=wished_of(controls.now), ranges={name: _shown(name, found) for name, found in ranges.items()}
        )

    if len(cameras) == 1:
        cameras.first.controls.on_ranges(on_change)
        server.describe_arguments("set_camera", functools.partial(_narrowed, cameras.first))


def _adjustable(cameras: Cameras, name: str | None) -> Camera:
    camera = cameras.choose(name)
    if not camera.controls.adjustable:
        raise ArgumentError(
            "The controls of this camera are fixed.", remedy="Its settings would permit it: adjustable."
        )
    return camera


def _signature(cameras: Cameras) -> inspect.Signature:
    arguments: dict[str, tuple[Any, Any]] = {}
    for name, field in CameraControls.model_fields.items():
        schema: JsonDict = {UNLISTED: True} if name in _RARE else {}
        described = Field(description=_MEANINGS.get(name), json_schema_extra=schema)
        arguments[name] = Annotated[field.annotation | None, described], None  # type: ignore[operator]  # it is a type
        if name == "focus":
            arguments[_DISTANCE] = Annotated[float | None, Field(gt=0)], None
    arguments["reset"] = Annotated[bool, Field(description="true: all others as in the settings")], False
    arguments["camera"] = camera_argument(cameras), None
    return inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in arguments.items()
        ],
        return_annotation=ControlsResult,
    )


def _narrowed(camera: Camera, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of set_camera's arguments with the ranges of this camera, without what it lacks."""
    ranges = camera.controls.ranges
    if ranges is None:
        return dict(arguments)
    own = dict(_own(ranges))
    kept = {name: found for name, found in arguments.items() if name in own or name in {"reset", "camera"}}
    return {
        name: found
        if name not in own or found.get(UNLISTED)
        else own[name] | {key: found[key] for key in ("description",) if key in found}
        for name, found in kept.items()
    }


def _own(ranges: Ranges) -> dict[str, dict[str, Any]]:
    own = {name: _schema(name, found) for name, found in ranges.items()}
    if (lens := ranges.get("focus_dioptres")) is not None:
        own[_DISTANCE] = {"type": "number", "minimum": round(1 / lens.maximum, 3)}
    return own


def _schema(name: str, allowed: ControlRange) -> dict[str, Any]:
    if allowed.choices == (False, True):
        return {"type": "boolean"}
    if allowed.choices:
        return {"enum": list(allowed.choices)}
    low = 0 if name in AUTOMATIC_AT_0 else allowed.minimum
    return {"type": "number", "minimum": _short(low), "maximum": _short(allowed.maximum)}


def _short(number: float) -> float:
    return int(number) if number == int(number) else number


def _shown(name: str, allowed: ControlRange) -> str:
    automatic = ", or 0: automatic" if name in AUTOMATIC_AT_0 else ""
    usual = "" if allowed.default is None else f" (by itself {_word(allowed.default)})"
    return f"{allowed}{automatic}{usual}"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
