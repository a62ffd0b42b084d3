"""A contract with the installed aiortc and aioice: their private names still do what we take them for."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator

import pytest
from aioice import Connection, stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_FIR, RtcpPsfbPacket, pack_remb_fci

from robot_node.webrtc import aiortc_hooks, packet_filter
from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission
from robot_node.webrtc.tracks import BroadcastTrack
from tests.waiting import eventually
from tests.webrtc.peer import send_report
from tests.webrtc.scene import Scene


@contextlib.asynccontextmanager
async def connected_pair() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection, Scene]]:
    """A sender of the scene and a receiver, connected without a broker."""
    scene = Scene()
    broadcast = Broadcast(scene, asyncio.get_running_loop())
    sending, receiving = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        for transceiver in (
            receiving.addTransceiver("video", "recvonly"),
            sending.addTransceiver(BroadcastTrack(broadcast), "sendonly"),
        ):
            prefer_with_retransmission(transceiver, VideoCodec.H264)
        await receiving.setLocalDescription()
        await sending.setRemoteDescription(receiving.localDescription)
        await sending.setLocalDescription()
        await receiving.setRemoteDescription(sending.localDescription)
        await receiving.getTransceivers()[0].receiver.track.recv()
        yield sending, receiving, scene
    finally:
        await sending.close()
        await receiving.close()
        broadcast.close()
        scene.close()


async def test_pli_and_fir_reach_the_callback_once_each() -> None:
    async with connected_pair() as (sending, receiving, _):
        sender, receiver = sending.getSenders()[0], receiving.getTransceivers()[0].receiver
        asked: list[None] = []
        aiortc_hooks.on_keyframe_request(sender, lambda: asked.append(None))
        source = receiver.getSynchronizationSources()[0].source
        await receiver._send_rtcp_pli(source)
        await eventually(lambda: len(asked) == 1)
        fir = RtcpPsfbPacket(fmt=RTCP_PSFB_FIR, ssrc=1, media_ssrc=source)
        await receiver.transport._send_rtp(bytes(fir))
        await eventually(lambda: len(asked) == 2)


async def test_estimates_and_losses_reach_the_callbacks() -> None:
    async with connected_pair() as (sending, receiving, _):
        sender, receiver = sending.getSenders()[0], receiving.getTransceivers()[0].receiver
        estimates: list[int] = []
        losses: list[float] = []
        aiortc_hooks.on_receiver_report(sender, estimates.append, losses.append)
        await send_report(receiver, estimate=700_000, lost=0.25)
        await eventually(lambda: 0.25 in losses and 700_000 in estimates)
        source = receiver.getSynchronizationSources()[0].source
        for fci in (b"APP?", pack_remb_fci(1, [source + 1])):
            await receiver.transport._send_rtp(bytes(RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, fci)))
        await send_report(receiver, estimate=800_000, lost=0.5)
        await eventually(lambda: 800_000 in estimates)
        assert 1 not in estimates


async def test_receiver_reports_still_reach_aiortc_behind_the_hook() -> None:
    async with connected_pair() as (sending, _, _):
        sender = sending.getSenders()[0]
        aiortc_hooks.on_keyframe_request(sender, lambda: None)
        report = await sender.getStats()  # filled as reports come
        await eventually(lambda: "remote-inbound-rtp" in {stats.type for stats in report.values()})


async def test_a_peer_that_is_there_answers_a_check_and_one_that_is_gone_does_not() -> None:
    async with connected_pair() as (sending, receiving, _):
        transport = next(iter(aiortc_hooks.ice_transports(sending)))
        assert await aiortc_hooks.answers_check(transport)
        # The network goes, without a word.
        for protocol in receiving.getTransceivers()[0].receiver.transport.transport._connection._protocols:
            protocol.transport.abort()
        assert not await aiortc_hooks.answers_check(transport)


async def test_a_closed_connection_answers_no_check() -> None:
    async with connected_pair() as (sending, _, _):
        transport = next(iter(aiortc_hooks.ice_transports(sending)))
        await sending.close()
        assert not await aiortc_hooks.answers_check(transport)


async def test_every_socket_is_guarded_and_every_dtls_transport_tolerates_errors() -> None:
    async with connected_pair() as (sending, _, _):
        (transport,) = aiortc_hooks.ice_transports(sending)
        sockets = transport._connection._protocols
        assert sockets
        assert {type(each) for each in sockets} == {packet_filter.GuardedSocket}
        assert type(sending.getSenders()[0].transport) is packet_filter.TolerantDtlsTransport


async def test_a_packet_of_the_peer_that_cannot_be_processed_does_not_end_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stumbled: list[None] = []

    async def stumble(_sender: RTCRtpSender, _packet: object) -> None:
        stumbled.append(None)
        raise IndexError

    async with connected_pair() as (sending, receiving, _):
        monkeypatch.setattr(RTCRtpSender, "_handle_rtcp_packet", stumble)
        receiver = receiving.getTransceivers()[0].receiver
        for count in (1, 2):
            await receiver._send_rtcp_pli(receiver.getSynchronizationSources()[0].source)
            await eventually(lambda count=count: len(stumbled) >= count)  # type: ignore[misc]  # bound now
        assert sending.connectionState == "connected"


async def test_the_peers_close_is_told_from_a_loss() -> None:
    async with connected_pair() as (sending, receiving, _):
        assert not aiortc_hooks.closed_by_peer(sending)
        await receiving.close()
        await eventually(lambda: sending.connectionState == "closed")
        assert aiortc_hooks.closed_by_peer(sending)
    async with connected_pair() as (sending, _, _):
        for protocol in sending.getSenders()[0].transport.transport._connection._protocols:
            protocol.transport.abort()
        await eventually(lambda: sending.connectionState == "closed")
        assert not aiortc_hooks.closed_by_peer(sending)


async def test_connectivity_checks_are_bounded_in_number_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    strangers = [("127.0.0.1", 20_000 + number) for number in range(2 * packet_filter.MAX_REMOTE_CANDIDATES)]
    async with connected_pair() as (sending, receiving, _):
        agent = sending.getSenders()[0].transport.transport._connection
        theirs = receiving.getTransceivers()[0].receiver.transport.transport._connection
        guarded = agent._protocols[0]
        sent: list[tuple[str, int]] = []
        began = time.monotonic()
        forward = guarded.transport.sendto

        def sendto(data: bytes, addr: tuple[str, int]) -> None:
            message = stun.parse_message(data) if data[0] < 4 else None
            if message is not None and message.message_class is stun.Class.REQUEST and addr in strangers:
                sent.append(addr)
            elif message is None:
                forward(data, addr)

        monkeypatch.setattr(guarded.transport, "sendto", sendto)
        for stranger in strangers:  # the peer's password, and false sources
            request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            request.attributes["USERNAME"] = f"{agent.local_username}:{theirs.local_username}"
            request.attributes["PRIORITY"] = 1
            request.add_message_integrity(agent.local_password.encode())
            guarded.datagram_received(bytes(request), stranger)
        assert len(agent.remote_candidates) == packet_filter.MAX_REMOTE_CANDIDATES
        await asyncio.sleep(0)
        burst = per_s = packet_filter.STUN_REQUESTS_PER_S
        assert 0 < len(sent) <= burst + per_s * (time.monotonic() - began) + 1


def test_gathering_has_a_time_limit_that_can_be_set() -> None:
    assert "timeout" in inspect.signature(Connection.get_component_candidates).parameters


def test_an_aiortc_without_the_hook_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RTCRtpSender, "_handle_rtcp_packet")
    with pytest.raises(AttributeError, match="_handle_rtcp_packet"):
        aiortc_hooks.on_keyframe_request(object.__new__(RTCRtpSender), lambda: None)
