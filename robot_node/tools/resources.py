"""The MCP resources of a robot, which agents read and follow. Nothing here touches MQTT."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

from robot_node.core.changes import Changes
from robot_node.core.events import Event
from robot_node.core.questions import Questions
from robot_node.core.state import RobotSnapshot, RobotState, input_fault
from robot_node.devices.face import Face
from robot_node.devices.outputs import Outputs
from robot_node.robot.status import COUNTERS, FaceStatus, camera_status, status_of, view
from robot_node.robot.telemetry import Telemetry
from robot_node.tools.ask import QUESTIONS, open_questions

STATUS = "robot://status"
CAMERA = "robot://camera"
FACE = "robot://face"
FACE_PICTURE = "robot://face.png"
EVENTS = "robot://events"
PINS = "robot://pins/"
MOTION_PICTURE = "robot://motion.jpg"
CLIPS = "robot://clips"
DETECTIONS = "robot://detections"

JSON = "application/json"
PNG = "image/png"
_SETTLE_S = 0.1


class InputStatus(BaseModel):
    """Content of ``robot://pins/NAME``."""

    name: str = Field(description="The input's name in the robot's settings.")
    kind: str = Field(description="button, switch, motion_sensor, line_sensor, touch_sensor or distance_sensor.")
    active: bool | None = Field(description="It is pressed, sees something or has something near; null: not known.")
    distance_m: float | None = Field(description="Of a distance sensor: metres. Changes of 2 cm and more are notified.")
    error: str = Field(description="Why it cannot be read; empty otherwise.")

    @classmethod
    def of(cls, name: str, now: RobotSnapshot) -> InputStatus:
        """Return the state of an input."""
        of = now.inputs[name]
        error = now.fault(input_fault(name))
        return cls(name=name, kind=of.kind, active=of.active, distance_m=of.distance_m, error=error)


class Events(BaseModel):
    """Content of ``robot://events``."""

    last: int = Field(description="Sequence number of the newest event: read robot://events?after=... next time.")
    events: tuple[Event, ...] = Field(description="The latest events, the newest last.")


def picture_of(face: Face) -> bytes:
    """Return what the face looks like now, as PNG."""
    png = io.BytesIO()
    face.picture.save(png, "PNG")
    return png.getvalue()


def offer_resources(server: MCPServer, telemetry: Telemetry, face: Face, outputs: Outputs) -> None:
    """Let agents read the robot's state and events, and follow them."""
    state = telemetry.state

    def events_after_number(sequence: int) -> str:
        events = telemetry.events
        return Events(last=events.last, events=events.after(sequence)).model_dump_json()

    # Coroutines: the SDK would call functions in a thread, and the robot's state belongs to the event loop.
    @server.resource(STATUS, name="status", title="The robot's status", mime_type=JSON)
    async def status() -> str:
        """What get_status returns with details. Counters, distances and outputs alone announce no update."""
        return status_of(telemetry, outputs.values()).model_dump_json()

    @server.resource(CAMERA, name="camera", title="The camera", mime_type=JSON)
    async def camera() -> str:
        """Whether the camera is on, why it failed, and how many watch."""
        return camera_status(state.snapshot).model_dump_json()

    @server.resource(FACE, name="face", title="The face", mime_type=JSON)
    async def face_status() -> str:
        """The emotion shown, and why nobody can see it; after it, the picture now shown as PNG."""
        return FaceStatus(**view(state.snapshot)).model_dump_json()

    @server.resource(FACE_PICTURE, name="face_picture", title="A picture of the face", mime_type=PNG)
    async def face_picture() -> bytes:
        """What the face looks like now, one bit a pixel. An update is announced when the emotion changes."""
        return picture_of(face)

    @server.resource(EVENTS, name="events", title="What happened", mime_type=JSON)
    async def events() -> str:
        """The latest events: camera, face, viewers, calls, faults and their end, links. Each has a sequence number."""
        return events_after_number(0)

    @server.resource(EVENTS + "{?after}", name="events_after", title="What happened since", mime_type=JSON)
    async def events_after(after: int = 0) -> str:
        """The events after a sequence number."""
        return events_after_number(after)

    for name in state.snapshot.inputs:
        _offer_input(server, state, name)


def _offer_input(server: MCPServer, state: RobotState, name: str) -> None:
    kind = state.snapshot.inputs[name].kind.replace("_", " ")

    @server.resource(
        PINS + name,
        name=f"pins_{name}",
        title=f"{kind.capitalize()} {name}",
        description=f"Whether the {kind} {name!r} is active. An update is announced when it changes.",
        mime_type=JSON,
    )
    async def read() -> str:
        return InputStatus.of(name, state.snapshot).model_dump_json()


class ResourceAnnouncer:
    """Announces each resource whose content has changed. A burst of changes is announced once, and its end always.

    What changed and changed back is not announced. Changes before a restart of :meth:`run` are announced by the next.

    Args:
        telemetry: What the resources show.
        announce: Called with the URI of a resource that may be read again.
        questions: What people are asked; None: nothing.
        settle_s: How long a burst is waited for, in seconds: no resource is announced more often.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        announce: Callable[[str], object],
        *,
        questions: Questions | None = None,
        settle_s: float = _SETTLE_S,
    ) -> None:
        self._telemetry = telemetry
        self._questions = questions or Questions()
        self._announce = announce
        self._settle_s = settle_s
        self._announced = dict(self._contents())

    async def run(self) -> None:
        """Announce until cancelled."""
        with Changes(self._telemetry.state.listen, self._telemetry.events.listen, self._questions.listen) as changes:
            while True:
                for uri, content in self._contents().items():
                    if content != self._announced.get(uri):
                        self._announce(uri)
                        self._announced[uri] = content
                await changes.wait(settle_s=self._settle_s)

    def _contents(self) -> Mapping[str, object]:
        """Return what must differ for a resource to have changed."""
        now = self._telemetry.state.snapshot
        values = view(now)
        return {
            STATUS: (
                status_of(self._telemetry).model_dump(exclude=set(COUNTERS)),
                {name: found.active for name, found in now.inputs.items()},
            ),
            CAMERA: camera_status(now),
            FACE: FaceStatus(**values),
            FACE_PICTURE: now.emotion,
            EVENTS: self._telemetry.events.last,
            DETECTIONS: now.detected,
            QUESTIONS: open_questions(self._questions),
            **({} if now.recording is None else {CLIPS: (now.recording, self._telemetry.counters.recordings_saved)}),
            **{PINS + name: InputStatus.of(name, now) for name in now.inputs},
        }
