"""What an agent sees: the MCP tools of a robot, each a thin call into a device. They never touch MQTT."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from mcp_types import ToolAnnotations
from pydantic import BaseModel, BeforeValidator, Field

from robot_node.devices.audio import Loudspeaker
from robot_node.devices.camera import Camera
from robot_node.devices.display import Face
from robot_node.errors import RobotNodeError, SettingsError
from robot_node.face.expressions import Emotion, parse_emotion
from robot_node.state import CallState, CameraState, RobotState
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.stats import Statistics, StreamingStats

_INSTRUCTIONS = """\
You have a body: a camera that is off until you switch it on, and a face that shows emotions.
Call control_camera with enabled=true before take_photo, and switch the camera off when you need it no longer:
people see that it is on. Use change_emotion to show how you feel about what is said or seen."""


@dataclass(frozen=True, slots=True)
class Body:
    """The devices that tools act upon, and the state that they report to.

    Attributes:
        camera: The camera.
        face: The face.
        state: Where devices and sessions report to.
        loudspeaker: The loudspeaker; None without one.
        calls: The robot's calls to its media backend; None when it may not call.
        statistics: What happened in streaming.
        clock: Monotonic time in seconds.
        started_at: When the robot started, by that clock.
    """

    camera: Camera
    face: Face
    state: RobotState
    loudspeaker: Loudspeaker | None = None
    calls: CallControl | None = None
    statistics: Statistics = field(default_factory=Statistics)
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(default_factory=time.monotonic)


class CameraSwitched(BaseModel):
    """Result of control_camera."""

    camera: CameraState = Field(description="State of the camera after the call.")


class EmotionShown(BaseModel):
    """Result of change_emotion."""

    emotion: str = Field(description="The emotion that the face shows now.")


class VolumeSet(BaseModel):
    """Result of control_volume."""

    volume: int = Field(description="Volume of the loudspeaker, 0 to 100.")
    muted: bool = Field(description="Nothing is heard, whatever the volume.")


class CallStatus(BaseModel):
    """Result of call_backend and hang_up."""

    call: CallState = Field(description="disconnected, connecting, connected, failed or closed.")
    call_error: str = Field(description="Why the last attempt failed, or who ended the call; empty otherwise.")


class Status(BaseModel):
    """Result of get_status."""

    camera: CameraState = Field(description="off, starting, on, stopping or failed.")
    camera_error: str = Field(description="Why the camera failed; empty otherwise.")
    emotion: str = Field(description="The emotion that the face shows.")
    display_error: str = Field(description="Why the face cannot be seen; empty while it can.")
    microphone_on: bool = Field(description="The microphone is open: somebody hears what is said near the robot.")
    microphone_error: str = Field(description="Why the microphone cannot be used; empty otherwise.")
    volume: int | None = Field(description="Volume of the loudspeaker, 0 to 100; null when there is none.")
    muted: bool | None = Field(description="The loudspeaker is muted; null when there is none.")
    loudspeaker_error: str = Field(description="Why the loudspeaker cannot be used; empty otherwise.")
    viewers: int = Field(description="How many people or programs watch the video stream now.")
    call: CallState = Field(
        description="The robot's call to its media backend: disconnected, connecting, connected, failed or closed."
    )
    call_error: str = Field(description="Why the last attempt to call failed, or who ended the call; empty otherwise.")
    streaming: StreamingStats = Field(
        description="What happened in video streaming: totals since the start, open sessions, the last that ended."
    )
    uptime_s: float = Field(description="Seconds since the robot started.")
    versions: dict[str, str] = Field(description="Versions of robot-node and of what it stands on.")


def _canonical_emotion(value: object) -> object:
    """Accept other spellings of an emotion; leave what is unknown to the schema's own error."""
    if not isinstance(value, str):
        return value
    try:
        return parse_emotion(value).value
    except SettingsError as error:
        raise ValueError(str(error)) from error


