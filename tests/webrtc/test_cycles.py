"""A session that has ended is freed at once: nothing of it waits for a full garbage collection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from aiortc import AudioStreamTrack, RTCSessionDescription

from robot_node.core.mixer import Mixer
from robot_node.core.state import RobotState
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import session as sessions
from robot_node.webrtc.audio import Sound
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission
from robot_node.webrtc.peer_connection import PeerConnection
from robot_node.webrtc.sent_video import CameraVideo
from robot_node.webrtc.session import Session
from robot_node.webrtc.signaling import Answer, Message, Offer
from robot_node.webrtc.stats import Cause, SessionEnd
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.scene import Scene
from tests.webrtc.test_received_sound import Recorder


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection: only what has no cycles is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[object]]:
    """Every peer connection of a session, and what is made for one."""
    made: list[weakref.ref[object]] = []

    class Connection(PeerConnection):
        async def close(self) -> None:
            for transceiver in self.getTransceivers():
                dtls = transceiver.receiver.transport
                each = (transceiver, transceiver.sender, transceiver.receiver, dtls, dtls.transport)
                made.extend(weakref.ref(part) for part in each)
            made.append(weakref.ref(self))
            await super().close()

    monkeypatch.setattr(sessions, "PeerConnection", Connection)
    return made


@dataclass
class Meeting:
    """A viewer and a session that is being run."""

    viewer: PeerConnection
    session: Session
    running: asyncio.Task[SessionEnd]


async def watch(broadcast: Broadcast) -> Meeting:
    """Return when frames come."""
    viewer = PeerConnection()
    transceiver = viewer.addTransceiver("video", "recvonly")
    prefer_with_retransmission(transceiver, VideoCodec.H264)
    viewer.addTrack(AudioStreamTrack())
    viewer.createDataChannel("status")
    await viewer.setLocalDescription()
    answers: asyncio.Queue[Message] = asyncio.Queue()
    session = Session(
        Offer(viewer.localDescription.sdp),
        [CameraVideo("camera", broadcast)],
        send=answers.put_nowait,
        on_connected=lambda: None,
        client_id="viewer",
        sound=Sound(Mixer(loudspeaker=Recorder(), viewer_may_speak=True)),
        state=RobotState(),
        settings=WebRtcSettings(),
    )
    running = asyncio.create_task(session.run())
    answer = await answers.get()
    assert isinstance(answer, Answer)
    await viewer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
    await transceiver.receiver.track.recv()
    return Meeting(viewer, session, running)


async def viewer_closes(meeting: Meeting) -> None:
    await meeting.viewer.close()


async def robot_ends(meeting: Meeting) -> None:
    meeting.session.end(Cause.REPLACED)


@contextlib.asynccontextmanager
async def scene_broadcast() -> AsyncIterator[Broadcast]:
    scene = Scene()
    broadcast = Broadcast(scene, asyncio.get_running_loop())
    try:
        yield broadcast
    finally:
        broadcast.close()
        scene.close()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("end", [viewer_closes, robot_ends])
async def test_after_a_session_nothing_of_it_is_left(
    end: Callable[[Meeting], Awaitable[None]], parts: list[weakref.ref[object]]
) -> None:
    async with asyncio.timeout(DEADLINE_S), scene_broadcast() as broadcast:
        meeting = await watch(broadcast)
        await end(meeting)
        await meeting.running
        session = weakref.ref(meeting.session)
        await meeting.viewer.close()
        del meeting
        await eventually(lambda: session() is None)
        assert len(parts) >= 11  # and each once more when aiortc closes first
        await eventually(lambda: [part() for part in parts if part() is not None] == [])


@pytest.mark.usefixtures("uncollected")
async def test_of_an_offer_that_cannot_be_used_nothing_is_left(parts: list[weakref.ref[object]]) -> None:
    async with asyncio.timeout(DEADLINE_S), scene_broadcast() as broadcast:
        session = Session(
            Offer("v=0\r\na=fingerprint:sha-256 AA\r\n"),
            [CameraVideo("camera", broadcast)],
            send=lambda _: None,
            on_connected=lambda: None,
            client_id="viewer",
            settings=WebRtcSettings(),
        )
        assert (await session.run()).cause is Cause.REFUSED
        ended = weakref.ref(session)
        del session
        await eventually(lambda: ended() is None)
        await eventually(lambda: [part() for part in parts if part() is not None] == [])
