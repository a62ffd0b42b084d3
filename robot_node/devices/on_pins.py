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
from robot_node.errors import DeviceError
from robot_node.settings.root import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnPins:
    """What is on the pins.

    Attributes:
        indicator: For the camera.
        privacy: For the camera.
        outputs: For tools and reactions.
        inputs: Report to the state by themselves.
    """

    indicator: Indicator
    privacy: Privacy
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
    switch: Privacy = NoPrivacySwitch()
    if privacy.switch_pin is not None:
        switch = PrivacySwitch(
            board, privacy.switch_pin, state, kind=privacy.switch_kind, engaged_when=privacy.engaged_when
        )
        devices.push_async_callback(switch.close)
        await switch.open()
    indicator: Indicator = NoIndicator()
    if privacy.led_pin is not None:
        indicator = led = IndicatorLed(
            board, privacy.led_pin, state, active_high=privacy.led_active_high, check_s=privacy.led_check_s
        )
        devices.push_async_callback(led.close)
        try:
            await led.open()
        except DeviceError as error:
            logger.error("%s", error)
    outputs = Outputs(board, settings.pins, state)
    devices.push_async_callback(outputs.close)
    inputs = Inputs(board, settings.pins, state, events)
    devices.callback(inputs.close)
    for fault in (*await outputs.open(), *await inputs.open()):
        logger.error("%s", fault)
    return OnPins(indicator, switch, outputs, inputs)
