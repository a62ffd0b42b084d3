"""A simulated Raspberry Pi: a Platform for the robot, and access to the simulated devices for tests and demo."""

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
from hw_mocks.v4l2 import SimulatedUsbCamera, v4l2_library
from robot_node.devices.platform import CameraLibrary, Platform


@dataclass(frozen=True)
class SimulatedPi:
    """A simulated Raspberry Pi.

    Attributes:
        platform: The platform for the robot.
        sensor: The image sensor of the camera, or of the first one, with fault injection.
        sensors: Those of all cameras, by number.
        usb_cameras: The same sensors as USB cameras, for the driver "v4l2".
        oled: The display.
        i2c: The I2C adapter of the display.
        spi: The SPI bus of the display; one of both is used.
        pins: gpiozero's mock pins.
        gpio: The same pins: buttons, levels, fault injection.
        microphone: The microphone.
        loudspeaker: The loudspeaker.
        computer: Temperature and throttling of the board.
        mixer: Volume controls of the sound card; none by default.
    """

    platform: Platform
    sensor: SimulatedSensor
    sensors: tuple[SimulatedSensor, ...]
    usb_cameras: tuple[SimulatedUsbCamera, ...]
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
    cameras: int = 1,
    board: Board = Board.PI_5,
    controller: Literal["ssd1306", "sh1106"] = "ssd1306",
    display_height: Literal[32, 64] = 64,
    display_address: int = 0x3C,
    display_picture: Path | None = None,
    camera_hangs_while: Path | None = None,
    microphone_sound: Path | None = None,
    loudspeaker_recording: Path | None = None,
) -> SimulatedPi:
    """Build a simulated Raspberry Pi.

    Args:
        scene: Picture of the camera: ``clock``, ``noise``, ``webcam``, ``auto``, or the path of a video file.
        cameras: How many there are; each further one has a clock with another marker (:data:`hw_mocks.scenes.CLOCKS`).
        board: Model of the Pi, which determines the H.264 encoder.
        controller: The display's controller.
        display_height: Rows of the display.
        display_address: I2C address of the display.
        display_picture: PNG file that always contains the display's picture.
        camera_hangs_while: While this file exists, a call that switches the camera on does not return.
        microphone_sound: Sound file for the microphone, repeated; None for a tone.
        loudspeaker_recording: File for the sound of the loudspeaker, 16 bit, mono, 48 kHz, without a header.

    Raises:
        SettingsError: The scene or the sound file cannot be opened.
    """
    if scene != "clock":
        from hw_mocks.scenes import check_scene  # late: imports numpy and av

        check_scene(scene)
    sensor = SimulatedSensor(scene=scene, hangs_while=camera_hangs_while)
    others = [SimulatedSensor(scene=f"clock-{number}") for number in range(1, cameras)]

    @functools.cache
    def library() -> CameraLibrary:
        from hw_mocks.picamera2 import camera_library  # late, like the real one: when the camera is needed

        return camera_library(sensor, board, *others)

    usb_cameras = tuple(
        SimulatedUsbCamera(each, f"/dev/video{2 * number}") for number, each in enumerate((sensor, *others))
    )
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
        v4l2=lambda: v4l2_library(*usb_cameras),
    )
    return SimulatedPi(
        platform=platform,
        sensor=sensor,
        sensors=(sensor, *others),
        usb_cameras=usb_cameras,
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
