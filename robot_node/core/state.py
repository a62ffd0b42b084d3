"""The robot's state: one immutable snapshot, and notification of its changes.

Devices and sessions report here; tools, face, data channels and metrics read here. A new reader changes no writer.
"""

from __future__ import annotations

import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from robot_node.core.changes import Changes

logger = logging.getLogger(__name__)


class CameraState(enum.StrEnum):
    """The camera's states. The sensor captures in ``ON`` only, and only then is the indicator on."""

    OFF = "off"
    STARTING = "starting"
    ON = "on"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CameraView:
    """What everybody may know of a camera.

    Attributes:
        state: Its state.
        wanted: True: somebody has switched it on, and nobody off since then; False: somebody has switched it off, from
            afar or by the privacy switch; None: neither, or the robot itself has switched it off.
    """

    state: CameraState = CameraState.OFF
    wanted: bool | None = None


class CallState(enum.StrEnum):
    """States of the robot's call to its media backend (protocol.md 2, connection states shown to people)."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


class PublishState(enum.StrEnum):
    """State of the robot's publication, its stream to a server that passes it on."""

    OFF = "off"
    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"  # for the next attempt, after a failure


class ViewerSpeech(enum.StrEnum):
    """Whether the loudspeaker is there for a viewer who wants to speak."""

    FREE = "free"
    TAKEN = "taken"  # by a viewer, or by a call


class Device(enum.StrEnum):
    """The devices that a robot may have; each is the name of its fault in :attr:`RobotSnapshot.faults`."""

    CAMERA = "camera"
    DISPLAY = "display"
    HEARING = "hearing"
    LOUDSPEAKER = "loudspeaker"
    MICROPHONE = "microphone"
    MICROPHONE_SWITCH = "microphone_switch"
    PRIVACY = "privacy"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class InputState:
    """State of an input on the pins. Its fault: :func:`input_fault`.

    Attributes:
        kind: ``"button"``, ``"motion_sensor"``, ``"distance_sensor"`` and so on.
        active: It is pressed, sees something or has something near; None before it was read.
        distance_m: Of a distance sensor, in metres; None of others.
    """

    kind: str
    active: bool | None = None
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class RobotSnapshot:
    """The robot's state at one moment.

    Attributes:
        camera: The state of the camera, or of the first one.
        camera_wanted: Whether somebody wants it: see :attr:`CameraView.wanted`.
        first_camera: The first camera's name; empty when there are no others.
        cameras: The other cameras, by name.
        camera_controls: By the name of a camera, empty for the first: which of its controls are set otherwise than the
            settings say, values by name.
        privacy: The privacy switch is engaged: the camera is off, and nobody can switch it on from afar.
        emotion: Name of the expression shown.
        microphone_on: The microphone is open: what is said near the robot is heard elsewhere.
        microphone_enabled: The microphone may be opened, as far as agents say; None when there is none.
        microphone_privacy: The microphone switch is engaged: the microphone is closed; only a hand can change that.
        volume: Of the loudspeaker, 0 to 100; None when there is none.
        muted: The loudspeaker is silent, whatever its volume; None when there is none.
        viewers_hear: There is, or may be, sound for viewers: a microphone or a voice.
        viewers_heard: What a viewer says is recognised.
        viewers_speak: Whether a viewer may speak now; None when none may at any time.
        speaking: The robot is speaking.
        listening: Somebody speaks to the robot, or is expected to: a turn of the conversation is theirs.
        recording: The camera's video is being recorded; None when the robot may not record.
        viewers: Number of WebRTC sessions that are connected.
        small_video_places: How many more may watch the small video; None when there is none.
        sessions: Number of agents that have an MCP session.
        mcp_connected: The MCP connection to the broker is up.
        signaling_connected: The signalling connection to the broker is up.
        link_error: Why the MCP connection is down; empty while it is up, and before the first attempt has failed.
        call: The robot's call to its media backend.
        call_error: Why the last attempt to call failed, or who ended the call; empty without error.
        publishing: The robot's stream to a server that passes it on; None when it may not publish.
        inputs: The inputs on the robot's pins, by name.
        motion: Whether something moves in each zone of the camera's picture, by name; empty: motion is not looked for.
        detected: Labels of the objects in the camera's picture, in alphabetical order.
        faults: Everything that does not work now, by name: why, in a sentence. A :class:`Device`, an input
            or output on the pins, a device of another package, a service that crashed and is being restarted, the
            state file. The oldest comes first.
    """

    camera: CameraState = CameraState.OFF
    camera_wanted: bool | None = None
    first_camera: str = ""
    cameras: Mapping[str, CameraView] = field(default_factory=dict)
    camera_controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    privacy: bool = False
    emotion: str = "neutral"
    microphone_on: bool = False
    microphone_enabled: bool | None = None
    microphone_privacy: bool = False
    volume: int | None = None
    muted: bool | None = None
    viewers_hear: bool = False
    viewers_heard: bool = False
    viewers_speak: ViewerSpeech | None = None
    speaking: bool = False
    listening: bool = False
    recording: bool | None = None
    viewers: int = 0
    small_video_places: int | None = None
    sessions: int = 0
    mcp_connected: bool = False
    signaling_connected: bool = False
    link_error: str = ""
    call: CallState = CallState.DISCONNECTED
    call_error: str = ""
    publishing: PublishState | None = None
    inputs: Mapping[str, InputState] = field(default_factory=dict)
    motion: Mapping[str, bool] = field(default_factory=dict)
    detected: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def every_camera(self) -> Mapping[str, CameraView]:
        """All cameras by name, the first one first; the name of an only camera is empty."""
        return {self.first_camera: CameraView(self.camera, self.camera_wanted), **self.cameras}

    @property
    def capturing(self) -> bool:
        """A camera is on."""
        return any(camera.state is CameraState.ON for camera in self.every_camera.values())

    def view_of_camera(self, name: str = "") -> CameraView:
        """Return what is known of a camera; without a name, of the first."""
        return self.every_camera[name or self.first_camera]

    def cameras_by_fault(self) -> Mapping[str, CameraView]:
        """Return all cameras by the names of their faults."""
        first = CameraView(self.camera, self.camera_wanted)
        return {camera_fault(""): first, **{camera_fault(name): each for name, each in self.cameras.items()}}

    def fault(self, name: str) -> str:
        """Return the reason of a fault; empty without fault, and for unknown names."""
        return self.faults.get(name, "")


