"""WHEP, by a player written to the draft: draft-ietf-wish-whep-02."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.http import HttpSettings
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.ice_servers import IceServer
from robot_node.webrtc.sdp_fragments import parse_fragment, with_candidates
from robot_node.webrtc.signaling import Candidate
from robot_node.webrtc.whip_messages import ice_servers
from tests.markers import marker_of
from tests.robot.web.conftest import HttpServer, running_server
from tests.waiting import DEADLINE_S, eventually

OFFERS = Path(__file__).parents[2] / "webrtc" / "offers"
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


class Player:
    """Receives video, and nothing else."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self.rtc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = self.rtc.addTransceiver("video", direction="recvonly").receiver
        self.session = ""

    async def play(self, query: str = "") -> None:
        await self.rtc.setLocalDescription()
        answer = await self._server.client.post(f"/whep{query}", content=self.rtc.localDescription.sdp, headers=SDP)
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"] == "application/sdp"
        assert answer.headers["etag"]
        self.session = answer.headers["location"]
        await self.rtc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))

    async def frame(self) -> av.VideoFrame:
        frame = await asyncio.wait_for(self.receiver.track.recv(), DEADLINE_S)
        assert isinstance(frame, av.VideoFrame)
        return frame


async def test_a_player_sees_the_picture_until_it_deletes_its_session(streaming: HttpServer) -> None:
    player = Player(streaming)
    await streaming.camera.start()
    await player.play()
    assert ((await player.frame()).width, (await player.frame()).height) == (320, 240)
    await eventually(lambda: streaming.state.snapshot.viewers == 1)
    trickled = "a=ice-ufrag:other\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
    assert (await streaming.client.patch(player.session, content=trickled, headers=FRAGMENT)).status_code == 422
    own = "a=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
    assert (await streaming.client.patch(player.session, content=own, headers=FRAGMENT)).status_code == 204
    assert (await streaming.client.delete(player.session)).status_code == 200
    await eventually(lambda: streaming.state.snapshot.viewers == 0)
    assert (await streaming.client.delete(player.session)).status_code == 404
    await player.rtc.close()


async def test_a_player_chooses_one_of_several_cameras(streaming: HttpServer) -> None:
    await streaming.cameras["rear"].start()
    player = Player(streaming)
    await player.play("?camera=rear")
    assert marker_of(await player.frame()) == 1
    await player.rtc.close()
    refused = await streaming.client.post("/whep?camera=left", content=player.rtc.localDescription.sdp, headers=SDP)
    assert (refused.status_code, refused.text) == (400, "There is no camera 'left'; there are: front, rear.\n")


async def test_a_player_of_pion_gets_the_feedback_that_it_offers(streaming: HttpServer) -> None:
    await streaming.camera.start()
    answer = await streaming.client.post("/whep", content=(OFFERS / "pion-watch.sdp").read_text(), headers=SDP)
    assert (await streaming.client.delete(answer.headers["location"])).status_code == 200
    feedback = {line.removeprefix("a=rtcp-fb:96 ") for line in answer.text.splitlines() if "rtcp-fb:96" in line}
    assert feedback == {"nack", "nack pli", "goog-remb"}


async def test_a_session_that_has_ended_is_gone(streaming: HttpServer) -> None:
    player = Player(streaming)
    await streaming.camera.start()
    await player.play()
    await player.frame()
    await player.rtc.close()

    await eventually(lambda: streaming.state.snapshot.viewers == 0)
    response = await streaming.client.patch(player.session, content="", headers=FRAGMENT)
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        ("v=0", {"Content-Type": "text/plain"}, 415, "must be application/sdp"),
        ("v=0\r\n", SDP, 400, "fingerprint"),
        ("x" * 50_000, SDP, 400, "more than 40000 bytes"),
        (b"\xff", SDP, 400, "UTF-8"),
        ("v=0\r\na=fingerprint:sha-256 00\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", SDP, 400, "has no video section"),
    ],
)
async def test_what_is_no_offer_is_told(
    streaming: HttpServer, content: str | bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    response = await streaming.client.post("/whep", content=content, headers=headers)
    assert response.status_code == status
    assert reason in response.text


async def test_a_robot_that_does_not_stream_says_so(server: HttpServer) -> None:
    rtc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    rtc.addTransceiver("video", direction="recvonly")
    offer = (await rtc.createOffer()).sdp
    response = await server.client.post("/whep", content=offer, headers=SDP)
    assert (response.status_code, response.text) == (
        503,
        "The robot does not stream now. Try again later; see webrtc.enabled.\n",
    )
    await rtc.close()


async def test_what_players_ask_first(server: HttpServer) -> None:
    assert (await server.client.options("/whep")).headers["accept-post"] == "application/sdp"
    assert (await server.client.get("/whep")).status_code == 405
    assert (await server.client.patch("/whep/nobody", content="", headers=FRAGMENT)).status_code == 404


async def test_players_are_told_of_stun_and_turn_servers_before_they_offer(broker: PrivateBroker) -> None:
    turn = "turn:anna:a%22b%5Cc@turn.example:3478?transport=tcp"
    webrtc = WebRtcSettings(ice_servers=("stun:stun.example:3478", turn))
    async with running_server(HttpSettings(port=0), Broker.from_url(broker.url), webrtc=webrtc) as server:
        links = (await server.client.options("/whep")).headers.get_list("link")
    assert ice_servers(links) == (
        IceServer("stun:stun.example:3478"),
        IceServer("turn:turn.example:3478?transport=tcp", "anna", 'a"b\\c'),
    )


def test_candidates_of_a_fragment_belong_to_its_section() -> None:
    text = (
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
        "a=end-of-candidates\r\n"
    )  # RFC 9725, 4.3.2, figure 5
    (candidate,) = parse_fragment(text)
    assert (candidate.sdp_mid, candidate.username_fragment, candidate.host) == ("0", "EsAw", "192.0.2.1")
    (without,) = parse_fragment("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n")
    assert (without.sdp_mid, without.sdp_mline_index) == (None, 0)
    with pytest.raises(ValueError, match="More than 64"):
        parse_fragment("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 65)


def test_late_candidates_go_into_their_section() -> None:
    sdp = "v=0\r\nm=video 9 A 1\r\na=mid:0\r\nm=audio 9 A 2\r\na=mid:1\r\n"
    late = Candidate("candidate:1 1 udp 1 192.0.2.9 9 typ relay", "1", 1)
    assert with_candidates(sdp, [late]) == sdp + "a=candidate:1 1 udp 1 192.0.2.9 9 typ relay\r\n"
