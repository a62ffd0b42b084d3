"""Peers without H.264: real ones, on a real broker, before a camera that simulates nothing but its hardware."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection

from robot_node.config import WebRtcSettings
from robot_node.device_settings import CameraSettings
from robot_node.devices.camera import Camera
from robot_node.media import EncodedFrame, RawFrame, RawFrameSink
from robot_node.mqtt import Backoff, Broker
from robot_node.private_broker import PrivateBroker
from robot_node.state import RobotState
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.broadcast import EndOfStreamError
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission, video_codec_for
from robot_node.webrtc.signaling import Offer, Terminated
from robot_node.webrtc.streams import Streams
from robot_node.webrtc.vp8 import Vp8Encoder, Vp8Source
from tests.devices.camera_rig import make_pi
from tests.end_to_end.footage import Footage, clip_path, frames_of
from tests.webrtc.conftest import SERVER_ID, until
from tests.webrtc.peer import Peer, peer
from tests.webrtc.scene import HEIGHT, WIDTH, difference, grey_of, picture, read_number
from tests.webrtc.test_chromium import watching

VP8 = VideoCodec.VP8

# picamera2's own line
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")


@dataclass
class Robot:
    """A camera and who streams it."""

    broker: Broker
    camera: Camera
    streams: Streams
    state: RobotState

    async def vp8_viewers(self) -> int:
        broadcast = await self.streams.vp8()
        assert broadcast is not None
        return broadcast.viewer_count

    def gives_pictures(self) -> bool:
        """The camera copies pictures for VP8."""
        return self.camera._session is not None and self.camera._session.gives_raw

    def encodes_h264(self) -> bool:
        return self.camera._video._frames is not None


@contextlib.asynccontextmanager
async def running_robot(private: PrivateBroker, pi: str = "simulated Pi 5") -> AsyncIterator[Robot]:
    """A robot whose camera sees the clip."""
    settings = CameraSettings(width=640, height=272, bitrate=1_500_000, keyframe_interval_s=60)
    state, ready = RobotState(), asyncio.Event()
    camera = Camera(make_pi(pi, str(clip_path())).platform, settings, state)
    streams = Streams(camera, pictures=camera, camera_settings=settings)
    broker = Broker.from_url(private.url)
    answering = answer(
        broker,
        SERVER_ID,
        streams,
        WebRtcSettings(),
        state,
        backoff=Backoff(initial_s=0.05, maximum_s=0.2),
        on_ready=ready.set,
    )
    task = asyncio.create_task(answering)
    try:
        await camera.start()
        async with asyncio.timeout(45):
            await ready.wait()
        yield Robot(broker, camera, streams, state)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        streams.close()
        await camera.close()
        await until(lambda: vp8_threads() == 0)


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    async with running_robot(broker) as running:
        yield running


@pytest.fixture(scope="module")
def footage() -> Footage:
    return Footage.of(clip_path())


def vp8_threads() -> int:
    """How many VP8 encoders run."""
    return sum(thread.name == "VP8 encoder" for thread in threading.enumerate())


async def frames(viewer: Peer, count: int) -> list[av.VideoFrame]:
    return [await viewer.frame() for _ in range(count)]


@pytest.mark.parametrize("pi", ["simulated Pi 4", "simulated Pi 5", "real picamera2"])
async def test_a_peer_that_offers_only_vp8_sees_what_the_camera_sees(
    broker: PrivateBroker, footage: Footage, pi: str
) -> None:
    async with running_robot(broker, pi) as robot, peer(robot.broker) as viewer:
        answered = await viewer.offer(codec=VP8)
        assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", answered) == ["VP8", "rtx"]
        await asyncio.to_thread(footage.assert_plays, await frames(viewer, 30))
        assert not robot.encodes_h264()


async def test_all_peers_without_h264_share_one_encoder(robot: Robot, footage: Footage) -> None:
    async with peer(robot.broker, "a") as a, peer(robot.broker, "b") as b, peer(robot.broker, "c") as c:
        for viewer in (a, b, c):
            await viewer.offer(codec=VP8)
            await viewer.frame()
        assert await robot.vp8_viewers() == 3
        assert vp8_threads() == 1
        await asyncio.gather(*(frames(viewer, 10) for viewer in (a, b, c)))
        for viewer in (a, b, c):
            await asyncio.to_thread(footage.assert_plays, await frames(viewer, 10))


async def test_viewers_with_and_without_h264_watch_side_by_side(robot: Robot, footage: Footage) -> None:
    async with peer(robot.broker, "new") as new, peer(robot.broker, "old") as old:
        assert "VP8" not in await new.offer(codec=None)
        await new.frame()
        assert vp8_threads() == 0
        assert not robot.gives_pictures(), "nobody needs them"
        await old.offer(codec=VP8)
        await old.frame()
        assert robot.gives_pictures()
        for viewer in (old, new):
            await asyncio.to_thread(footage.assert_plays, await frames(viewer, 20))
        await old.send(Terminated())
        await until(lambda: not robot.gives_pictures())
        await until(lambda: vp8_threads() == 0)
        await frames(new, 10)
        await asyncio.to_thread(footage.assert_plays, await frames(new, 10))
        await new.send(Terminated())
        await until(lambda: not robot.encodes_h264())


async def test_a_peer_without_h264_that_reports_loss_gets_one_keyframe(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer(codec=VP8)
        broadcast = await robot.streams.vp8()
        assert broadcast is not None
        packets: list[bool] = []  # a witness's: libvpx's decoder does not tell which frames are keyframes
        witness = broadcast.join()

        async def look() -> None:
            with contextlib.suppress(EndOfStreamError):
                while True:
                    packets.append((await witness.next_packet()).is_keyframe)

        looking = asyncio.create_task(look())
        await frames(viewer, 20)
        before, seen = broadcast.keyframes.forwarded, len(packets)
        receiver = viewer.rtc.getTransceivers()[0].receiver
        source = receiver.getSynchronizationSources()[0].source
        await receiver._send_rtcp_pli(source)
        await receiver._send_rtcp_pli(source)
        await until(lambda: any(packets[seen:]))
        await frames(viewer, 20)
        assert sum(packets[seen:]) == 1
        assert broadcast.keyframes.forwarded == before + 1
        witness.leave()
        await looking


async def test_the_picture_returns_when_the_camera_was_off(robot: Robot, footage: Footage) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer(codec=VP8)
        await viewer.frame()
        await robot.camera.stop()
        with contextlib.suppress(TimeoutError):
            while True:
                await viewer.frame(within_s=1)
        await robot.camera.start()
        footage.positions(await frames(viewer, 10))
        assert robot.state.snapshot.viewers == 1


async def test_chromium_without_h264_plays_the_picture(robot: Robot, footage: Footage, tmp_path: Path) -> None:
    async with watching(robot.broker, tmp_path / "profile", codecs=["video/VP8", "video/rtx"]) as viewer:
        await viewer.frames(30)
        shown = await viewer.page.evaluate("""() => {
          const canvas = document.createElement("canvas");
          canvas.width = video.videoWidth; canvas.height = video.videoHeight;
          canvas.getContext("2d").drawImage(video, 0, 0);
          return canvas.toDataURL("image/png").split(",")[1];
        }""")
        assert vp8_threads() == 1
    (picture_shown,) = av.CodecContext.create("png", "r").decode(av.Packet(base64.b64decode(shown)))
    assert (picture_shown.width, picture_shown.height) == (640, 272)
    footage.positions([picture_shown])


async def test_packetization_mode_0_alone_is_no_usable_h264(robot: Robot, footage: Footage) -> None:
    async with peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer(codec=None)
        await viewer.send(Offer(sdp.replace("packetization-mode=1", "packetization-mode=0")))
        assert "VP8/90000" in await viewer.take_answer()
        for candidate in candidates:
            await viewer.send(candidate)
        footage.positions(await frames(viewer, 5))


async def test_a_peer_with_neither_codec_is_told_so(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, _ = await viewer.make_offer(codec=VP8)
        await viewer.send(Offer(sdp.replace("VP8/90000", "AV1/90000")))
        assert "or VP8" in (await viewer.receive(Terminated)).reason


@pytest.mark.parametrize(
    ("codec", "changes", "expected"),
    [
        (None, {}, VideoCodec.H264),
        (VideoCodec.H264, {}, VideoCodec.H264),
        (VP8, {}, VP8),
        (None, {"packetization-mode=1": "packetization-mode=0"}, VP8),
        (None, {"packetization-mode=1;": ""}, VP8),
        (None, {"42001f": "640c1f", "42e01f": "640c1f"}, VP8),
        (None, {"42001f": "surprise", "42e01f": "surprise"}, VP8),
        (VideoCodec.H264, {"packetization-mode=1": "packetization-mode=0"}, VideoCodec.H264),
        (None, {"m=video": "m=audio"}, VideoCodec.H264),
        (VP8, {"v=0": "nonsense", "m=video": "m=video x"}, VideoCodec.H264),
    ],
)
async def test_each_offer_is_for_the_first_codec_that_it_has(
    codec: VideoCodec | None, changes: dict[str, str], expected: VideoCodec
) -> None:
    connection = RTCPeerConnection()
    transceiver = connection.addTransceiver("video", direction="recvonly")
    if codec is not None:
        prefer_with_retransmission(transceiver, codec)
    sdp = (await connection.createOffer()).sdp
    await connection.close()
    for old, new in changes.items():
        assert old in sdp
        sdp = sdp.replace(old, new)
    assert video_codec_for(sdp) is expected


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
    encoder = Vp8Encoder(frame_rate=30, keyframe_interval_s=60)
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
    encoder = Vp8Encoder(frame_rate=25, keyframe_interval_s=60)
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
    encoder = Vp8Encoder(frame_rate=25, keyframe_interval_s=60)
    rates = (1_500_000, 1_000_000)
    encoded = [encoder.encode(frame, rates[number % 2]) for number, frame in enumerate(clip_frames(75))]
    assert sum(frame.keyframe for frame in encoded if frame is not None) <= 3


def test_a_keyframe_is_no_burst() -> None:
    encoder = Vp8Encoder(frame_rate=25, keyframe_interval_s=60)
    encoded = [
        encoder.encode(frame, 300_000, keyframe=number % 20 == 0) for number, frame in enumerate(clip_frames(100))
    ]
    keyframes = [len(frame.data) for frame in encoded if frame is not None and frame.keyframe]
    assert len(keyframes) == 5
    assert max(keyframes) * 8 <= 3 * 300_000 / 25, "three frames' share of the bitrate"


def test_a_picture_of_another_size_begins_anew() -> None:
    encoder = Vp8Encoder(frame_rate=30, keyframe_interval_s=60)
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

    def set_raw_watched(self, watched: bool) -> None:  # noqa: FBT001  # the protocol's signature
        self.watched = watched

    def give(self, frame: RawFrame) -> None:
        assert self.sink is not None
        self.sink(frame)


async def test_a_loop_that_does_not_keep_up_loses_pictures_and_never_the_stream() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, bitrate=1_000_000)
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(30):
        pictures.give(raw(number))
        threading.Event().wait(0.005)  # the loop is busy, the encoder's thread is not
    await until(lambda: bool(received) and received[-1].timestamp_us == raw(29).timestamp_us)
    assert len(received) <= 4
    assert len(decode(received)) == len(received)
    assert all(difference(frame) < 8 for frame in decode(received))
    source.set_watched(False)


async def test_a_camera_gives_pictures_only_while_somebody_watches() -> None:
    pictures = Pictures()
    source = Vp8Source(pictures, bitrate=1_000_000)
    seen = [(pictures.watched, pictures.sink is not None, source.encoding)]
    for watched in (True, False):
        source.set_watched(watched)
        seen.append((pictures.watched, pictures.sink is not None, source.encoding))
    assert seen == [(False, False, False), (True, True, True), (False, False, False)]


async def test_the_newest_picture_is_the_one_that_is_encoded() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, bitrate=1_000_000)
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(300):
        pictures.give(raw(number))
    await until(lambda: bool(received) and received[-1].timestamp_us == raw(299).timestamp_us)
    assert read_number(grey_of(decode(received)[-1])) == 299
    assert len(received) < 300
    source.set_watched(False)


async def test_what_was_encoded_before_the_end_is_not_delivered_after_it() -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, bitrate=1_000_000)
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(5):
        pictures.give(raw(number))
        threading.Event().wait(0.01)  # the frames are on their way to the loop
    source.set_watched(False)
    source.set_watched(True)
    pictures.give(raw(9))
    await until(lambda: bool(received))
    assert [frame.timestamp_us for frame in received] == [raw(9).timestamp_us]
    assert received[0].keyframe
    source.set_watched(False)


async def test_a_picture_that_cannot_be_encoded_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    pictures, received = Pictures(), list[EncodedFrame]()
    source = Vp8Source(pictures, bitrate=1_000_000)
    source.set_sink(received.append)
    source.set_watched(True)
    for number in range(3):
        pictures.give(replace(raw(number), planes=b"torn"))
        await until(lambda: source._encoding is not None and source._encoding._waiting is None)
    pictures.give(raw(4))
    await until(lambda: bool(received))
    assert len(decode(received)) == 1
    assert caplog.text.count("could not be encoded") == 1
    source.set_watched(False)


async def test_coming_and_going_leaves_no_thread_behind() -> None:
    source = Vp8Source(Pictures(), bitrate=1_000_000)
    for _ in range(50):
        source.set_watched(True)
        source.set_watched(True)
        source.request_keyframe()
        source.set_bitrate(5)
        source.set_watched(False)
        source.set_watched(False)
    await until(lambda: vp8_threads() == 0)
