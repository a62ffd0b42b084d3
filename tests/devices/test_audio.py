"""Microphone and loudspeaker over simulated sound devices: what is heard, and when nothing is."""

from __future__ import annotations

import array
import asyncio
import dataclasses
import inspect
import logging
import sys
import threading
from collections.abc import AsyncIterator

import av
import numpy as np
import pytest
import sounddevice

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE, EncodedAudio
from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.devices.platform import SoundLibrary, raspberry_pi
from tests.sound import loudest_hz, tone
from tests.waiting import DEADLINE_S, eventually


@pytest.fixture
def pi() -> SimulatedPi:
    return simulated_platform(scene="clock")


@pytest.fixture
def state() -> RobotState:
    return RobotState()


@pytest.fixture
async def microphone(pi: SimulatedPi, state: RobotState) -> AsyncIterator[Microphone]:
    made = Microphone(pi.platform, "default", state, retry_s=0.05)
    yield made
    await made.close()
    assert not pi.microphone.recording


@pytest.fixture
async def loudspeaker(pi: SimulatedPi, state: RobotState) -> AsyncIterator[Loudspeaker]:
    made = Loudspeaker(pi.platform, "default", state, volume=100, idle_s=0.2, retry_s=0.05)
    yield made
    await made.close()
    assert not pi.loudspeaker.open


async def packets(microphone: Microphone, count: int) -> list[EncodedAudio]:
    """Listen until that many have come."""
    got: list[EncodedAudio] = []
    enough = asyncio.Event()

    def take(packet: EncodedAudio) -> None:
        got.append(packet)
        if len(got) >= count:
            enough.set()

    microphone.set_sink(take)
    microphone.set_listened(True)
    async with asyncio.timeout(DEADLINE_S):
        await enough.wait()
    return got


def decoded(packets: list[EncodedAudio]) -> bytes:
    """What a listener hears: 16 bit, mono."""
    decoder = av.CodecContext.create("libopus", "r")
    to_mono = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return b"".join(bytes(mono.planes[0])[: mono.samples * 2] for frame in frames for mono in to_mono.resample(frame))


async def test_the_microphone_is_closed_until_somebody_listens_and_when_nobody_does_any_more(
    pi: SimulatedPi, microphone: Microphone, state: RobotState
) -> None:
    microphone.set_sink(lambda _: None)
    assert pi.microphone.starts == 0
    microphone.set_listened(True)
    await eventually(lambda: state.snapshot.microphone_on)
    assert pi.microphone.recording
    microphone.set_listened(False)
    await eventually(lambda: not state.snapshot.microphone_on)
    assert not pi.microphone.recording


async def test_a_tone_is_heard_in_packets_of_20_ms_without_gaps(pi: SimulatedPi, microphone: Microphone) -> None:
    pi.microphone.frequency_hz = 1000
    heard = await packets(microphone, 25)
    assert np.diff([packet.timestamp for packet in heard]).tolist() == [FRAME_SAMPLES] * (len(heard) - 1)
    assert loudest_hz(decoded(heard)) == pytest.approx(1000, abs=10)


async def test_timestamps_go_on_when_the_microphone_is_opened_again(microphone: Microphone, pi: SimulatedPi) -> None:
    before = (await packets(microphone, 2))[-1]
    microphone.set_listened(False)
    after = (await packets(microphone, 1))[0]
    assert after.timestamp > before.timestamp
    assert pi.microphone.starts == 2


async def test_a_listener_that_leaves_at_once_opens_nothing(pi: SimulatedPi, state: RobotState) -> None:
    may_load = threading.Event()

    def library_that_loads_slowly() -> SoundLibrary:
        may_load.wait(10)
        return pi.platform.sound_library()

    platform = dataclasses.replace(pi.platform, sound_library=library_that_loads_slowly)
    microphone = Microphone(platform, "default", state)
    microphone.set_listened(True)
    await asyncio.sleep(0)
    microphone.set_listened(False)
    may_load.set()
    await microphone.close()
    assert pi.microphone.starts == 0


