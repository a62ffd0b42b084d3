"""The robot's status: a view of its snapshot, as the result of ``get_status`` and as content of resources."""

from __future__ import annotations

import dataclasses
import functools
import platform
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field

from robot_node.core.state import CallState, CameraState, Device, PublishState, RobotSnapshot, ViewerSpeech
from robot_node.robot.telemetry import Telemetry
from robot_node.webrtc.stats import StreamingStats


class CameraStatus(BaseModel):
    """Content of ``robot://camera``."""

    camera: CameraState = Field(description="off, starting, on, stopping or failed.")
    camera_error: str = Field(description="Why the camera failed; empty otherwise.")
    privacy: bool = Field(description="The privacy switch is engaged: the camera is off until a hand disengages it.")
    recording: bool | None = Field(description="The camera's video is being recorded; null when the robot may not.")
    viewers: int = Field(description="How many people or programs watch the video stream now.")


class CamerasStatus(CameraStatus):
    """Content of ``robot://camera`` of a robot with several cameras; what the others say is of the first."""

    cameras: dict[str, CameraState] = Field(description="The state of each camera; the first is the default.")


class FaceStatus(BaseModel):
    """Content of ``robot://face``."""

    emotion: str = Field(description="The emotion that the face shows.")
    display_error: str = Field(description="Why the face cannot be seen; empty while it can.")


class Status(FaceStatus, CameraStatus):
    """Result of get_status, and content of ``robot://status``."""

    small_video_places: int | None = Field(
        description="How many more may watch the small video, for pages with many robots; null: there is none."
    )
    privacy_error: str = Field(description="Why the privacy switch cannot be read; the camera stays off then.")
    microphone_on: bool = Field(description="The microphone is open: what is said near the robot is heard elsewhere.")
    microphone_enabled: bool | None = Field(
        description="The microphone may be opened, unless its switch is engaged; null when there is none."
    )
    microphone_privacy: bool = Field(description="The microphone switch is engaged: a hand has to disengage it.")
    microphone_switch_error: str = Field(
        description="Why the microphone switch cannot be read; the microphone stays closed then."
    )
    microphone_error: str = Field(description="Why the microphone cannot be used; empty otherwise.")
    volume: int | None = Field(description="Volume of the loudspeaker, 0 to 100; null when there is none.")
    muted: bool | None = Field(description="The loudspeaker is muted; null when there is none.")
    loudspeaker_error: str = Field(description="Why the loudspeaker cannot be used; empty otherwise.")
    viewers_hear: bool = Field(description="There is sound for viewers: a microphone or a voice.")
    viewers_heard: bool = Field(description="What a viewer says is recognised.")
    viewers_speak: ViewerSpeech | None = Field(
        description="Whether a viewer may speak to the robot: free, or taken by one or by a call; null: never."
    )
    speaking: bool = Field(description="The robot is speaking.")
    listening: bool = Field(description="The robot listens to somebody, or expects them to speak now.")
    voice_error: str = Field(description="Why the robot cannot speak; empty while it can, or when it has no voice.")
    hearing_error: str = Field(description="Why speech is not recognised; empty while it is, or when it is not wanted.")
    inputs: dict[str, bool | float | None] = Field(
        description="Each input on the pins: whether it is pressed or sees something, or the distance in metres; null: "
        "not known."
    )
    motion: dict[str, bool] = Field(
        description="Whether something moves in each zone of the camera's picture; empty: motion is not looked for."
    )
    detected: list[str] = Field(description="Labels of the objects in the camera's picture.")
    outputs: dict[str, bool | float | str] = Field(
        description="Each output on the pins: an LED's brightness (0 to 1) or light (#rrggbb), a servo's angle in "
        "degrees, a motor's speed (-1 to 1), whether a buzzer sounds."
    )
    faults: dict[str, str] = Field(
        description="Everything that does not work now, by name, and why: devices, those of other packages and on the "
        "pins, and parts of the robot that are being restarted."
    )
    call: CallState = Field(
        description="The robot's call to its media backend: disconnected, connecting, connected, failed or closed."
    )
    call_error: str = Field(description="Why the last attempt to call failed, or who ended the call; empty otherwise.")
    publishing: PublishState | None = Field(
        description="The stream to a server for many viewers: off, connecting, live, waiting; null: not configured."
    )
    streaming: StreamingStats = Field(
        description="Statistics of video streaming: totals since the start, open sessions, the last that ended."
    )
    uptime_s: float = Field(description="Seconds since the robot started.")
    versions: dict[str, str] = Field(description="Versions of robot-node and of the packages that it uses.")


class StatusOfSeveral(CamerasStatus, Status):
    """The status of a robot with several cameras."""


COUNTERS = frozenset({"streaming", "uptime_s", "inputs", "outputs"})
"""Fields of :class:`Status` that may change by themselves all the time: a distance, the angle of a servo on its way."""


def view(now: RobotSnapshot) -> dict[str, Any]:
    """Return the snapshot's fields, and the fault of each device as ``<device>_error``: models pick what they show."""
    values = {field.name: getattr(now, field.name) for field in dataclasses.fields(now)}
    values["cameras"] = {name: each.state for name, each in now.every_camera.items()} if now.cameras else {}
    return values | {f"{device}_error": now.fault(device) for device in Device}


def camera_status(now: RobotSnapshot) -> CameraStatus:
    """Return what there is to know of the camera, or of each."""
    return (CamerasStatus if now.cameras else CameraStatus)(**view(now))


def status_of(telemetry: Telemetry, outputs: Mapping[str, bool | float | str] = MappingProxyType({})) -> Status:
    """Return the robot's status.

    Args:
        telemetry: What the robot reports of itself.
        outputs: What each output on the pins does now.
    """
    now = telemetry.state.snapshot
    inputs = {
        name: found.active if found.distance_m is None else found.distance_m for name, found in now.inputs.items()
    }
    return (StatusOfSeveral if now.cameras else Status)(
        **view(now) | {"inputs": inputs},
        outputs=dict(outputs),
        streaming=telemetry.statistics.snapshot(),
        uptime_s=telemetry.uptime_s,
        versions=_versions(),
    )


_FOR_PAGES = {"streaming", "versions", "viewers_hear", "viewers_heard", "viewers_speak", "small_video_places"}


def brief(status: Status) -> dict[str, Any]:
    """Return what a model needs of the status: without statistics, versions, and what is empty or unknown."""
    values = status.model_dump(mode="json", exclude=_FOR_PAGES)
    if status.streaming.call is not None:
        values["streaming"] = {"call": dataclasses.asdict(status.streaming.call)}
    return {name: value for name, value in values.items() if value not in ("", None, {}, [])}


_SHOWN_VERSIONS = ("robot-node", "mcp", "aiomqtt", "aiortc", "av", "luma.oled", "picamera2")


@functools.cache  # it reads files: too slow for the event loop at every call, and it never changes
def _versions() -> dict[str, str]:
    found = {name: found for name in _SHOWN_VERSIONS if (found := version_of(name))}
    return {**found, "python": platform.python_version()}


def version_of(distribution: str) -> str:
    """Return the version of an installed package; empty when it isn't installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
