"""Peers without H.264: real ones, on a real broker, before a camera that simulates nothing but its hardware."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from aiortc import RTCPeerConnection

from hw_mocks.sensor import CAMERA_MODULE_3, SensorMode
from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import RobotState
from robot_node.devices.camera.camera import Camera
from robot_node.mqtt import Backoff, Broker
from robot_node.settings.devices import CameraSettings
from robot_node.settings.root import WebRtcSettings
from robot_node.vision.pictures import PictureFeed, SmallVideo
from robot_node.webrtc.answerer import answer
from robot_node.webrtc.broadcast import EndOfStreamError, Viewer
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission, video_codec_for
from robot_node.webrtc.signaling import Offer, Terminated
from robot_node.webrtc.streams import SMALL_VIDEO_RATE, Streams
from tests.devices.camera.rig import Pi, make_pi
from tests.end_to_end.footage import Footage, clip_path
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.counts import vp8_threads
from tests.webrtc.gstreamer import gstreamer
from tests.webrtc.peer import Peer, peer
from tests.webrtc.scene import SERVER_ID
from tests.webrtc.test_chromium import watching

VP8 = VideoCodec.VP8

# picamera2's own line
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")


@dataclass
class Robot:
    """A camera and who streams it."""

    broker: Broker
    pi: Pi
    camera: Camera
    streams: Streams
    state: RobotState

    async def vp8_viewers(self) -> int:
        broadcast = await self.streams.vp8()
        assert broadcast is not None
        return broadcast.viewer_count

    def gives_pictures(self) -> bool:
        """The camera copies pictures for VP8."""
        return "raw" in self.pi.running_encoders()

    def encodes_h264(self) -> bool:
        return "h264" in self.pi.running_encoders()


@contextlib.asynccontextmanager
async def running_robot(
    private: PrivateBroker,
    name: str = "simulated Pi 5",
    *,
    modes: tuple[SensorMode, ...] = CAMERA_MODULE_3,
    webrtc: WebRtcSettings | None = None,
    off_when_unwatched_s: float = 0,
) -> AsyncIterator[Robot]:
    """A robot whose camera sees the clip, with a small video."""
    settings = CameraSettings(width=640, height=272, bitrate=1_500_000, keyframe_interval_s=60)
    settings = settings.model_copy(update={"off_when_unwatched_s": off_when_unwatched_s})
    state, ready = RobotState(), asyncio.Event()
    pi = make_pi(name, str(clip_path()))
    pi.sensor.modes = modes
    camera = Camera(pi.platform, settings, state, small_stream=True)
    small = SmallVideo(PictureFeed(camera), SMALL_VIDEO_RATE)
    streams = Streams(camera, pictures=camera, camera_settings=settings, small_pictures=small)
    broker = Broker.from_url(private.url)
    answering = answer(
        broker,
        SERVER_ID,
        streams,
        webrtc or WebRtcSettings(),
        state,
        backoff=Backoff(initial_s=0.05, maximum_s=0.2),
        on_ready=ready.set,
    )
    task = asyncio.create_task(answering)
    try:
        await camera.start()
        async with asyncio.timeout(DEADLINE_S):
            await ready.wait()
        yield Robot(broker, pi, camera, streams, state)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        streams.close()
        await camera.close()
        await eventually(lambda: vp8_threads() == 0)


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    async with running_robot(broker) as running:
        yield running


@pytest.fixture(scope="module")
def footage() -> Footage:
    return Footage.of(clip_path())


async def frames(viewer: Peer, count: int) -> list[av.VideoFrame]:
    return [await viewer.frame() for _ in range(count)]


async def sees(footage: Footage, viewer: Peer, count: int) -> None:
    """Wait until so many pictures one after the other play the clip: a busy machine loses packets before."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await asyncio.to_thread(footage.assert_plays, await frames(viewer, count))
            except AssertionError as error:
                print(error)


@pytest.mark.parametrize(
    "pi", [*(pytest.param(pi, marks=pytest.mark.slow) for pi in ("simulated Pi 4", "simulated Pi 5")), "real picamera2"]
)
async def test_a_peer_that_offers_only_vp8_sees_what_the_camera_sees(
    broker: PrivateBroker, footage: Footage, pi: str
) -> None:
    async with running_robot(broker, pi) as robot, peer(robot.broker) as viewer:
        answered = await viewer.offer(codec=VP8)
        assert re.findall(r"a=rtpmap:\d+ (\w+)/90000", answered) == ["VP8", "rtx"]
        await sees(footage, viewer, 30)
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
            await sees(footage, viewer, 10)


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
            await sees(footage, viewer, 20)
        await old.send(Terminated())
        await eventually(lambda: not robot.gives_pictures())
        await eventually(lambda: vp8_threads() == 0)
        await frames(new, 10)
        await sees(footage, new, 10)
        await new.send(Terminated())
        await eventually(lambda: not robot.encodes_h264())


async def test_a_peer_without_h264_that_reports_loss_gets_one_keyframe(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer(codec=VP8)
        broadcast = await robot.streams.vp8()
        assert broadcast is not None
        packets: list[bool] = []  # a witness's: libvpx's decoder does not tell which frames are keyframes
        witness = Viewer(broadcast)
        witness.join()

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
        await eventually(lambda: any(packets[seen:]))
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


@pytest.mark.slow
@pytest.mark.peer("Chromium", works="VP8, where it has no H.264")
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


@pytest.mark.slow  # as Chromium above
@pytest.mark.peer("GStreamer", works="VP8")
async def test_gstreamer_without_h264_plays_the_picture(robot: Robot) -> None:
    async with gstreamer(robot.broker, "--codecs", "VP8") as viewer:
        frame = await viewer.told("frame")
        assert (frame["width"], frame["height"]) == (640, 272)


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
        (VP8, {"v=0": "nonsense", "c=IN": "c=nonsense"}, VP8),  # setting it says what is wrong with it
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