EmotionArgument = Annotated[Emotion, BeforeValidator(_canonical_emotion)]


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn our own errors into texts that a model can act upon: the reason, then what to call or check."""
    try:
        yield
    except RobotNodeError as error:
        raise ToolError(str(error)) from error


def build_server(body: Body, *, name: str, description: str) -> MCPServer:
    """Make the MCP server of a robot.

    Args:
        body: What the tools act upon.
        name: The robot's server name.
        description: What the robot can do, in a sentence.
    """
    # resources and their subscriptions are not served yet, so that nothing is advertised that never comes
    server = MCPServer(
        name, description=description, instructions=_INSTRUCTIONS, version=_version("robot-node"), subscriptions=False
    )

    @server.tool(
        title="Switch the camera",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def control_camera(
        enabled: Annotated[bool, Field(description="true switches the camera on, false off.")],
    ) -> CameraSwitched:
        """Switch the robot's camera on or off. While it is off nothing is captured and photos are refused."""
        with _readable_errors():
            await (body.camera.start() if enabled else body.camera.stop())
        return CameraSwitched(camera=body.state.snapshot.camera)

    @server.tool(
        title="Change the face",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def change_emotion(
        emotion: Annotated[EmotionArgument, Field(description="What the face shall show.")],
    ) -> EmotionShown:
        """Show an emotion on the robot's face."""
        with _readable_errors():
            await body.face.show_emotion(emotion)
        return EmotionShown(emotion=body.state.snapshot.emotion)

    @server.tool(
        title="Take a photo",
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        structured_output=False,
    )
    async def take_photo(
        quality: Annotated[float, Field(ge=0, le=1, description="JPEG quality: 0 smallest, 1 best.")] = 0.9,
        source: Annotated[Literal["local"], Field(description="Which camera: the robot's own.")] = "local",  # noqa: ARG001  # part of the protocol
    ) -> Image:
        """Take a photo with the robot's camera and return it as a JPEG image. The camera must be on."""
        with _readable_errors():
            photo = await body.camera.photo(quality)
        return Image(data=photo.jpeg, format="jpeg")

    @server.tool(
        title="Get the robot's status", annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False)
    )
    async def get_status() -> Status:
        """Tell what is true of the robot now: camera, emotion, viewers, how streaming goes, uptime, versions."""
        now = body.state.snapshot
        return Status(
            camera=now.camera,
            camera_error=now.camera_error,
            emotion=now.emotion,
            display_error=now.display_error,
            microphone_on=now.microphone_on,
            microphone_error=now.microphone_error,
            volume=now.volume,
            muted=now.muted,
            loudspeaker_error=now.loudspeaker_error,
            viewers=now.viewers,
            call=now.call,
            call_error=now.call_error,
            streaming=body.statistics.snapshot(),
            uptime_s=round(body.clock() - body.started_at, 3),
            versions=_versions(),
        )

    if body.loudspeaker is not None:
        _offer_volume(server, body.loudspeaker)
    if body.calls is not None:
        _offer_calls(server, body.state, body.calls)
    return server


def _offer_volume(server: MCPServer, loudspeaker: Loudspeaker) -> None:
    @server.tool(
        title="Set the volume",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def control_volume(
        volume: Annotated[int | None, Field(ge=0, le=100, description="0 silent, 100 loudest.")] = None,
        muted: Annotated[bool | None, Field(description="true: nothing is heard, and the volume is kept.")] = None,
    ) -> VolumeSet:
        """Set the volume of the robot's loudspeaker, or mute it, or both. What is left out stays as it is."""
        if volume is None and muted is None:
            raise ToolError("Nothing to set. Give volume (0 to 100), or muted (true or false), or both.")
        loudspeaker.set_volume(volume, muted=muted)
        return VolumeSet(volume=loudspeaker.volume, muted=loudspeaker.muted)


def _offer_calls(server: MCPServer, state: RobotState, calls: CallControl) -> None:
    annotations = ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
    )

    def status() -> CallStatus:
        return CallStatus(call=state.snapshot.call, call_error=state.snapshot.call_error)

    @server.tool(title="Call the media backend", annotations=annotations)
    async def call_backend() -> CallStatus:
        """Call the robot's media backend, which then sees and hears what camera and microphone do.

        Returns at once; get_status tells what becomes of the call. A call that fails is made again until hang_up.
        """
        calls.call()
        return status()

    @server.tool(title="Hang up", annotations=annotations)
    async def hang_up() -> CallStatus:
        """End the robot's call to its media backend, or the attempts to make one. Afterwards nothing is sent to it."""
        await calls.hang_up()
        return status()


_SHOWN_VERSIONS = ("robot-node", "mcp", "aiomqtt", "aiortc", "av", "luma.oled", "picamera2")


@functools.cache  # it reads files: too slow for the event loop at every call, and it never changes
def _versions() -> dict[str, str]:
    found = {name: version for name in _SHOWN_VERSIONS if (version := _version(name))}
    return {**found, "python": platform.python_version()}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
