"""A program that tries a camera by V4L2 with the real library, in each of its formats: DEVICE [FOLDER].

With a folder the device is that of ``v4l2_kernel.c``, loaded before, whose faults are tried as well. Without, it is a
real one: ``make test-v4l2 DEVICE=/dev/video0``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from robot_node.core.state import CameraState, RobotState
from robot_node.devices.camera.camera import Camera, CameraLimits
from robot_node.devices.camera.capture import AbsentError, StalledError
from robot_node.devices.camera.v4l2_choice import usable_formats
from robot_node.devices.camera.v4l2_ioctl import describe
from robot_node.devices.platform import raspberry_pi
from robot_node.errors import DeviceError
from robot_node.settings.devices import CameraSettings
from tests.devices.camera.rig import Frames, Pictures, decode, decode_jpeg, nal_types, open_files

SPS, PPS, IDR = 7, 8, 5


@asynccontextmanager
async def camera_of(device: str, video_format: str) -> AsyncIterator[tuple[Camera, Frames, RobotState]]:
    settings = CameraSettings.model_validate(
        {"driver": "v4l2", "device": device, "format": video_format, "width": 640, "height": 360}
    )
    state, frames = RobotState(), Frames()
    camera = Camera(raspberry_pi(), settings, state, limits=CameraLimits(picture=3.0))
    camera.set_sink(frames)
    camera.set_watched(True)
    try:
        yield camera, frames, state
    finally:
        await camera.close()


async def try_format(device: str, video_format: str) -> None:
    """Video, photos and unencoded pictures."""
    async with camera_of(device, video_format) as (camera, frames, _):
        pictures = Pictures()
        camera.set_raw_sink(pictures)
        began = time.monotonic()
        await camera.start()
        await frames.reach(1)
        first_s = time.monotonic() - began
        await frames.reach(10)
        photos = [await camera.photo(quality) for quality in (0.9, 0.5)]
        camera.set_raw_watched(True)
        (raw,) = await pictures.more(1)
        received = list(frames.received)
        (newest,) = await frames.more(1)
        late_us = time.monotonic_ns() // 1000 - newest.timestamp_us
    assert nal_types(received[0].data)[:2] == [SPS, PPS]
    assert IDR in nal_types(received[0].data)
    assert received[0].keyframe
    assert len(decode(received)) == len(received)
    times = [frame.timestamp_us for frame in received]
    assert times == sorted(set(times))
    for photo in photos:
        assert decode_jpeg(photo.jpeg).shape == (photo.height, photo.width) == (raw.height, raw.width)
    assert 0 <= late_us < 10_000_000
    print(
        f"{video_format}: {raw.width}x{raw.height}, first frame after {first_s:.2f} s, latency {late_us / 1000:.0f} ms"
    )


async def try_faults(device: str, video_format: str, folder: Path) -> None:
    """A stall, unplugged and back, busy: each is told in time, and leaves nothing open."""
    stalled, gone, busy, streaming = (folder / name for name in ("stalled", "gone", "busy", "streaming"))
    before = open_files()
    async with camera_of(device, video_format) as (camera, frames, state):
        for fault, reason in ((stalled, "none came within 3 seconds"), (gone, "it was unplugged")):
            await camera.start()
            await frames.more(2)
            assert streaming.exists()
            fault.touch()
            try:
                await camera.photo()
            except StalledError as error:
                assert reason in str(error), error  # noqa: PT017  # no pytest in this process
            else:
                raise AssertionError("a photo without a picture")
            assert state.snapshot.camera is CameraState.FAILED
            assert not streaming.exists()
            fault.unlink()
        for fault, kind in ((gone, AbsentError), (busy, DeviceError)):
            fault.touch()
            try:
                await camera.start()
            except kind as error:
                print(error)
            else:
                raise AssertionError("started")
            fault.unlink()
        seen = len(frames.received)
        await camera.start()
        await frames.reach(seen + 2)
        assert frames.received[seen].keyframe
        await camera.stop()
        assert not streaming.exists()
    assert open_files() <= before + 1
    print(f"{video_format}: faults")


async def main(device: str, folder: Path | None) -> None:
    """Try each format."""
    try:
        with raspberry_pi().v4l2().node(device) as node:
            found = describe(device, node)
    except OSError as error:
        sys.exit(f"{device} cannot be tried: {error.strerror}. docs/cameras.md says how to make one of software.")
    print(f"{found.name}, {found.driver}, {found.bus}: {', '.join(usable_formats(found))}")
    for video_format in usable_formats(found):
        await try_format(device, video_format)
    if folder is not None:
        await try_faults(device, "mjpeg", folder)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None))