_ACTOR: ContextVar[str] = ContextVar("actor", default="")


@contextlib.contextmanager
def act_for(client_id: str) -> Iterator[None]:
    """Attribute changes in this block, and in tasks started in it, to an agent; empty: to none."""
    token = _ACTOR.set(client_id)
    try:
        yield
    finally:
        _ACTOR.reset(token)


def acting_for() -> str:
    """Return the client id of the agent that causes the current changes; empty without one."""
    return _ACTOR.get()


def camera_fault(name: str) -> str:
    """Return the name of the fault of a camera; of the first one when ``name`` is empty."""
    return f"{Device.CAMERA} {name}" if name else Device.CAMERA


def input_fault(name: str) -> str:
    """Return the name of the fault of an input on the pins."""
    return f"input {name}"


def output_fault(name: str) -> str:
    """Return the name of the fault of an output on the pins."""
    return f"output {name}"


def device_fault(name: str) -> str:
    """Return the name of the fault of a device that another package brings."""
    return f"device {name}"


class RobotState:
    """Holds the snapshot and calls listeners at each change. Used from the event loop only."""

    def __init__(self, snapshot: RobotSnapshot | None = None) -> None:
        self._snapshot = snapshot or RobotSnapshot()
        self._listeners: list[Callable[[RobotSnapshot], None]] = []

    @property
    def snapshot(self) -> RobotSnapshot:
        """The current state."""
        return self._snapshot

    def update(self, **changes: Any) -> None:
        """Change some fields; listeners are called only when something really changed."""
        changed = replace(self._snapshot, **changes)
        if changed == self._snapshot:
            return
        self._snapshot = changed
        for listener in tuple(self._listeners):
            try:
                listener(changed)
            except Exception:  # one listener's bug must not affect the writer or the others
                logger.exception("A listener failed at a change of the robot's state")

    def set_fault(self, name: str, error: str, **changes: Any) -> None:
        """Report a fault, or its end with an empty ``error``; each name has one reporter.

        Args:
            name: What, in a word or two, e.g. ``"reactions"``.
            error: What happened, in a sentence.
            changes: Fields that change in the same step, as of :meth:`update`.
        """
        faults = {**self._snapshot.faults, name: error}
        self.update(faults={name: error for name, error in faults.items() if error}, **changes)

    def listen(self, listener: Callable[[RobotSnapshot], None]) -> Callable[[], None]:
        """Call ``listener`` at each change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def changes(self) -> AsyncIterator[RobotSnapshot]:
        """Yield the current snapshot, then the newest after each change. A slow reader skips what it missed."""
        with Changes(self.listen) as changes:
            while True:
                yield self._snapshot
                await changes.wait()
