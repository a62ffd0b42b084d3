"""Platform: the one seam to the hardware. Drivers are handed the hardware's libraries; they import none themselves.

:func:`raspberry_pi` gives the real libraries, ``hw_mocks.platform.simulated_platform()`` gives libraries of the
same names and signatures over simulated hardware. What is simulated lies below our drivers, so that the driver
code that runs in a test is the code that runs on a Pi.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import re
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_node.core.child_environment import child_environment
from robot_node.core.pip_hint import run_pip
from robot_node.devices.v4l2 import V4l2Library, no_v4l2, real_v4l2
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

_OLDEST_PICAMERA2 = (0, 3, 26)
"""The first that makes JPEG stills from the YUV stream that the encoder reads; calls have time limits since 0.3.20."""

_VCGENCMD_LIMIT_S = 5.0
_AMIXER_LIMIT_S = 5.0


def no_imx500(network_file: str) -> Any:
    """A camera library without this camera.

    Raises:
        DeviceError: always.
    """
    del network_file
    raise DeviceError("This camera library knows no IMX500.")


@dataclass(frozen=True, slots=True)
class CameraLibrary:
    """The parts of the ``picamera2`` package that the camera driver uses.

    Attributes:
        Picamera2: The camera class.
        H264Encoder: The board's H.264 encoder: V4L2 hardware on a Pi 4 and earlier, libx264 on a Pi 5.
        LibavH264Encoder: Always libx264, by way of PyAV.
        Encoder: Their base class, which outputs unencoded frames.
        Output: Base class of the receivers of encoded frames.
        Transform: libcamera's ``Transform(hflip, vflip)``.
        version: Version of the package.
        imx500: Loads a network into Sony's IMX500, a camera that detects objects itself: picamera2's class of that
            name, called with the network's file before the camera is opened.
    """

    Picamera2: Any
    H264Encoder: Any
    LibavH264Encoder: Any
    Encoder: Any
    Output: Any
    Transform: Any
    version: str
    imx500: Callable[[str], Any] = no_imx500


@dataclass(frozen=True, slots=True)
class SoundLibrary:
    """The parts of the ``sounddevice`` package that microphone and loudspeaker use.

    Attributes:
        RawInputStream: Records.
        RawOutputStream: Plays.
        query_devices: Describes the device of a name and kind without opening it; raises ValueError when there is none.
        PortAudioError: Raised by all of them when a device fails.
    """

    RawInputStream: Any
    RawOutputStream: Any
    query_devices: Any
    PortAudioError: type[Exception]


def no_sound() -> SoundLibrary:
    """A platform without any sound.

    Raises:
        DeviceError: always.
    """
    raise DeviceError("This hardware has no sound.", remedy='Set microphone and loudspeaker to "none" in [audio].')


def no_mixer(arguments: Sequence[str]) -> str:
    """A platform without a mixer.

    Raises:
        DeviceError: always.
    """
    del arguments
    raise DeviceError("This hardware has no mixer.")


def no_pins() -> Any:
    """A platform without pins.

    Raises:
        DeviceError: always.
    """
    raise DeviceError("This hardware has no pins.", remedy="Leave everything that needs a pin out of the settings.")


def no_pin_users() -> Mapping[int, str]:
    """A platform whose pins no other program can use."""
    return {}


class NotABoardError(OSError):
    """This machine is no Raspberry Pi: there is nothing to read, and nothing wrong."""


def no_board() -> str:
    """A platform that is no Raspberry Pi.

    Raises:
        NotABoardError: always.
    """
    raise NotABoardError("This hardware is no Raspberry Pi.")


def no_spi() -> Any:
    """A platform without an SPI bus.

    Raises:
        DeviceError: always.
    """
    raise DeviceError("This hardware has no SPI bus.", remedy='Set interface to "i2c" in [display].')


@dataclass(frozen=True, slots=True)
class Platform:
    """Access to the hardware: a factory for each library.

    Attributes:
        name: ``"raspberry-pi"`` or ``"simulated"``, for people.
        camera_library: Imports the camera library; raises DeviceError with the remedy when it is missing.
        i2c: Opens ``(bus, address)`` and returns luma's serial interface for it; raises DeviceError.
        sound_library: Imports the sound library; raises DeviceError with the remedy when it is missing.
        amixer: Runs the program amixer with these arguments and returns what it prints; raises DeviceError. Blocks.
        pin_factory: Returns gpiozero's pin factory; raises DeviceError with the remedy when there is none.
        pin_users: The users of the GPIOs now, as the kernel lists them, without touching a pin; raises DeviceError.
        board_temperature: Returns the processor's temperature as the kernel's text: thousandths of a degree Celsius;
            raises OSError. May block.
        board_throttling: Returns what ``vcgencmd get_throttled`` prints; raises OSError. May block.
        drive_pin: Of simulated hardware only: puts a level on an input, as a button does; given GPIO and whether high.
        spidev: Returns an SPI bus that is not open yet, as ``spidev.SpiDev``; raises DeviceError.
        v4l2: Imports PyAV for the kernel's video devices; raises DeviceError.
    """

    name: str
    camera_library: Callable[[], CameraLibrary]
    i2c: Callable[[int, int], Any]
    sound_library: Callable[[], SoundLibrary] = no_sound
    amixer: Callable[[Sequence[str]], str] = no_mixer
    pin_factory: Callable[[], Any] = no_pins
    spidev: Callable[[], Any] = no_spi
    pin_users: Callable[[], Mapping[int, str]] = no_pin_users
    board_temperature: Callable[[], str] = no_board
    board_throttling: Callable[[], str] = no_board
    drive_pin: Callable[[int, bool], None] | None = None
    v4l2: Callable[[], V4l2Library] = no_v4l2


def raspberry_pi() -> Platform:
    """The real hardware, by the libraries that Raspberry Pi OS ships. Imports none of them yet."""
    return Platform(
        name="raspberry-pi",
        camera_library=_picamera2,
        i2c=_i2c,
        sound_library=_sounddevice,
        amixer=_amixer,
        pin_factory=_pin_factory,
        spidev=_spidev,
        pin_users=_pin_users,
        board_temperature=_board_temperature,
        board_throttling=_board_throttling,
        v4l2=real_v4l2,
    )


def _picamera2() -> CameraLibrary:
    # Its C++ part writes a dozen lines to stderr at each start, past any log of ours: warnings are enough.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    try:
        import picamera2  # takes seconds on a Pi: only when the camera is first needed
        from libcamera import Transform  # belongs to picamera2
        from picamera2.encoders import Encoder, H264Encoder, LibavH264Encoder
        from picamera2.outputs import Output
    except ImportError as error:
        missing = (error.name or "picamera2").partition(".")[0]
        package = {"libcamera": "python3-libcamera", "picamera2": "python3-picamera2"}.get(missing, "python3-picamera2")
        raise DeviceError(
            f"The camera library cannot be loaded: {error}.",
            remedy=f"Install it: sudo apt install {package}; and create the venv with --system-site-packages.",
        ) from error
    version = _installed_version()
    if version and tuple(map(int, re.findall(r"\d+", version)[:3])) < _OLDEST_PICAMERA2:
        raise DeviceError(
            f"picamera2 {version} is too old: {'.'.join(map(str, _OLDEST_PICAMERA2))} or later is needed.",
            remedy="Update it: sudo apt update && sudo apt full-upgrade.",
        )
    return CameraLibrary(
        Picamera2=picamera2.Picamera2,
        H264Encoder=H264Encoder,
        LibavH264Encoder=LibavH264Encoder,
        Encoder=Encoder,
        Output=Output,
        Transform=Transform,
        version=version,
        imx500=_imx500,
    )


def _imx500(network_file: str) -> Any:
    from picamera2.devices.imx500 import IMX500  # with what only this camera needs

    return IMX500(network_file)


def _installed_version() -> str:
    try:
        return importlib.metadata.version("picamera2")
    except importlib.metadata.PackageNotFoundError:
        return ""  # a source tree on the path: nothing says how old it is


def _i2c(bus: int, address: int) -> Any:
    from luma.core.error import DeviceNotFoundError  # loaded when the display is first needed
    from luma.core.interface.serial import i2c

    try:
        return i2c(port=bus, address=address)
    except (DeviceNotFoundError, OSError) as error:
        raise DeviceError(
            f"I2C bus {bus} cannot be opened: {error}.",
            remedy="Enable I2C with 'sudo raspi-config nonint do_i2c 0', and put the user into the group i2c.",
        ) from error


def _sounddevice() -> SoundLibrary:
    try:
        import sounddevice  # looks at every sound device: only when one is needed
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise DeviceError(
            f"The sound library cannot be loaded: {error}.",
            remedy=f"Install it: sudo apt install libportaudio2; {run_pip('install sounddevice')}",
        ) from error
    return SoundLibrary(
        RawInputStream=sounddevice.RawInputStream,
        RawOutputStream=sounddevice.RawOutputStream,
        query_devices=sounddevice.query_devices,
        PortAudioError=sounddevice.PortAudioError,
    )


def _amixer(arguments: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            ("amixer", *arguments),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_AMIXER_LIMIT_S,
            env=child_environment() | {"LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise DeviceError(
            "The program amixer is missing.", remedy="Install it: sudo apt install alsa-utils."
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"amixer cannot be run: {error}.") from error
    if done.returncode != 0:
        complaint = done.stderr.strip().rpartition("\n")[2].removeprefix("amixer: ").rstrip(".")
        raise DeviceError(f"amixer failed: {complaint or f'exit status {done.returncode}'}.")
    return done.stdout


def _pin_factory() -> Any:
    from gpiozero import BadPinFactory, Device, PinFactoryFallback  # needed only by who has something on the pins

    # It warns of each library that it tries in vain; what comes of it is one line below, or the error.
    warnings.filterwarnings("ignore", category=PinFactoryFallback)
    try:
        Device.ensure_pin_factory()
    except BadPinFactory as error:
        raise DeviceError(
            f"The pins cannot be used: {error}.",
            remedy="Install the pin library: sudo apt install python3-lgpio; and create the venv with "
            "--system-site-packages. Put the user into the group gpio.",
        ) from error
    name = type(Device.pin_factory).__module__.rpartition(".")[2]
    if name != "lgpio":
        logger.info(
            "The pins are driven by gpiozero's %r: lgpio, which every Pi can use, is not usable here. Install it: "
            "sudo apt install python3-lgpio, in a venv with --system-site-packages",
            name,
        )
    return Device.pin_factory


def _spidev() -> Any:
    try:
        import spidev  # needed only by who has a display on SPI
    except ImportError as error:
        raise DeviceError(
            f"The SPI library cannot be loaded: {error}.",
            remedy="Install it: sudo apt install python3-spidev; and create the venv with --system-site-packages.",
        ) from error
    return spidev.SpiDev()


_GPIO_CHIPS = (0, 4)
"""The header's is the first; on a Pi 5 it was the fifth before Linux 6.6.45."""
_HEADER_GPIOS = 28
_LINE_IS_USED = 1
"""Bit 0 of lgpio's line flags: the line is in use, by the kernel or by a program."""


