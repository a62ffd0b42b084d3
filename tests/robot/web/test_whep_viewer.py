"""The WHEP player of ``robot-node watch --whep``, at the robot's HTTP server and at servers that refuse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from starlette.requests import Request
from starlette.responses import Response

from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RobotNodeError
from robot_node.mqtt import Broker
from robot_node.settings.http import HttpSettings
from robot_node.webrtc import whep_viewer
from robot_node.webrtc.receiving import ViewerLimits
from tests.end_to_end.robot_process import robot_node
from tests.robot.web.conftest import TOKEN, HttpServer, running_server
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.ice_helpers import slow_stun_server
from tests.whip_front import TOKEN as TOKEN_OF_FRONT
from tests.whip_front import Misbehaviour, WhipFront, answering, silent, whip_front


@pytest.fixture
async def guarded(broker: PrivateBroker) -> AsyncIterator[HttpServer]:
    """A server with a token, and with video."""
    async with running_server(HttpSettings(port=0, token=TOKEN), Broker.from_url(broker.url)) as opened:
        await opened.cameras["rear"].start()
        yield opened


@pytest.fixture
async def front() -> AsyncIterator[WhipFront]:
    """An endpoint that only refuses."""
    async with whip_front() as opened:
        yield opened


@pytest.mark.slow
async def test_the_command_watches_and_deletes_its_session(guarded: HttpServer, tmp_path: Path) -> None:
    file = tmp_path / "video.mp4"
    url = f"{guarded.url}whep?camera=rear"
    options = ("--frames", "5", "--output", str(file), "--token-file", "-", "--json")
    done = await robot_node("watch", "--whep", url, *options, stdin=f"{TOKEN}\n")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["frames"], report["width"], report["height"]) == (5, 160, 120)
    assert report["first_frame_ms"] > 0
    with av.open(file) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5
    again = await robot_node("watch", "--whep", url, "--frames", "1", settings={"WHEP_TOKEN": TOKEN})
    assert again.status == 0, again.stderr
    await eventually(lambda: guarded.state.snapshot.viewers == 0)


async def test_a_viewer_that_leaves_deletes_its_session(guarded: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "robot_node.webrtc.whip"):
        async with whep_viewer.view(f"{guarded.url}whep?camera=rear", token=TOKEN) as viewing:
            assert (await viewing.frame()).image.width == 160
    assert f"Session at {guarded.url[:-1]} ended: 200" in caplog.messages


async def test_a_server_that_closes_the_connection_is_told_from_silence(broker: PrivateBroker) -> None:
    async with contextlib.AsyncExitStack() as server, contextlib.AsyncExitStack() as player:
        running = await server.enter_async_context(running_server(HttpSettings(port=0), Broker.from_url(broker.url)))
        url = f"{running.url}whep"
        with pytest.raises(RobotNodeError, match=r"no frame came within 0\.5 s\. Is the camera on"):
            await whep_viewer.watch(url, limits=ViewerLimits(frame_s=0.5))
        viewing = await player.enter_async_context(whep_viewer.view(url))
        await server.aclose()
        with pytest.raises(RobotNodeError, match="closed the connection after 0 frames"):
            await viewing.frame()


@pytest.mark.parametrize(
    ("misbehaviour", "says"),
    [
        (
            answering(401),
            "refuses the token (401). Give the one that the server expects: --token-file FILE, or",
        ),
        (answering(404), "knows no such endpoint (404). Check the address after --whep."),
        (answering(405), "knows no WHEP at this address (405). Check the address after --whep."),
        (
            answering(406, "v=0\r\n", content_type="application/sdp"),
            "supports none of the codecs (406). Let it send H.264 or VP8.",
        ),
        (answering(409), "has no stream there now (409). Let the robot publish first"),
        (answering(503, "try later"), "is overloaded (503): 'try later'."),
        (answering(201, "v=1"), "The server's answer is no session description."),
        (answering(307, location="ftp://h/"), "redirects to where the robot must not go."),
        (silent, "did not answer in time."),
    ],
)
async def test_a_refusal_has_its_reason(front: WhipFront, misbehaviour: Misbehaviour, says: str) -> None:
    front.misbehaviours["POST"].append(misbehaviour)
    with pytest.raises(RobotNodeError) as refused:
        await whep_viewer.watch(front.url, limits=ViewerLimits(connect_s=1.0))
    assert says in str(refused.value)


class Sender:
    """A media server that sends colour bars, and names a STUN server.

    Args:
        codecs: What it can encode; all by default.
        ice_server: The STUN server's URL.
    """

    def __init__(self, *codecs: str, ice_server: str = "") -> None:
        self._rtc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._codecs, self._ice_server = codecs, ice_server

    async def answer(self, request: Request) -> Response:
        self._rtc.addTrack(VideoStreamTrack())
        (transceiver,) = self._rtc.getTransceivers()
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in known if each.name in self._codecs])
        await self._rtc.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        await self._rtc.setLocalDescription()
        headers = {"Location": "/whip/session/1", "ETag": '"1"'}
        if self._ice_server:
            headers["Link"] = f'<{self._ice_server}>; rel="ice-server"'
        return Response(self._rtc.localDescription.sdp, 201, headers)

    async def close(self) -> None:
        await self._rtc.close()


@contextlib.asynccontextmanager
async def sending(front: WhipFront, sender: Sender) -> AsyncIterator[None]:
    front.misbehaviours["POST"].append(sender.answer)
    try:
        yield
    finally:
        await sender.close()


async def test_servers_of_the_answer_are_asked_and_what_they_say_is_sent(front: WhipFront) -> None:
    async with (
        slow_stun_server() as (stun, stun_url),
        sending(front, Sender(ice_server=stun_url)),
        whep_viewer.view(front.url, token=TOKEN_OF_FRONT),
    ):
        await asyncio.wait_for(stun.asked.wait(), DEADLINE_S)
        stun.answer(("192.0.2.7", 4000))
        await eventually(lambda: any(" 192.0.2.7 4000 typ srflx" in each for each in front.fragments))
    assert ("DELETE", "/whip/session/1") in front.requests


@pytest.mark.slow
async def test_servers_that_the_command_names_are_asked_in_place_of_the_answer_s(front: WhipFront) -> None:
    async with (
        slow_stun_server() as (own, own_url),
        slow_stun_server() as (other, other_url),
        sending(front, Sender(ice_server=other_url)),
    ):
        done = await robot_node("watch", "--whep", front.url, "--ice-server", own_url, "--frames", "3")
    assert done.status == 0, done.stderr
    assert (own.asked.is_set(), other.asked.is_set()) == (True, False)


async def test_a_server_that_can_send_vp8_only_is_watched(front: WhipFront) -> None:
    async with sending(front, Sender("VP8")):
        report = await whep_viewer.watch(front.url, frames=5)
    assert (report.frames, report.width, report.height) == (5, 640, 480)
