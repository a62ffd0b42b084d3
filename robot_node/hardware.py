"""Choose the hardware: the real Pi, or the simulated one. The only place where robot_node knows hw_mocks."""

from __future__ import annotations

from importlib.util import find_spec

from robot_node.core.pip_hint import run_pip
from robot_node.devices.platform import Platform, raspberry_pi
from robot_node.errors import SettingsError
from robot_node.settings.root import Settings


def choose(settings: Settings, *, simulated: bool) -> Platform:
    """The platform that the robot runs on.

    Args:
        settings: The display and the simulation sections say what is simulated.
        simulated: Simulated hardware instead of the Pi's.

    Raises:
        SettingsError: the simulated camera's scene cannot be opened, or numpy is missing, with which it draws.
    """
    if not simulated:
        return raspberry_pi()
    if find_spec("numpy") is None:
        raise SettingsError(
            "Simulated hardware needs the Python package numpy, which is not installed.",
            remedy=f"Run: {run_pip('install numpy')}",
        )
    from hw_mocks.platform import simulated_platform  # noqa: PLC0415  # a robot needs neither it nor numpy

    return simulated_platform(
        scene=settings.simulation.scene,
        cameras=len(settings.all_cameras()),
        controller="sh1106" if settings.display.driver == "sh1106" else "ssd1306",
        display_height=settings.display.height,
        display_address=settings.display.address,
        display_picture=settings.simulation.display_picture,
        camera_hangs_while=settings.simulation.camera_hangs_while,
        microphone_sound=settings.simulation.microphone_sound,
        loudspeaker_recording=settings.simulation.loudspeaker_recording,
    ).platform
