"""The tools of the camera: switch it, take a photo, and look for some seconds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from robot_node.core.state import CameraState
from robot_node.core.threads import in_thread
from robot_node.devices.camera import photo as photos
from robot_node.devices.camera.camera import Camera, Photo
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.camera.photo import FittedPhoto, PhotoLimits
from robot_node.errors import ArgumentError
from robot_node.tools.camera_choice import choosing, storing
from robot_node.tools.common import READS, SETS, readable_errors
from robot_node.tools.listing import UNLISTED

_LONGEST_LOOK_S = 10
_MOST_FRAMES = 9
_LOOK_QUALITY = 0.9
_FITTING_FAILED = "The photo cannot be made to fit"


class CameraResult(BaseModel):
    """Result of control_camera."""

    camera: CameraState = Field(description="State of the camera after the call.")


def offer_camera(server: MCPServer, cameras: Cameras) -> None:
    """Let agents switch the cameras and take photos."""

    @server.tool(title="Switch the camera", annotations=SETS)
    @choosing(cameras)
    async def control_camera(
        enabled: Annotated[bool, Field(description="true switches the camera on, false off.")],
        camera: str | None = None,
    ) -> CameraResult:
        """Switch the robot's camera on or off. While it is off nothing is captured."""
        with readable_errors():
            chosen = cameras.choose(camera)
            await (chosen.start() if enabled else chosen.stop())
        return CameraResult(camera=chosen.state)

    switches_on = cameras.first.photo_switches_on
    needs = "Switches the camera on and off." if switches_on else "The camera must be on."
    hints = SETS if any(each.photo_switches_on for each in cameras.values()) else READS

    @server.tool(
        title="Take a photo",
        description=f"Take a photo, up to max_side pixels wide or high. {needs}",
        annotations=hints,
        structured_output=False,
    )
    @choosing(cameras)
    @storing(cameras)
    async def take_photo(  # noqa: PLR0917  # the arguments of a tool have names
        quality: Annotated[float, Field(ge=0, le=1)] = 0.9,
        max_side: Annotated[int | None, Field(ge=16)] = None,
        max_bytes: Annotated[int, Field(ge=10_000)] = photos.MAX_BYTES,
        source: Annotated[  # noqa: ARG001  # part of the protocol
            Literal["local", "remote"],
            Field(description="Without effect: all cameras are the robot's.", json_schema_extra={UNLISTED: True}),
        ] = "local",
        size: Literal["video", "full"] = "video",
        dng: bool = False,  # noqa: FBT002  # an argument of a tool has a name
        only_if_on: Annotated[  # noqa: FBT002  # an argument of a tool has a name
            bool,
            Field(
                description="true: neither switch the camera on, nor count as use of it.",
                json_schema_extra={UNLISTED: True},
            ),
        ] = False,
        camera: str | None = None,
    ) -> list[Any]:
        with readable_errors():
            chosen, files = cameras.choose(camera), ""
            if only_if_on:
                if size == "full" or dng:
                    raise ArgumentError("A photo in full size interrupts the video.", remedy="Leave out only_if_on.")
                photo = await chosen.background_photo(quality)
            elif size == "full" or dng:
                full = await chosen.full_photo(quality, dng=dng)
                photo, files = full.photo, "".join(f" Stored: {path}." for path in full.files)
            else:
                photo = await chosen.photo(quality)
            fitted = await in_thread(
                lambda: photos.fit(photo, quality, PhotoLimits(max_bytes, max_side)), _FITTING_FAILED
            )
        return [_image(fitted), f"Taken {_time_of(photo)}: {fitted}{files}"]

    @server.tool(title="Look", annotations=hints, structured_output=False)
    @choosing(cameras)
    async def look(
        seconds: Annotated[float, Field(gt=0, le=_LONGEST_LOOK_S)] = 2,
        frames: Annotated[int, Field(ge=2, le=_MOST_FRAMES)] = 4,
        separate: Annotated[  # noqa: FBT002  # an argument of a tool has a name
            bool, Field(description="true: a picture each", json_schema_extra={UNLISTED: True})
        ] = False,
        camera: str | None = None,
    ) -> list[Any]:
        """See what moves: photos over some seconds in one picture."""
        with readable_errors():
            shots = await _shots(cameras.choose(camera), seconds, frames)
            taken = _time_of(shots[0][1])
            if not separate:
                sheet = await in_thread(
                    lambda: photos.contact_sheet(shots, _LOOK_QUALITY, PhotoLimits()), _FITTING_FAILED
                )
                return [_image(sheet), f"{frames} photos from {taken}, row by row at {_times(shots)}: {sheet}"]
            limits = PhotoLimits(photos.MAX_BYTES // frames)
            fitted = await in_thread(
                lambda: [photos.fit(photo, _LOOK_QUALITY, limits) for _, photo in shots], _FITTING_FAILED
            )
        lines = "\n".join(f"{after_s:.1f} s: {each}" for (after_s, _), each in zip(shots, fitted, strict=True))
        return [*map(_image, fitted), f"{frames} photos from {taken}, after\n{lines}"]


async def _shots(camera: Camera, seconds: float, frames: int) -> list[tuple[float, Photo]]:
    """Take photos at equal intervals; each with its seconds since the first."""
    clock, shots, began = asyncio.get_running_loop().time, list[tuple[float, Photo]](), 0.0
    first_us: int | None = None
    async with camera.photo_series() as take:
        for number in range(frames):
            if number:
                await asyncio.sleep(max(0.0, began + number * seconds / (frames - 1) - clock()))
            photo = await take(_LOOK_QUALITY)
            if not number:
                began, first_us = clock(), photo.captured_us
            after_s = clock() - began
            if photo.captured_us is not None and first_us is not None:
                after_s = (photo.captured_us - first_us) / 1e6
            shots.append((after_s, photo))
    return shots


def _times(shots: list[tuple[float, Photo]]) -> str:
    return ", ".join(f"{after_s:.1f} s" for after_s, _ in shots)


def _image(fitted: FittedPhoto) -> Image:
    return Image(data=fitted.photo.jpeg, format="jpeg")


def _time_of(photo: Photo) -> str:
    return photos.time_of(photo, datetime.now(UTC)).isoformat(timespec="milliseconds")
