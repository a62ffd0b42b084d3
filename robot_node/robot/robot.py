"""What one robot consists of, for whatever shows or moves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from robot_node.core.counters import Counters
from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.audio import Loudspeaker
from robot_node.devices.camera import Camera
from robot_node.devices.face import Face
from robot_node.devices.outputs import Outputs
from robot_node.devices.plugin import DevicePlugin
from robot_node.speech.speaker import Speaker
from robot_node.webrtc.call_control import CallControl
from robot_node.webrtc.stats import Statistics


@dataclass(frozen=True, slots=True)
class Body:
    """The devices that tools act upon, and the state that they report to.

    Attributes:
        camera: The camera.
        face: The face.
        state: Where devices and sessions report to.
        loudspeaker: The loudspeaker; None without one.
        speaker: The voice; None without one.
        calls: The robot's calls to its media backend; None when it may not call.
        outputs: What is shown and moved by the pins; None when there are no pins.
        plugins: Devices of other packages, with tools of their own, by their names in the settings.
        statistics: What happened in streaming.
        events: What happened to the robot.
        counters: What is counted.
        clock: Monotonic time in seconds.
        started_at: When the robot started, by that clock.
    """

    camera: Camera
    face: Face
    state: RobotState
    loudspeaker: Loudspeaker | None = None
    speaker: Speaker | None = None
    calls: CallControl | None = None
    outputs: Outputs | None = None
    plugins: Mapping[str, DevicePlugin] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    events: EventLog = field(default_factory=EventLog)
    counters: Counters = field(default_factory=Counters)
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(default_factory=time.monotonic)