async def test_nothing_arrives_after_the_last_listener_left(microphone: Microphone) -> None:
    got = await packets(microphone, 2)
    microphone.set_listened(False)
    count = len(got)
    await microphone.close()
    await asyncio.sleep(0)
    assert len(got) == count


async def test_an_absent_microphone_is_reported_once_and_used_when_it_is_back(
    pi: SimulatedPi, microphone: Microphone, state: RobotState, caplog: pytest.LogCaptureFixture
) -> None:
    pi.microphone.absent = True
    microphone.set_listened(True)
    await eventually(lambda: state.snapshot.fault("microphone") != "")
    assert "The microphone 'default' cannot be used" in state.snapshot.fault("microphone")
    assert "[audio]" in state.snapshot.fault("microphone")
    assert not state.snapshot.microphone_on
    pi.microphone.absent = False
    await packets(microphone, 1)
    assert state.snapshot.fault("microphone") == ""
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_a_microphone_that_is_unplugged_is_not_shown_as_open(
    pi: SimulatedPi, microphone: Microphone, state: RobotState
) -> None:
    await packets(microphone, 1)
    pi.microphone.absent = True
    await eventually(lambda: "No such device" in state.snapshot.fault("microphone") or not state.snapshot.microphone_on)
    assert not pi.microphone.recording


async def test_an_unknown_device_is_named(pi: SimulatedPi, state: RobotState) -> None:
    microphone = Microphone(pi.platform, "USB", state)
    microphone.set_listened(True)
    await eventually(lambda: state.snapshot.fault("microphone") != "")
    assert "'USB'" in state.snapshot.fault("microphone")
    await microphone.close()


async def test_what_is_played_is_heard_unchanged_at_full_volume(pi: SimulatedPi, loudspeaker: Loudspeaker) -> None:
    sound = tone(440, 0.2)
    play(loudspeaker, sound)
    await eventually(lambda: len(pi.loudspeaker.played) >= len(sound))
    assert pi.loudspeaker.played == sound


@pytest.mark.parametrize(("volume", "share"), [(50, 0.25), (10, 0.01), (0, 0.0)])
async def test_the_volume_is_heard(pi: SimulatedPi, loudspeaker: Loudspeaker, volume: int, share: float) -> None:
    sound = tone(440, 0.2)
    await loudspeaker.set_volume(volume)
    play(loudspeaker, sound)
    await eventually(lambda: len(pi.loudspeaker.played) >= len(sound))
    assert peak(pi.loudspeaker.played) == pytest.approx(share * peak(sound), abs=2)


async def test_muted_nothing_is_heard_and_unmuted_the_volume_is_as_before(
    pi: SimulatedPi, loudspeaker: Loudspeaker, state: RobotState
) -> None:
    sound = tone(440, 0.2)
    await loudspeaker.set_volume(muted=True)
    assert (state.snapshot.volume, state.snapshot.muted) == (100, True)
    play(loudspeaker, sound)
    await eventually(lambda: len(pi.loudspeaker.played) >= len(sound))
    assert peak(pi.loudspeaker.played) == 0
    await loudspeaker.set_volume(muted=False)
    play(loudspeaker, sound)
    await eventually(lambda: len(pi.loudspeaker.played) >= 2 * len(sound))
    assert peak(pi.loudspeaker.played) == peak(sound)


async def test_what_comes_too_fast_is_dropped_the_oldest_first(pi: SimulatedPi, loudspeaker: Loudspeaker) -> None:
    early, late = tone(440, 5.0), tone(2000, 0.5)
    play(loudspeaker, early + late)
    await eventually(lambda: pi.loudspeaker.starts == 1 and not pi.loudspeaker.open)
    assert len(pi.loudspeaker.played) <= len(tone(1, 0.6))
    assert loudest_hz(pi.loudspeaker.played) == pytest.approx(2000, abs=10)


