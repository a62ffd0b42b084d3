"""Builds the recorder and the time-lapse from the settings; nothing of them is imported unless they are wanted."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from robot_node.core.state import RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.errors import SettingsError
from robot_node.robot import systemd
from robot_node.robot.supervisor import Service
from robot_node.robot.telemetry import Telemetry
from robot_node.settings.recording import RecordingSettings, TimelapseSettings
from robot_node.settings.root import Settings
from robot_node.webrtc.streams import Streams

if TYPE_CHECKING:
    from robot_node.robot.recording.library import Library
    from robot_node.robot.recording.recorder import Recorder

_FOLDERS = {"recording": "clips", "timelapse": "timelapse"}
"""In the service's own folder, by the section whose setting ``folder`` is empty."""

_MB = 1_000_000


def folder_of(section: str, setting: Path | None, name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for recordings.

    Args:
        section: Whose setting ``folder`` it is.
        setting: That setting.
        name: The folder in the service's own one when there is no setting.
        environment: Tells the folder of a systemd service.

    Raises:
        SettingsError: There is neither.
    """
    if setting is not None:
        return setting
    state = systemd.state_directory(environment)
    if state is None:
        raise SettingsError(
            f"{section}.folder: there is no folder to store it in.",
            remedy=f"Set {section}.folder; only as a systemd service has the robot one of its own.",
        )
    return state / name


def build_recorder(settings: Settings, telemetry: Telemetry, streams: Streams) -> Recorder | None:
    """Build the recorder; None when the settings do not allow to record.

    Raises:
        SettingsError: There is no folder to record to.
    """
    recording = settings.recording
    if not recording.enabled:
        return None
    clips = _library("recording", recording, prefix="clip", suffix=".mp4")
    module = importlib.import_module("robot_node.robot.recording.recorder")
    built: Recorder = module.Recorder(recording, telemetry, streams, clips)
    return built


def recording_services(
    recorder: Recorder | None, settings: Settings, camera: Camera, state: RobotState, online: asyncio.Event
) -> dict[str, Service]:
    """Return the services of recorder and time-lapse, by name; none unless they are wanted.

    Args:
        recorder: The recorder.
        settings: The robot's.
        camera: Takes the photos.
        state: The robot's state.
        online: Set once the robot is reachable.

    Raises:
        SettingsError: There is no folder for the photos.
    """
    services: dict[str, Service] = {}
    if recorder is not None:
        services |= {"recorder": partial(recorder.run, online), "recordings' limits": recorder.keep_limits}
    if settings.timelapse.every_s:
        module = importlib.import_module("robot_node.robot.recording.timelapse")
        photos = _library("timelapse", settings.timelapse, prefix="timelapse", suffix=".jpg")
        services["time-lapse"] = module.Timelapse(settings.timelapse, camera, photos, state).run
    return services


def _library(section: str, settings: RecordingSettings | TimelapseSettings, *, prefix: str, suffix: str) -> Library:
    module = importlib.import_module("robot_node.robot.recording.library")
    age = timedelta(days=settings.max_age_days) if settings.max_age_days else None
    limits = module.Limits(settings.max_mb * _MB, age, settings.min_free_mb * _MB)
    folder = folder_of(section, settings.folder, _FOLDERS[section])
    made: Library = module.Library(folder, limits, prefix=prefix, suffix=suffix)
    return made
