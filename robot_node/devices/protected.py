"""What a privacy switch and an indicator LED are for, and what they are called then."""

from __future__ import annotations

from dataclasses import dataclass

from robot_node.core.state import Device


@dataclass(frozen=True, slots=True)
class Protected:
    """A device that a person at the robot can switch off for good, and that an LED shows in use.

    Attributes:
        device: What it is called.
        switch: What its switch is called.
        engaged: Field of the robot's state that says whether the switch is engaged.
        switch_fault: Name of the fault of a switch that cannot be read.
        led: What its LED is called, also as a fault.
    """

    device: str
    switch: str
    engaged: str
    switch_fault: str
    led: str


CAMERA = Protected("camera", "privacy", "privacy", Device.PRIVACY, "indicator LED")
MICROPHONE = Protected(
    "microphone", "microphone", "microphone_privacy", Device.MICROPHONE_SWITCH, "microphone's indicator LED"
)