async def test_what_is_flushed_is_not_heard(pi: SimulatedPi, loudspeaker: Loudspeaker) -> None:
    play(loudspeaker, tone(440, 0.4))
    loudspeaker.flush()
    sound = tone(2000, 0.2)
    play(loudspeaker, sound)
    await eventually(lambda: len(pi.loudspeaker.played) >= len(sound))
    assert pi.loudspeaker.played == sound


async def test_a_silent_loudspeaker_is_closed_and_opened_again(pi: SimulatedPi, loudspeaker: Loudspeaker) -> None:
    play(loudspeaker, tone(440, 0.1))
    await eventually(lambda: pi.loudspeaker.starts == 1 and not pi.loudspeaker.open)
    play(loudspeaker, tone(440, 0.1))
    await eventually(lambda: len(pi.loudspeaker.played) >= len(tone(440, 0.2)))
    assert pi.loudspeaker.starts == 2


async def test_an_absent_loudspeaker_is_reported_at_the_check_and_plays_when_it_is_back(
    pi: SimulatedPi, loudspeaker: Loudspeaker, state: RobotState, caplog: pytest.LogCaptureFixture
) -> None:
    pi.loudspeaker.absent = True
    await loudspeaker.check()
    assert "The loudspeaker 'default' cannot be used" in state.snapshot.fault("loudspeaker")
    play(loudspeaker, tone(440, 0.2))
    pi.loudspeaker.absent = False

    def is_heard() -> bool:
        play(loudspeaker, tone(440, 0.02))
        return bool(pi.loudspeaker.played)

    await eventually(is_heard)
    assert state.snapshot.fault("loudspeaker") == ""
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_both_may_be_closed_while_they_work_and_leave_no_thread(pi: SimulatedPi, state: RobotState) -> None:
    before = threading.active_count()
    microphone, loudspeaker = (kind(pi.platform, "default", state) for kind in (Microphone, Loudspeaker))
    await packets(microphone, 1)  # type: ignore[arg-type]  # a generator of two kinds
    play(loudspeaker, tone(440, 0.4))  # type: ignore[arg-type]  # the same
    await eventually(lambda: pi.loudspeaker.open)
    await microphone.close()
    await loudspeaker.close()
    assert (pi.microphone.recording, pi.loudspeaker.open) == (False, False)
    await eventually(lambda: threading.active_count() == before)


async def test_a_machine_without_sound_says_so_through_the_real_library(state: RobotState) -> None:
    loudspeaker = Loudspeaker(raspberry_pi(), "No Such Card", state)
    await loudspeaker.check()
    assert "The loudspeaker 'No Such Card' cannot be used: No output device" in state.snapshot.fault("loudspeaker")
    await loudspeaker.close()


async def test_a_missing_sound_library_is_reported_with_what_to_install(
    state: RobotState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    loudspeaker = Loudspeaker(raspberry_pi(), "default", state)
    await loudspeaker.check()
    assert "The sound library cannot be loaded" in state.snapshot.fault("loudspeaker")
    assert "apt install libportaudio2" in state.snapshot.fault("loudspeaker")
    await loudspeaker.close()


@pytest.mark.parametrize("name", ["RawInputStream", "RawOutputStream"])
def test_the_simulated_library_is_called_as_the_real_one_can_be(pi: SimulatedPi, name: str) -> None:
    real, simulated = getattr(sounddevice, name), getattr(pi.platform.sound_library(), name)
    settings = inspect.signature(simulated.__mro__[1].__init__).parameters
    used = {setting for setting in settings if setting not in {"self", "plugged", "direction"}}
    assert used <= set(inspect.signature(real.__init__).parameters)
    for method in ("start", "close", "read" if name == "RawInputStream" else "write"):
        assert list(inspect.signature(getattr(simulated, method)).parameters) == list(
            inspect.signature(getattr(real, method)).parameters
        )


def play(loudspeaker: Loudspeaker, sound: bytes) -> None:
    """Play in pieces of 20 ms, as they come from a network."""
    size = FRAME_SAMPLES * 2
    for begin in range(0, len(sound), size):
        loudspeaker.play(sound[begin : begin + size])


def peak(sound: bytes) -> int:
    return max(map(abs, array.array("h", sound)))
