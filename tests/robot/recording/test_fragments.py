"""Fragmented MP4: what is in the file at every moment, and what a player makes of it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import av
import pytest

from robot_node.core.media import FRAME_SAMPLES, SAMPLE_RATE
from robot_node.robot.recording.fragments import Fragments
from robot_node.robot.recording.ring import Sample
from tests.robot.recording.source import RATE, Microphone, Source, numbers_in

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SECONDS = 5


async def samples(*, seconds: int = SECONDS, sound: bool = False) -> list[Sample]:
    """Some seconds as the ring would have them."""
    source, taken = Source(), list[Sample]()
    source.watched = True
    source.set_sink(lambda frame: taken.append(Sample(frame.data, frame.timestamp_us, keyframe=frame.keyframe)))
    await source.play(seconds)
    if sound:
        microphone = Microphone()
        microphone.set_listened(True)
        microphone.set_sink(
            lambda packet: taken.append(Sample(packet.data, packet.timestamp * 1_000_000 // SAMPLE_RATE, video=False))
        )
        for timestamp in range(SAMPLE_RATE * 9 // 10, SAMPLE_RATE * (SECONDS + 1), FRAME_SAMPLES):
            microphone.packet(timestamp)
    return sorted(taken, key=lambda sample: sample.time_us)


def first_picture(of: list[Sample]) -> Sample:
    return next(sample for sample in of if sample.video)


async def test_pictures_keep_their_times_and_are_not_encoded_again() -> None:
    taken = await samples()
    muxer = Fragments(taken[0], sound=False, created=NOW)
    data = b"".join([*map(muxer.add, taken), muxer.end()])
    assert numbers_in(data) == list(range(SECONDS * RATE))
    with av.open(io.BytesIO(data), "r") as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 320, 240)
        assert container.metadata["creation_time"].startswith("2026-11-28T12:00:00")
        packets = [packet for packet in container.demux(video) if packet.pts is not None]
        times = [float(packet.pts * (packet.time_base or Fraction(0))) for packet in packets if packet.pts is not None]
        assert times == pytest.approx([number / RATE for number in range(SECONDS * RATE)], abs=0.001)
        assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == [0, 20, 40]


@pytest.mark.parametrize(("degrees", "anticlockwise"), [(0, 0), (90, -90), (180, -180), (270, 90)])
async def test_players_are_told_to_rotate_the_pictures(degrees: int, anticlockwise: int) -> None:
    taken = [replace(sample, rotation=degrees) for sample in await samples(seconds=1)]
    muxer = Fragments(taken[0], sound=True, created=NOW)
    data = b"".join([*map(muxer.add, taken), muxer.end()])
    assert numbers_in(data) == list(range(RATE))
    with av.open(io.BytesIO(data), "r") as container:
        assert next(container.decode(video=0)).rotation == anticlockwise


@pytest.mark.slow
async def test_whatever_was_written_before_the_power_failed_plays() -> None:
    taken = await samples()
    muxer = Fragments(taken[0], sound=False, created=NOW)
    data, most_missing = b"", 0
    for number, sample in enumerate(taken):
        data += muxer.add(sample)
        if number > RATE:
            there = numbers_in(data)
            assert there == list(range(len(there)))
            most_missing = max(most_missing, number - len(there))
    assert most_missing <= RATE + 1, "at most the last second"
    # The last write is cut in the middle: a second less, and it still plays.
    assert len(numbers_in(data[:-100])) >= (SECONDS - 2) * RATE


async def test_sound_and_pictures_keep_step() -> None:
    taken = await samples(sound=True)
    muxer = Fragments(first_picture(taken), sound=True, created=NOW)
    data = b"".join([*map(muxer.add, taken), muxer.end()])
    assert numbers_in(data) == list(range(SECONDS * RATE))
    with av.open(io.BytesIO(data), "r") as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name == "opus"
        frames = list(container.decode(sound))
        loud = max(abs(frames[20].to_ndarray().min()), frames[20].to_ndarray().max())
        assert loud > 0.1, "a tone"
        last = frames[-1]
        assert last.pts is not None
        assert sound.time_base is not None
        assert float(last.pts * sound.time_base) == pytest.approx(SECONDS, abs=0.1)
        assert sum(frame.samples for frame in frames) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)


async def test_a_microphone_that_gives_nothing_does_not_hold_the_pictures_back() -> None:
    taken = await samples()
    muxer = Fragments(taken[0], sound=True, created=NOW)
    data = b"".join(map(muxer.add, taken))
    assert len(numbers_in(data)) >= (SECONDS - 3) * RATE


async def test_what_is_no_keyframe_with_its_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="keyframe"):
        Fragments(Sample(b"\0\0\0\1\x65" + bytes(50), 0, keyframe=True), sound=False, created=NOW)
