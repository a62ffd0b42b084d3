"""What an agent sees: the MCP tools of a robot, each a thin call into a device. They never touch MQTT."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field

from robot_node.core.state import CallState, CameraState, RobotState, act_for
from robot_node.devices.audio import Loudspeaker
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ClientIdentity
from robot_node.robot.robot import Body
from robot_node.robot.status import Status, status_of, version_of
from robot_node.robot.stop_all import stop_all
from robot_node.tools.common import CONNECTS, READS, SETS, readable_errors
from robot_node.tools.face import offer_face
from robot_node.tools.meter import ToolMeter
from robot_node.tools.pins import offer_outputs, stopped_with_session
from robot_node.tools.resources import RobotServer, offer_resources
from robot_node.tools.voice import offer_voice
from robot_node.webrtc.call_control import CallControl

__all__ = ["Body", "build_server"]

_INSTRUCTIONS = """\
You have a body: a camera that is off until you switch it on, and a face that shows emotions.
Call control_camera with enabled=true before take_photo, and switch the camera off when you need it no longer:
people see that it is on. Use change_emotion to show how you feel about what is said or seen, and show_text to write
below the eyes.
The resource robot://events tells what happened to you, robot://status what is true now."""

_VOICE = "\nWith say you speak aloud, with your mouth moving; with stop_speaking you fall silent at once."


class CameraSwitched(BaseModel):
    """Result of control_camera."""

    camera: CameraState = Field(description="State of the camera after the call.")


class Stopped(BaseModel):
    """Result of stop_all."""

    stopped: tuple[str, ...] = Field(description="What was moving or sounding.")


class VolumeSet(BaseModel):
    """Result of control_volume."""

    volume: int = Field(description="Volume of the loudspeaker, 0 to 100.")
    muted: bool = Field(description="Nothing is heard, whatever the volume.")


class CallStatus(BaseModel):
    """Result of call_backend and hang_up."""

    call: CallState = Field(description="disconnected, connecting, connected, failed or closed.")
    call_error: str = Field(description="Why the last attempt failed, or who ended the call; empty otherwise.")


def build_server(body: Body, *, name: str, description: str, notifier: Notifier | None = None) -> RobotServer:
    """Make the MCP server of a robot.

    Args:
        body: What the tools act upon.
        name: The robot's server name.
        description: What the robot can do, in a sentence.
        notifier: Through which changes of resources are told; without it nobody can subscribe to them.
    """
    server = RobotServer(
        body,
        name,
        description=description,
        instructions=_INSTRUCTIONS + (_VOICE if body.speaker is not None else ""),
        version=version_of("robot-node"),
        subscriptions=notifier or False,
        middleware=[ToolMeter(body.counters), _note_who_asks],
        lifespan=None if (outputs := body.outputs) is None else lambda _: stopped_with_session(outputs),
    )

    @server.tool(title="Switch the camera", annotations=SETS)
    async def control_camera(
        enabled: Annotated[bool, Field(description="true switches the camera on, false off.")],
    ) -> CameraSwitched:
        """Switch the robot's camera on or off. While it is off nothing is captured and photos are refused."""
        with readable_errors():
            await (body.camera.start() if enabled else body.camera.stop())
        return CameraSwitched(camera=body.state.snapshot.camera)

    @server.tool(
        title="Take a photo",
        annotations=READS,
        structured_output=False,
    )
    async def take_photo(
        quality: Annotated[float, Field(ge=0, le=1, description="JPEG quality: 0 smallest, 1 best.")] = 0.9,
        source: Annotated[  # noqa: ARG001  # part of the protocol
            Literal["local", "remote"], Field(description="Without effect: there is one camera.")
        ] = "local",
    ) -> Image:
        """Take a photo with the robot's camera and return it as a JPEG image. The camera must be on."""
        with readable_errors():
            photo = await body.camera.photo(quality)
        return Image(data=photo.jpeg, format="jpeg")

    @server.tool(title="Get the robot's status", annotations=READS)
    async def get_status() -> Status:
        """Tell what is true of the robot now: camera, emotion, viewers, how streaming goes, uptime, versions."""
        return status_of(body)

    offer_face(server, body.face)
    offer_resources(server, body)
    if body.outputs is not None:
        offer_outputs(server, body.outputs)
    _offer_stop(server, body)
    for plugin in body.plugins.values():
        plugin.offer(server)
    if body.loudspeaker is not None:
        _offer_volume(server, body.loudspeaker)
    if body.speaker is not None:
        offer_voice(server, body.speaker, body.state)
    if body.calls is not None:
        _offer_calls(server, body.state, body.calls)
    return server


def _offer_stop(server: MCPServer, body: Body) -> None:
    # Also where nothing can move: who wants to be sure need not look first what there is.
    @server.tool(name="stop_all", title="Stop everything", annotations=SETS)
    async def stop_everything() -> Stopped:
        """Stop whatever moves or sounds, on pins and in other devices, whoever began it. LEDs stay as they are."""
        with readable_errors():
            return Stopped(stopped=await stop_all(body))


def _offer_volume(server: MCPServer, loudspeaker: Loudspeaker) -> None:
    @server.tool(title="Set the volume", annotations=SETS)
    async def control_volume(
        volume: Annotated[int | None, Field(ge=0, le=100, description="0 silent, 100 loudest.")] = None,
        muted: Annotated[bool | None, Field(description="true: nothing is heard, and the volume is kept.")] = None,
    ) -> VolumeSet:
        """Set the volume of the robot's loudspeaker, or mute it, or both. What is left out stays as it is."""
        if volume is None and muted is None:
            raise ToolError("Nothing to set. Give volume (0 to 100), or muted (true or false), or both.")
        await loudspeaker.set_volume(volume, muted=muted)
        return VolumeSet(volume=loudspeaker.volume, muted=loudspeaker.muted)


def _offer_calls(server: MCPServer, state: RobotState, calls: CallControl) -> None:
    def status() -> CallStatus:
        return CallStatus(call=state.snapshot.call, call_error=state.snapshot.call_error)

    @server.tool(title="Call the media backend", annotations=CONNECTS)
    async def call_backend() -> CallStatus:
        """Call the robot's media backend, which then sees and hears what camera and microphone do.

        Returns at once; get_status tells what becomes of the call. A call that fails is made again until hang_up.
        """
        calls.call()
        return status()

    @server.tool(title="Hang up", annotations=CONNECTS)
    async def hang_up() -> CallStatus:
        """End the robot's call to its media backend, or the attempts to make one. Afterwards nothing is sent to it."""
        await calls.hang_up()
        return status()


async def _note_who_asks(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Whatever a request changes is put down to the agent that made it."""
    with act_for(ctx.request.client_id if isinstance(ctx.request, ClientIdentity) else ""):
        return await call_next(ctx)
