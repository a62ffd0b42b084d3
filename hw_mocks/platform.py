"""A whole simulated Raspberry Pi: a Platform for the robot, and handles for whoever tests or plays with it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpiozero.pins.mock import MockFactory

from hw_mocks.audio import SimulatedLoudspeaker, SimulatedMicrophone, sound_library, sound_of
from hw_mocks.board import SimulatedBoard
from hw_mocks.i2c import SimulatedI2cAdapter
from hw_mocks.mixer import SimulatedMixer
from hw_mocks.oled import SimulatedOled
from hw_mocks.pins import SimulatedPins
from hw_mocks.sensor import Board, SimulatedSensor
from hw_mocks.spi import SimulatedSpiBus
from robot_node.devices.platform import CameraLibrary, Platform


@dataclass(frozen=True)
class SimulatedPi:
    """A simulated Raspberry Pi.

    Attributes:
        platform: What the robot is given.
        sensor: The camera's image sensor, with its faults.
        oled: The display: its picture, and its plug.
        i2c: The adapter that it is wired to.
        spi: The bus that it is wired to as well: one of both is used.
        pins: gpiozero's mock pins.
        gpio: The same, to press buttons, to look at LEDs, and to break them.
        microphone: What is heard.
        loudspeaker: What was played.
        computer: The temperature of the board itself, and what slows it down.
        mixer: The volume controls of the sound card; none at first.
    """

    platform: Platform
    sensor: SimulatedSensor
    oled: SimulatedOled
    i2c: SimulatedI2cAdapter
    spi: SimulatedSpiBus
    pins: MockFactory
    gpio: SimulatedPins
    microphone: SimulatedMicrophone
    loudspeaker: SimulatedLoudspeaker
    computer: SimulatedBoard
    mixer: SimulatedMixer


def simulated_platform(
    *,
    scene: str = "auto",
    board: Board = Board.PI_5,
    controller: Literal["ssd1306", "sh1106"] = "ssd1306",
    display_height: Literal[32, 64] = 64,
    display_address: int = 0x3C,
    display_picture: Path | None = None,
    camera_hangs_while: Path | None = None,
    microphone_sound: Path | None = None,
    loudspeaker_recording: Path | None = None,
) -> SimulatedPi:
    """Build a Raspberry Pi that is not there.

    Args:
        scene: What the camera sees: ``clock``, ``webcam``, ``auto``, or the path of a video file.
        board: Which Pi: it decides upon the H.264 encoder.
        controller: The display's controller.
        display_height: Rows of the display.
        display_address: Where on the I2C bus it answers.
        display_picture: File that always holds the display's picture as PNG.
        camera_hangs_while: File; while it exists, a call that switches the camera on does not return.
        microphone_sound: File that the microphone hears, again and again; None for a tone.
        loudspeaker_recording: File that gets what the loudspeaker plays, 16 bit, mono, 48 kHz, without a header.

    Raises:
        SettingsError: The scene cannot be shown, or the sound not be heard.
    """
    if scene != "clock":
        from hw_mocks.scenes import check_scene  # numpy and av: only when there is something to check

        check_scene(scene)
    sensor = SimulatedSensor(scene=scene, hangs_while=camera_hangs_while)

    @functools.cache
    def library() -> CameraLibrary:
        from hw_mocks.picamera2 import camera_library  # as the real one: when the camera is needed

        return camera_library(sensor, board)

    oled = SimulatedOled(controller, display_height, display_picture)
    i2c = SimulatedI2cAdapter({display_address: oled})
    microphone, loudspeaker = SimulatedMicrophone(), SimulatedLoudspeaker(loudspeaker_recording)
    if microphone_sound is not None:
        microphone.repeated = sound_of(microphone_sound)
    sound = sound_library(microphone, loudspeaker)
    mixer = SimulatedMixer()
    gpio = SimulatedPins()
    pins = gpio.factory
    spi = SimulatedSpiBus(oled, pins)
    computer = SimulatedBoard()
    platform = Platform(
        name="simulated",
        camera_library=library,
        i2c=i2c.open,
        sound_library=lambda: sound,
        amixer=mixer.amixer,
        pin_factory=lambda: pins,
        drive_pin=lambda pin, high: gpio.drive(pin, high=high),
        spidev=spi.spidev,
        pin_users=lambda: gpio.other_users,
        board_temperature=computer.temperature,
        board_throttling=computer.throttling,
    )
    return SimulatedPi(
        platform=platform,
        sensor=sensor,
        oled=oled,
        i2c=i2c,
        spi=spi,
        pins=pins,
        gpio=gpio,
        microphone=microphone,
        loudspeaker=loudspeaker,
        computer=computer,
        mixer=mixer,
    )
