"""What an agent may read and follow: the MCP resources of a robot. They never touch MQTT."""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import AnyUrl, BaseModel, Field

from robot_node.core.events import Event
from robot_node.core.state import RobotSnapshot, input_fault
from robot_node.mcp_mqtt.access import is_human_only
from robot_node.robot.robot import Body
from robot_node.robot.status import COUNTERS, CameraStatus, FaceStatus, status_of, view
from robot_node.tools.arguments import unknown_tool, wrong_arguments

STATUS = "robot://status"
CAMERA = "robot://camera"
FACE = "robot://face"
FACE_PICTURE = "robot://face.png"
EVENTS = "robot://events"
PINS = "robot://pins/"

_JSON = "application/json"
_PNG = "image/png"
_SHORTEST_S = 0.1  # between two announcements


class InputNow(BaseModel):
    """What ``robot://pins/NAME`` holds."""

    name: str = Field(description="The input's name in the robot's settings.")
    kind: str = Field(description="button, switch, motion_sensor, line_sensor, touch_sensor or distance_sensor.")
    active: bool | None = Field(description="It is pressed, sees something or has something near; null: not known.")
    distance_m: float | None = Field(description="Of a distance sensor: metres. Changes of 2 cm and more are told.")
    error: str = Field(description="Why it cannot be read; empty otherwise.")

    @classmethod
    def of(cls, name: str, now: RobotSnapshot) -> InputNow:
        """Return the state of an input."""
        of = now.inputs[name]
        error = now.fault(input_fault(name))
        return cls(name=name, kind=of.kind, active=of.active, distance_m=of.distance_m, error=error)


class Events(BaseModel):
    """What ``robot://events`` holds."""

    last: int = Field(description="Sequence number of the newest event: read robot://events?after=... next time.")
    events: tuple[Event, ...] = Field(description="The latest events, the newest last.")


class RobotServer(MCPServer):
    """The SDK's MCP server with differences in what it tells: see the methods.

    Args:
        body: Whose face.
        name: As of MCPServer, and so are the other arguments.
    """

    def __init__(self, body: Body, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._body = body

    def add_tool(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        """Add a tool. A docstring that describes it loses its indentation, which Python keeps before 3.13."""
        super().add_tool(fn, name, title, description or inspect.getdoc(fn), *args, **options)

    def wrong_arguments(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Say what is wrong with a call, of any tool however it was added; empty when nothing is."""
        found = self._tool_manager.get_tool(tool)
        if found is not None:
            return wrong_arguments(found, arguments)
        return unknown_tool(
            tool, (each.name for each in self._tool_manager.list_tools() if not is_human_only(each.meta))
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Arguments that it doesn't have are refused, and errors in them told in words.

        Raises:
            ToolError: the arguments are wrong, or the tool failed.
        """
        if wrong := self.wrong_arguments(name, arguments):
            raise ToolError(wrong)
        return await super().call_tool(name, arguments, context)

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Return what a resource holds; ``robot://face`` has two contents."""
        contents = await super().read_resource(uri, context)
        if str(uri) != FACE or isinstance(contents, InputRequiredResult):
            return contents
        return [*contents, ReadResourceContents(content=_picture(self._body), mime_type=_PNG)]


def _picture(body: Body) -> bytes:
    png = io.BytesIO()
    body.face.picture.save(png, "PNG")
    return png.getvalue()


def _events(body: Body, after: int) -> Events:
    return Events(last=body.events.last, events=body.events.after(after))


def offer_resources(server: MCPServer, body: Body) -> None:
    """Let agents read what is true of the robot and what happened to it."""

    # Coroutines: the SDK would call functions in a thread, and the robot's state belongs to the event loop.
    @server.resource(STATUS, name="status", title="The robot's status", mime_type=_JSON)
    async def status() -> str:
        """What get_status returns. An update is announced when more than counters changed."""
        return status_of(body).model_dump_json()

    @server.resource(CAMERA, name="camera", title="The camera", mime_type=_JSON)
    async def camera() -> str:
        """Whether the camera is on, why it failed, and how many watch."""
        return CameraStatus(**view(body.state.snapshot)).model_dump_json()

    @server.resource(FACE, name="face", title="The face", mime_type=_JSON)
    async def face() -> str:
        """The emotion shown, and why nobody can see it; after it, the picture now shown as PNG."""
        return FaceStatus(**view(body.state.snapshot)).model_dump_json()

    @server.resource(FACE_PICTURE, name="face_picture", title="A picture of the face", mime_type=_PNG)
    async def face_picture() -> bytes:
        """What the face looks like now, one bit a pixel. An update is announced when the emotion changes."""
        return _picture(body)

    @server.resource(EVENTS, name="events", title="What happened", mime_type=_JSON)
    async def events() -> str:
        """The latest events: camera, face, viewers, calls, faults and their end, links. Each has a sequence number."""
        return _events(body, 0).model_dump_json()

    @server.resource(EVENTS + "{?after}", name="events_after", title="What happened since", mime_type=_JSON)
    async def events_after(after: int = 0) -> str:
        """The events after a sequence number."""
        return _events(body, after).model_dump_json()

    for name in body.state.snapshot.inputs:
        _offer_input(server, body, name)


def _offer_input(server: MCPServer, body: Body, name: str) -> None:
    kind = body.state.snapshot.inputs[name].kind

    @server.resource(
        PINS + name,
        name=f"pins_{name}",
        title=f"{kind.replace('_', ' ').capitalize()} {name}",
        description=f"Whether the {kind.replace('_', ' ')} {name!r} is active. An update is announced when it changes.",
        mime_type=_JSON,
    )
    async def read() -> str:
        return InputNow.of(name, body.state.snapshot).model_dump_json()


async def announce(body: Body, tell: Callable[[str], object], *, shortest_s: float = _SHORTEST_S) -> None:
    """Tell of each resource that has changed, until cancelled.

    What changes in a burst is told once, and the last of it always; what changed and changed back is not told.

    Args:
        body: Whose resources.
        tell: Given the URI of a resource that may be read again.
        shortest_s: How long a burst is waited for, in seconds: no resource is told more often.
    """
    changed = asyncio.Event()
    stops = (body.state.listen(lambda _: changed.set()), body.events.listen(lambda _: changed.set()))
    known = _contents(body)
    try:
        while True:
            await changed.wait()
            await asyncio.sleep(shortest_s)
            changed.clear()
            before, known = known, _contents(body)
            for uri, content in known.items():
                if content != before.get(uri):
                    tell(uri)
    finally:
        for stop in stops:
            stop()


def _contents(body: Body) -> Mapping[str, object]:
    """What must differ for a resource to have changed."""
    now = body.state.snapshot
    return {
        STATUS: status_of(body).model_dump(exclude=set(COUNTERS)),
        CAMERA: CameraStatus(**view(now)),
        FACE: FaceStatus(**view(now)),
        FACE_PICTURE: now.emotion,
        EVENTS: body.events.last,
        **{PINS + name: InputNow.of(name, now) for name in now.inputs},
    }
