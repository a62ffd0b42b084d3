"""The services of a robot's cameras: each has its own watchdog, and is switched on at the start if it is to be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from robot_node.devices.camera.cameras import Cameras
from robot_node.devices.camera.watchdog import restart_when_stalled, switch_on_at_start
from robot_node.errors import ArgumentError
from robot_node.robot.robot import Robot
from robot_node.robot.saved_state import SavedState, camera_comes_on
from robot_node.robot.supervisor import Service
from robot_node.settings.devices import CameraSettings

logger = logging.getLogger(__name__)


def restore_controls(saved: SavedState, cameras: Cameras, settings: Mapping[str, CameraSettings]) -> None:
    """Set the controls that were set before a restart, of the cameras whose settings wish that.

    Args:
        saved: The state before the restart.
        cameras: They are off.
        settings: Of each camera.
    """
    for name, camera in cameras.items():
        controls = saved.controls.get(name if len(cameras) > 1 else "")
        if controls and settings[name].keep_controls:
            try:
                camera.controls.begin_with(controls)
            except ArgumentError as error:  # of another version, or damaged
                logger.warning("The camera's controls are as the settings say, not as before the restart: %s", error)


def camera_services(robot: Robot, settings: Mapping[str, CameraSettings]) -> dict[str, Service]:
    """Return what is to run as long as the robot does, by name.

    Args:
        robot: Its cameras, and what was saved of them.
        settings: Of each camera.
    """
    services, state = dict[str, Service](), robot.telemetry.state
    for name, camera in robot.cameras.items():
        its, which = settings[name], f" {name}" if len(robot.cameras) > 1 else ""
        wanted = robot.saved.camera_wanted(name, first=camera is robot.camera)
        services[f"camera watchdog{which}"] = partial(restart_when_stalled, camera, its.restart_after_s)
        if its.on_at_start and wanted is False:
            logger.info(
                "The camera%s stays off, although camera.on_at_start is set: it was switched off before the restart",
                which,
            )
        if camera_comes_on(wanted, on_at_start=its.on_at_start, on_after_restart=its.on_after_restart):
            services[f"camera at start{which}"] = partial(switch_on_at_start, camera, state, name=which.strip())
    return services
