"""STUN and TURN: the answer waits for no server; what servers give comes later; TURN with a real coturn."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.negotiation import rtc_candidate
from robot_node.webrtc.signaling import Answer, Candidate, EndOfCandidates, Offer, Terminated
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import running_robot
from tests.webrtc.ice_helpers import PASSWORD, USER, slow_stun_server, turn_server
from tests.webrtc.peer import Peer, peer
from tests.webrtc.scene import difference


async def test_the_answer_waits_for_no_stun_server_and_its_candidate_follows(broker: PrivateBroker) -> None:
    async with slow_stun_server() as (server, url):
        settings = WebRtcSettings(ice_servers=(url,), addresses=("127.0.0.1",))
        async with running_robot(broker, settings) as robot, peer(robot.broker) as viewer:
            await viewer.send(Offer((await viewer.make_offer())[0]))
            answer = (await viewer.receive(Answer)).sdp
            assert "typ host" in answer
            assert "srflx" not in answer
            assert "end-of-candidates" not in answer
            await asyncio.wait_for(server.asked.wait(), DEADLINE_S)
            server.answer(("203.0.113.7", 4711))
            candidate = await viewer.receive(Candidate)
            assert " 203.0.113.7 4711 typ srflx " in candidate.candidate
            assert f"a=mid:{candidate.sdp_mid}\r\n" in answer
            assert candidate.sdp_mline_index == 0
            assert f"a=ice-ufrag:{candidate.username_fragment}\r\n" in answer
            await viewer.receive(EndOfCandidates)


async def test_a_dead_stun_server_changes_nothing(broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robot_node.webrtc.trickle.LATE_GATHERING_LIMIT_S", 0.2)
    async with slow_stun_server() as (_, url):
        async with running_robot(broker, WebRtcSettings(ice_servers=(url,))) as robot, peer(robot.broker) as viewer:
            await viewer.send(Offer((await viewer.make_offer())[0]))
            await viewer.receive(Answer)
            await viewer.receive(EndOfCandidates)  # waiting for the server is bounded
        async with running_robot(broker, WebRtcSettings(ice_servers=(url,))) as robot, peer(robot.broker) as viewer:
            await viewer.offer()
            assert difference(await viewer.frame()) < 8


async def test_a_viewer_that_can_be_reached_through_turn_only_gets_the_picture(broker: PrivateBroker) -> None:
    async with turn_server() as port:
        url = f"turn:{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        async with running_robot(broker, WebRtcSettings(ice_servers=(url,))) as robot, peer(robot.broker) as viewer:
            relay_only(viewer, port)
            sdp, candidates = await viewer.make_offer()
            assert {candidate.candidate.split()[7] for candidate in candidates} == {"relay"}
            await viewer.send(Offer(sdp))
            for candidate in candidates:
                await viewer.send(candidate)
            await viewer.take_answer(with_addresses=False)
            relayed = await viewer.receive(Candidate)
            assert " typ relay " in relayed.candidate
            await viewer.rtc.addIceCandidate(rtc_candidate(relayed))
            assert difference(await viewer.frame()) < 8
            await robot.has_viewers(1)
            await viewer.send(Terminated())
            await robot.has_viewers(0)
            await eventually(lambda: "WebRTC viewer peer" not in {task.get_name() for task in asyncio.all_tasks()})


@pytest.mark.slow
async def test_without_the_relay_there_is_no_way(broker: PrivateBroker) -> None:
    async with (
        turn_server() as port,
        running_robot(broker, WebRtcSettings(connect_timeout_s=2)) as robot,
        peer(robot.broker) as viewer,
    ):
        relay_only(viewer, port)
        sdp, candidates = await viewer.make_offer()
        await viewer.send(Offer(sdp))
        for candidate in candidates:
            await viewer.send(candidate)
        await viewer.take_answer()
        reason = (await viewer.receive(Terminated)).reason
        assert "No connection came about" in reason
        assert reason.endswith(
            "Tried: candidates of the robot: host; of the peer: relay; ICE servers: none configured."
        )


async def test_without_a_connection_the_viewer_is_told_which_servers_did_not_answer(
    broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("robot_node.webrtc.trickle.LATE_GATHERING_LIMIT_S", 0.5)
    async with slow_stun_server() as (_, stun), turn_server() as port:
        turn = f"turn:{USER}:wrong@127.0.0.1:{port}"
        settings = WebRtcSettings(ice_servers=(stun, turn), addresses=("127.0.0.1",), connect_timeout_s=1.5)
        async with running_robot(broker, settings) as robot, peer(robot.broker) as viewer:
            await viewer.send(Offer((await viewer.make_offer())[0]))
            await viewer.receive(Answer)
            await viewer.receive(EndOfCandidates)
            reason = (await viewer.receive(Terminated)).reason
    name = stun.replace("stun:", "STUN server ")
    assert f"of the peer: none; ICE servers: {name} (no answer), TURN server 127.0.0.1:{port} (STUN" in reason
    assert "401" in reason
    assert f"{name} gives no candidate: no answer." in caplog.text
    assert f"TURN server 127.0.0.1:{port} gives no candidate: " in caplog.text


async def test_wrong_credentials_end_nothing(broker: PrivateBroker) -> None:
    async with turn_server() as port:
        settings = WebRtcSettings(ice_servers=(f"turn:{USER}:wrong@127.0.0.1:{port}",), connect_timeout_s=DEADLINE_S)
        async with running_robot(broker, settings) as robot, peer(robot.broker) as viewer:
            sdp, candidates = await viewer.make_offer()
            await viewer.send(Offer(sdp))
            answer = await viewer.receive(Answer)
            # Before it connects: a robot that is connected gathers no more, and has no end of it to tell.
            await viewer.receive(EndOfCandidates)
            await viewer.apply(answer)
            for candidate in candidates:
                await viewer.send(candidate)
            assert difference(await viewer.frame()) < 8


def relay_only(viewer: Peer, port: int) -> None:
    """Make the viewer unreachable but through TURN."""
    server = RTCIceServer(f"turn:127.0.0.1:{port}", USER, PASSWORD)
    viewer.use(RTCPeerConnection(RTCConfiguration([server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)))
