"""Everything that one robot has on its pins, opened and closed together."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from robot_node.core.events import EventLog
from robot_node.core.state import RobotState
from robot_node.devices.indicator import Indicator, IndicatorLed, NoIndicator
from robot_node.devices.inputs import Inputs
from robot_node.devices.outputs import Outputs
from robot_node.devices.pins import PinBoard
from robot_node.devices.platform import Platform
from robot_node.devices.privacy import NoPrivacySwitch, Privacy, PrivacySwitch
from robot_node.devices.protected import CAMERA, MICROPHONE, Protected
from robot_node.errors import DeviceError
from robot_node.settings.pins import SwitchAndLedSettings
from robot_node.settings.root import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnPins:
    """What is on the pins.

    Attributes:
        indicator: For the camera.
        privacy: For the camera.
        microphone_indicator: For the microphone.
        microphone_privacy: For the microphone.
        outputs: For tools and reactions.
        inputs: Report to the state by themselves.
    """

    indicator: Indicator
    privacy: Privacy
    microphone_indicator: Indicator
    microphone_privacy: Privacy
    outputs: Outputs
    inputs: Inputs


async def open_pins(
    platform: Platform, settings: Settings, state: RobotState, events: EventLog, devices: AsyncExitStack
) -> OnPins:
    """Take all pins of the settings. What cannot be used is a fault in the state and in the log; the rest works.

    Args:
        platform: Gives the pins.
        settings: Sections privacy and pins.
        state: Where inputs, privacy and faults are reported.
        events: Where changes of inputs are added.
        devices: Where closing is put.
    """
    board = PinBoard(platform)
    devices.push_async_callback(board.close)
    privacy = settings.privacy
    switch, indicator = await _open_privacy(board, privacy, CAMERA, state, devices)
    its_switch, its_indicator = await _open_privacy(board, privacy.microphone, MICROPHONE, state, devices)
    outputs = Outputs(board, settings.pins, state)
    devices.push_async_callback(outputs.close)
    inputs = Inputs(board, settings.pins, state, events)
    devices.callback(inputs.close)
    for fault in (*await outputs.open(), *await inputs.open()):
        logger.error("%s", fault)
    return OnPins(indicator, switch, its_indicator, its_switch, outputs, inputs)


async def _open_privacy(
    board: PinBoard, settings: SwitchAndLedSettings, of: Protected, state: RobotState, devices: AsyncExitStack
) -> tuple[Privacy, Indicator]:
    switch: Privacy = NoPrivacySwitch()
    if settings.switch_pin is not None:
        switch = on_pin = PrivacySwitch(
            board,
            settings.switch_pin,
            state,
            kind=settings.switch_kind,
            engaged_when=settings.engaged_when,
            protects=of,
        )
        devices.push_async_callback(on_pin.close)
        await on_pin.open()
    indicator: Indicator = NoIndicator()
    if settings.led_pin is not None:
        indicator = led = IndicatorLed(
            board,
            settings.led_pin,
            state,
            active_high=settings.led_active_high,
            check_s=settings.led_check_s,
            shows=of,
        )
        devices.push_async_callback(led.close)
        try:
            await led.open()
        except DeviceError as error:
            logger.error("%s", error)
    return switch, indicator
