"""The robot's microphone and loudspeaker, as its settings ask for them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.devices.on_pins import OnPins
from robot_node.devices.platform import Platform
from robot_node.settings.devices import AudioSettings


def open_sound(
    platform: Platform, settings: AudioSettings, state: RobotState, on_pins: OnPins, devices: AsyncExitStack
) -> tuple[Microphone | None, Loudspeaker | None]:
    """Make the two; each is opened when it is needed.

    Args:
        platform: Gives the sound library.
        settings: Which devices.
        state: Where they report.
        on_pins: The microphone's switch and LED.
        devices: Where closing is put.
    """
    microphone = loudspeaker = None
    if settings.microphone != "none":
        microphone = Microphone(
            platform,
            settings.microphone,
            state,
            bitrate=settings.bitrate,
            privacy=on_pins.microphone_privacy,
            indicator=on_pins.microphone_indicator,
        )
        devices.push_async_callback(microphone.close)
    if settings.loudspeaker != "none":
        loudspeaker = Loudspeaker(
            platform, settings.loudspeaker, state, volume=settings.volume, volume_control=settings.volume_control
        )
        devices.push_async_callback(loudspeaker.close)
    return microphone, loudspeaker
