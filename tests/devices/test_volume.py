"""The volume: by the sound card's own control where there is one, else by scaling what is played."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import AsyncIterator

import pytest
import sounddevice

from hw_mocks.mixer import SimulatedControl
from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.platform import raspberry_pi
from robot_node.devices.volume import controls, mixer_of
from robot_node.errors import DeviceError
from tests.devices.test_audio import peak, play
from tests.sound import tone
from tests.waiting import eventually

SOUND = tone(440, 0.2)


@pytest.fixture
def pi() -> SimulatedPi:
    """Its sound card has a microphone's echo, and a volume."""
    made = simulated_platform(scene="clock")
    made.mixer.controls.update({"Mic": SimulatedControl(), "PCM": SimulatedControl()})
    return made


@pytest.fixture
async def loudspeaker(pi: SimulatedPi) -> AsyncIterator[Loudspeaker]:
    made = Loudspeaker(pi.platform, "default", RobotState(), volume=80, idle_s=0.1, retry_s=0.01)
    yield made
    await made.close()


async def played(pi: SimulatedPi, loudspeaker: Loudspeaker) -> bytes:
    """What the card is given next."""
    before = len(pi.loudspeaker.played)
    play(loudspeaker, SOUND)
    await eventually(lambda: len(pi.loudspeaker.played) >= before + len(SOUND))
    return pi.loudspeaker.played[before:]


async def test_the_card_s_control_is_set_and_the_samples_are_left_alone(
    pi: SimulatedPi, loudspeaker: Loudspeaker
) -> None:
    await loudspeaker.check()
    assert pi.mixer.controls["PCM"] == SimulatedControl(volume=80)
    await loudspeaker.set_volume(30)
    assert await played(pi, loudspeaker) == SOUND
    await loudspeaker.set_volume(muted=True)
    assert pi.mixer.controls == {"Mic": SimulatedControl(), "PCM": SimulatedControl(volume=30, muted=True)}
    await loudspeaker.set_volume(muted=False)
    assert pi.mixer.controls["PCM"] == SimulatedControl(volume=30)


async def test_a_control_that_cannot_mute_is_muted_all_the_same(pi: SimulatedPi, loudspeaker: Loudspeaker) -> None:
    pi.mixer.controls["PCM"].has_switch = False
    await loudspeaker.set_volume(muted=True)
    assert not pi.mixer.controls["PCM"].muted
    assert peak(await played(pi, loudspeaker)) == 0
    await loudspeaker.set_volume(0, muted=False)
    assert peak(await played(pi, loudspeaker)) == 0


@pytest.mark.parametrize("without", ["control", "card", "amixer", "being asked"])
async def test_without_a_control_samples_are_scaled(pi: SimulatedPi, without: str) -> None:
    pi.mixer.missing, pi.mixer.absent = without == "amixer", without == "card"
    if without == "control":
        del pi.mixer.controls["PCM"]
    control = "none" if without == "being asked" else "auto"
    loudspeaker = Loudspeaker(pi.platform, "default", RobotState(), volume_control=control, idle_s=0.1)
    await loudspeaker.set_volume(50)
    assert peak(await played(pi, loudspeaker)) == pytest.approx(peak(SOUND) / 4, abs=2)
    assert all(control == SimulatedControl() for control in pi.mixer.controls.values())
    await loudspeaker.close()


async def test_a_named_control_is_used_and_one_that_is_not_there_is_explained(
    pi: SimulatedPi, caplog: pytest.LogCaptureFixture
) -> None:
    pi.mixer.controls["Amp"] = SimulatedControl()
    pi.mixer.controls["Boost"] = SimulatedControl(has_volume=False)
    for name in ("Amp", "Boost"):
        loudspeaker = Loudspeaker(pi.platform, "default", RobotState(), volume_control=name)
        with caplog.at_level(logging.INFO):
            await loudspeaker.set_volume(10)
            await loudspeaker.set_volume(20)
        await loudspeaker.close()
    assert (pi.mixer.controls["Amp"].volume, pi.mixer.controls["PCM"].volume) == (20, 50)
    assert [record.message for record in caplog.records if record.name.endswith("volume")] == [
        "The volume is set by the control 'Amp' of 'hw:0'.",
        (
            "Samples are scaled, because the card's volume cannot be set: 'hw:0' has no volume control of the name "
            "Boost. Name one in audio.volume_control; there are: Mic, PCM, Amp."
        ),
    ]


async def test_a_card_that_was_plugged_in_again_gets_the_volume_again(
    pi: SimulatedPi, loudspeaker: Loudspeaker
) -> None:
    await loudspeaker.set_volume(30)
    pi.loudspeaker.absent = pi.mixer.absent = True
    play(loudspeaker, SOUND)
    await eventually(lambda: loudspeaker._state.snapshot.fault("loudspeaker") != "")
    pi.mixer.controls["PCM"] = SimulatedControl(volume=100)  # as cards begin
    pi.loudspeaker.absent = pi.mixer.absent = False

    def speaks_at_the_volume() -> bool:
        play(loudspeaker, SOUND)
        return pi.mixer.controls["PCM"].volume == 30

    await eventually(speaks_at_the_volume)


@pytest.mark.parametrize(
    ("device", "mixer"),
    [
        ("USB Audio Device: - (hw:1,0)", "hw:1"),
        ("snd_rpi_hifiberry_dac: HiFiBerry DAC HiFi pcm5102a-hifi-0 (hw:2,0)", "hw:2"),
        ("default", "default"),
        ("sysdefault", "sysdefault"),
    ],
)
def test_the_mixer_is_that_of_the_device(device: str, mixer: str) -> None:
    assert mixer_of(device) == mixer


def test_controls_with_a_playback_volume_are_found_in_what_amixer_prints() -> None:
    assert controls(LISTING) == ["Headphone", "Line Out", "Line Out,1"]


LISTING = """\
Simple mixer control 'Headphone',0
  Capabilities: pvolume pvolume-joined pswitch pswitch-joined
  Playback channels: Mono
  Limits: Playback -10239 - 400
  Mono: Playback -2000 [77%] [-20.00dB] [on]
Simple mixer control 'Capture',0
  Capabilities: cvolume cswitch
  Capture channels: Front Left - Front Right
  Limits: Capture 0 - 31
  Front Left: Capture 0 [0%] [-17.25dB] [on]
  Front Right: Capture 0 [0%] [-17.25dB] [on]
Simple mixer control 'IEC958',0
  Capabilities: pswitch pswitch-joined
  Playback channels: Mono
  Mono: Playback [on]
Simple mixer control 'Line Out',0
  Capabilities: volume volume-joined
  Playback channels: Mono
  Capture channels: Mono
  Limits: 0 - 31
  Mono: 0 [0%]
Simple mixer control 'Line Out',1
  Capabilities: pvolume
  Playback channels: Mono
  Limits: Playback 0 - 31
  Mono: 0 [0%]
"""


async def test_a_missing_amixer_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeviceError, match=r"amixer is missing.*apt install alsa-utils"):
        raspberry_pi().amixer(("-D", "hw:0", "scontents"))


def test_the_simulated_library_names_devices_as_the_real_one_can(pi: SimulatedPi) -> None:
    simulated = inspect.signature(pi.platform.sound_library().query_devices).parameters
    assert list(simulated) == list(inspect.signature(sounddevice.query_devices).parameters)
    names = {field.name for field in dataclasses.fields(pi.platform.sound_library())}
    assert all(hasattr(sounddevice, name) for name in names)
