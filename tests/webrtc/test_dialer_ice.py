"""STUN and TURN servers of a robot that calls."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import CallState
from robot_node.mqtt import Broker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc.signaling import Candidate, EndOfCandidates, Offer
from tests.waiting import DEADLINE_S
from tests.webrtc.caller import calling_robot
from tests.webrtc.ice_helpers import PASSWORD, USER, slow_stun_server, turn_server
from tests.webrtc.media_backend import media_backend
from tests.webrtc.scene import difference


async def test_the_offer_waits_for_no_stun_server_and_its_candidate_follows(broker: PrivateBroker) -> None:
    async with slow_stun_server() as (server, url), media_backend(Broker.from_url(broker.url)) as backend:
        settings = WebRtcSettings(ice_servers=(url,), addresses=("127.0.0.1",))
        async with calling_robot(broker, webrtc=settings):
            offer = (await backend.receive(Offer)).sdp
            assert "typ host" in offer
            assert "srflx" not in offer
            assert "end-of-candidates" not in offer
            await asyncio.wait_for(server.asked.wait(), DEADLINE_S)
            server.answer(("203.0.113.7", 4711))
            candidate = await backend.next_about_candidates()
            assert isinstance(candidate, Candidate)
            assert " 203.0.113.7 4711 typ srflx " in candidate.candidate
            assert f"a=mid:{candidate.sdp_mid}\r\n" in offer
            assert f"a=ice-ufrag:{candidate.username_fragment}\r\n" in offer
            assert isinstance(await backend.next_about_candidates(), EndOfCandidates)


async def test_a_dead_stun_server_changes_nothing(broker: PrivateBroker) -> None:
    async with (
        slow_stun_server() as (_, url),
        media_backend(Broker.from_url(broker.url)) as backend,
        calling_robot(broker, webrtc=WebRtcSettings(ice_servers=(url,))) as caller,
    ):
        await backend.answer()
        assert difference(await backend.frame()) < 8
        assert not caller.backoff.delays


async def test_a_backend_that_can_be_reached_through_turn_only_gets_the_picture(broker: PrivateBroker) -> None:
    async with turn_server() as port, media_backend(Broker.from_url(broker.url)) as backend:
        server = RTCIceServer(f"turn:127.0.0.1:{port}", USER, PASSWORD)
        backend.configuration = RTCConfiguration([server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
        url = f"turn:{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        async with calling_robot(broker, webrtc=WebRtcSettings(ice_servers=(url,))) as caller:
            answer = await backend.answer()
            assert "typ relay" in answer
            assert "typ host" not in answer
            relayed = await backend.next_about_candidates()
            assert isinstance(relayed, Candidate)
            assert " typ relay " in relayed.candidate
            assert difference(await backend.frame()) < 8
            await caller.is_in(CallState.CONNECTED)