def _pin_users() -> Mapping[int, str]:
    try:
        import lgpio  # opens files when it is loaded
    except ImportError as error:
        raise DeviceError(
            f"The program that uses the pins cannot be determined: {error}.",
            remedy="Install the pin library: sudo apt install python3-lgpio.",
        ) from error
    for chip in _GPIO_CHIPS:
        try:
            handle = lgpio.gpiochip_open(chip)
        except lgpio.error:
            continue
        try:
            *_, label = lgpio.gpio_get_chip_info(handle)
            if label.startswith("pinctrl-"):  # bcm2835, bcm2711, rp1: the header's, and not an expander's
                lines = [lgpio.gpio_get_line_info(handle, gpio) for gpio in range(_HEADER_GPIOS)]
                return {gpio: user for _, gpio, flags, _, user in lines if flags & _LINE_IS_USED}
        finally:
            lgpio.gpiochip_close(handle)
    raise DeviceError("The header's GPIO chip cannot be opened.", remedy="Put the user into the group gpio.")


def _board_temperature() -> str:
    # Zone 0 is the processor on every Raspberry Pi.
    return Path("/sys/class/thermal/thermal_zone0/temp").read_text(encoding="ascii")


def _board_throttling() -> str:
    # The kernel's own file get_throttled is deprecated: reading it writes a warning with a trace into the kernel's log.
    command = ["vcgencmd", "get_throttled"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_VCGENCMD_LIMIT_S,
            check=True,
            env=child_environment(),
        )
    except subprocess.CalledProcessError as error:
        printed = (error.stdout + error.stderr).strip().rpartition("\n")[2]
        raise OSError(f"vcgencmd fails: {printed or f'exit status {error.returncode}'}") from error
    except subprocess.SubprocessError as error:
        raise OSError(f"vcgencmd fails: {error}") from error
    except FileNotFoundError as error:
        if Path("/proc/device-tree/model").exists():
            raise OSError("vcgencmd is not installed") from error
        raise NotABoardError("This machine is no Raspberry Pi.") from error
    return done.stdout
