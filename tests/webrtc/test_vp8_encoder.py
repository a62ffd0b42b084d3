"""The VP8 encoder, and the source that feeds it while somebody watches: pictures in, frames out."""

from __future__ import annotations

import threading
from dataclasses import replace

import av
import numpy as np
import pytest

from robot_node.core.media import EncodedFrame, RawFrame, RawFrameSink
from robot_node.settings.devices import CameraSettings
from robot_node.webrtc.vp8 import Vp8Encoder, Vp8Source
from tests.end_to_end.footage import clip_path, frames_of
from tests.waiting import eventually
from tests.webrtc.counts import vp8_threads
from tests.webrtc.scene import HEIGHT, WIDTH, difference, grey_of, picture, read_number


def raw(number: int, stride: int = WIDTH, width: int = WIDTH) -> RawFrame:
    """The picture with this number, as a camera gives it, 30 a second."""
    luma = np.zeros((HEIGHT, stride), np.uint8)
    luma[:, :width] = picture(number)[:, :width]
    chroma = np.full((HEIGHT, stride // 2), 128, np.uint8)
    return RawFrame(luma.tobytes() + chroma.tobytes(), width, HEIGHT, stride, 1_000_000 + number * 33_333)


def decode(encoded: list[EncodedFrame]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("vp8", "r")
    return [frame for each in encoded for frame in decoder.decode(av.Packet(each.data))]


def encode_all(numbers: range, bitrate: int = 1_000_000, **shape: int) -> list[EncodedFrame]:
    encoder = Vp8Encoder(CameraSettings(frame_rate=30, keyframe_interval_s=60))
    encoded = [encoder.encode(raw(number, **shape), bitrate, keyframe=number == 10) for number in numbers]
    assert None not in encoded
    return [frame for frame in encoded if frame is not None]


@pytest.mark.parametrize("shape", [{}, {"stride": 384}, {"width": 310}, {"stride": 384, "width": 310}])
def test_every_picture_is_encoded_at_once_whatever_its_rows_are_filled_up_with(shape: dict[str, int]) -> None:
    encoded = encode_all(range(20), **shape)
    decoded = decode(encoded)
    assert [frame.keyframe for frame in encoded] == [number in {0, 10} for number in range(20)]
    assert [frame.timestamp_us for frame in encoded] == [1_000_000 + number * 33_333 for number in range(20)]
    for number, frame in enumerate(decoded):
        grey = grey_of(frame)
        assert (frame.width, frame.height) == (shape.get("width", WIDTH), HEIGHT)
        assert np.abs(grey.astype(int) - picture(number)[:, : frame.width]).mean() < 8


def clip_frames(count: int) -> list[RawFrame]:
    taken = []
    for number, frame in enumerate(frames_of(clip_path())[:count]):
        planes = frame.reformat(width=640, height=272, format="yuv420p").to_ndarray().tobytes()
        taken.append(RawFrame(planes, 640, 272, 640, 1_000_000 + number * 40_000))
    return taken


def test_the_bitrate_changes_while_running_by_way_of_a_keyframe() -> None:
    encoder = Vp8Encoder(CameraSettings(frame_rate=25, keyframe_interval_s=60))
    encoded = [
        encoder.encode(frame, 1_500_000 if number < 60 else 300_000 + number)
        for number, frame in enumerate(clip_frames(130))
    ]
    sizes = [len(frame.data) for frame in encoded if frame is not None]
    assert len(sizes) == 130
    assert [number for number, frame in enumerate(encoded) if frame is not None and frame.keyframe] == [0, 60]
    high, low = np.mean(sizes[30:60]) * 25 * 8, np.mean(sizes[90:]) * 25 * 8
    assert 750_000 < high < 2_000_000
    assert low < 450_000


def test_changes_of_the_bitrate_cost_at_most_one_keyframe_a_second() -> None:
    encoder = Vp8Encoder(CameraSettings(frame_rate=25, keyframe_interval_s=60))
    rates = (1_500_000, 1_000_000)
    encoded = [encoder.encode(frame, rates[number % 2]) for number, frame in enumerate(clip_frames(75))]
    assert sum(frame.keyframe for frame in encoded if frame is not None) <= 3


def test_a_keyframe_is_no_burst() -> None:
    encoder = Vp8Encoder(CameraSettings(frame_rate=25, keyframe_interval_s=60))
    encoded = [
        encoder.encode(frame, 300_000, keyframe=number % 20 == 0) for number, frame in enumerate(clip_frames(100))
    ]
    keyframes = [len(frame.data) for frame in encoded if frame is not None and frame.keyframe]
    assert len(keyframes) == 5
    assert max(keyframes) * 8 <= 3 * 300_000 / 25, "three frames' share of the bitrate"


def test_a_picture_of_another_size_begins_anew() -> None:
    encoder = Vp8Encoder(CameraSettings(frame_rate=30, keyframe_interval_s=60))
    encoded = [encoder.encode(raw(number, width=320 if number < 5 else 160), 1_000_000) for number in range(10)]
    decoded = decode([frame for frame in encoded if frame is not None])
    assert [frame.width for frame in decoded] == [320] * 5 + [160] * 5


class Pictures:
    """A camera whose pictures a test gives out by hand."""

    def __init__(self) -> None:
        self.sink: RawFrameSink | None = None
        self.watched = False

    def set_raw_sink(self, sink: RawFrameSink | None) -> None:
        self.sink = sink

    def set_raw_watched(self, watched: bool) -> None:
        self.watched = watched

    def give(self, frame: RawFrame) -> None:
        assert self.sink is not None
        self.sink(frame)


async def test_a_loop_that_does_not_keep_up_loses_pictures_and_never_the_stream() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(30):
        pictures.give(raw(number))
        threading.Event().wait(0.005)  # the loop is busy, the encoder's thread is not
    await eventually(lambda: bool(received) and received[-1].timestamp_us == raw(29).timestamp_us)
    assert len(received) <= 4
    assert len(decode(received)) == len(received)
    assert all(difference(frame) < 8 for frame in decode(received))
    source.set_watched(False)


async def test_a_camera_gives_pictures_only_while_somebody_watches() -> None:
    pictures = Pictures()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    seen = [(pictures.watched, pictures.sink is not None, source.encoding)]
    for watched in (True, False):
        source.set_watched(watched)
        seen.append((pictures.watched, pictures.sink is not None, source.encoding))
    assert seen == [(False, False, False), (True, True, True), (False, False, False)]


async def test_the_newest_picture_is_the_one_that_is_encoded() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(300):
        pictures.give(raw(number))
    await eventually(lambda: bool(received) and received[-1].timestamp_us == raw(299).timestamp_us)
    assert read_number(grey_of(decode(received)[-1])) == 299
    assert len(received) < 300
    source.set_watched(False)


async def test_what_was_encoded_before_the_end_is_not_delivered_after_it() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(5):
        pictures.give(raw(number))
        threading.Event().wait(0.01)  # the frames are on their way to the loop
    source.set_watched(False)
    source.set_watched(True)
    pictures.give(raw(9))
    await eventually(lambda: bool(received))
    assert [frame.timestamp_us for frame in received] == [raw(9).timestamp_us]
    assert received[0].keyframe
    source.set_watched(False)


async def test_a_picture_that_cannot_be_encoded_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(3):
        pictures.give(replace(raw(number), planes=b"torn"))
        await eventually(lambda: "could not be encoded" in caplog.text)
    pictures.give(raw(4))
    await eventually(lambda: bool(received))
    assert len(decode(received)) == 1
    assert caplog.text.count("could not be encoded") == 1
    source.set_watched(False)


async def test_a_keyframe_request_outlives_a_picture_that_cannot_be_encoded(caplog: pytest.LogCaptureFixture) -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    source.set_watched(True)
    pictures.give(raw(0))
    await eventually(lambda: len(received) == 1)
    pictures.give(raw(1))
    await eventually(lambda: len(received) == 2)
    source.request_keyframe()
    pictures.give(replace(raw(2), planes=b"torn"))
    await eventually(lambda: "could not be encoded" in caplog.text)
    pictures.give(raw(3))
    await eventually(lambda: len(received) == 3)
    assert [frame.keyframe for frame in received] == [True, False, True]
    source.set_watched(False)


def test_a_picture_from_before_the_last_is_skipped_and_costs_no_other() -> None:
    """The camera's clock goes back once after a suspend; libvpx refuses such a picture."""
    encoder = Vp8Encoder(CameraSettings(frame_rate=30, keyframe_interval_s=60))
    encoded = [encoder.encode(raw(number), 1_000_000) for number in (5, 6, 2, 6, 7, 8)]
    sent = [frame for frame in encoded if frame is not None]
    assert [frame is None for frame in encoded] == [False, False, True, True, False, False]
    assert [read_number(grey_of(frame)) for frame in decode(sent)] == [5, 6, 7, 8]
    assert [frame.keyframe for frame in sent] == [True, False, False, False]


async def test_viewers_who_come_later_get_a_keyframe_whatever_the_clock_says() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, CameraSettings(bitrate=1_000_000))
    source.set_sink(received.append)
    for number in (20, 3, 4):
        if number != 4:
            source.set_watched(False)
            source.set_watched(True)
        before = len(received)
        pictures.give(raw(number))
        await eventually(lambda: len(received) == before + 1)  # noqa: B023  # awaited in this round
    assert [frame.keyframe for frame in received] == [True, True, False]
    source.set_watched(False)


async def test_coming_and_going_leaves_no_thread_behind() -> None:
    source = Vp8Source(Pictures(), CameraSettings(bitrate=1_000_000))
    for _ in range(50):
        source.set_watched(True)
        source.set_watched(True)
        source.request_keyframe()
        source.set_bitrate(5)
        source.set_watched(False)
        source.set_watched(False)
    await eventually(lambda: vp8_threads() == 0)
