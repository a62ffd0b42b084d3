"""The parts of one robot: devices, state, counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robot_node.core.questions import Questions
from robot_node.core.state import acting_for
from robot_node.devices.board import Board
from robot_node.devices.camera.camera import Camera
from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.face import Face
from robot_node.devices.inputs import Inputs
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.devices.outputs import Outputs
from robot_node.devices.plugin import DevicePlugin
from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.robot.performer import Performer
from robot_node.robot.publish_control import PublishControl
from robot_node.robot.saved_state import SavedState
from robot_node.robot.state_store import StateStore
from robot_node.robot.stop_all import STOPPED, stop_all
from robot_node.robot.telemetry import Telemetry
from robot_node.speech.factory import Speech
from robot_node.vision.factory import Vision
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.direct import DirectSignaling
from robot_node.webrtc.streams import Streams

if TYPE_CHECKING:  # not loaded unless the robot may record
    from robot_node.robot.recording.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """The parts of one robot, which the composition root hands to those who need them, part by part.

    Attributes:
        telemetry: State, events, counters and statistics.
        board: The Raspberry Pi itself.
        cameras: The cameras.
        face: The face.
        outputs: Outputs on the pins.
        inputs: Inputs on the pins.
        speech: Mixer, voice and speech recognition.
        performer: Performs behaviours.
        streams: The media that viewers and the backend get.
        microphone: The microphone; None without one.
        loudspeaker: The loudspeaker; None without one.
        recorder: Records clips; None when the robot may not.
        calls: The robot's calls to its media backend; None when it may not call.
        publishing: Switches publishing on and off; None when it may not.
        plugins: Devices of other packages, by their names in the settings.
        notifier: Announces to agents that a resource has changed.
        store: Saves state over a restart; None: nothing is saved.
        saved: The state that was saved before this start.
        questions: What people are asked now.
        direct: Viewers that come by HTTP.
        vision: What it looks for in its camera's pictures.
    """

    telemetry: Telemetry
    board: Board
    cameras: Cameras
    face: Face
    outputs: Outputs
    inputs: Inputs
    speech: Speech
    performer: Performer
    streams: Streams
    microphone: Microphone | None = None
    loudspeaker: Loudspeaker | None = None
    recorder: Recorder | None = None
    calls: CallControl | None = None
    publishing: PublishControl | None = None
    plugins: Mapping[str, DevicePlugin] = field(default_factory=dict)
    notifier: Notifier = field(default_factory=Notifier)
    store: StateStore | None = None
    saved: SavedState = field(default_factory=SavedState)
    questions: Questions = field(default_factory=Questions)
    direct: DirectSignaling = field(default_factory=DirectSignaling)
    vision: Vision = field(default_factory=Vision)

    @property
    def camera(self) -> Camera:
        """The camera, or the first one."""
        return self.cameras.first

    async def stop_all(self) -> tuple[str, ...]:
        """Emergency stop: see :func:`robot_node.robot.stop_all.stop_all`. Who stopped what is an event."""
        stopped = await stop_all(self.outputs, self.speech, self.plugins, self.performer)
        if stopped:  # a button that is pressed again and again must not push other events out
            self.telemetry.events.add(STOPPED, f"Stopped: {', '.join(stopped)}.", by=acting_for())
        return stopped
