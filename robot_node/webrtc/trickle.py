"""Candidates that a description does not wait for: they follow it by themselves (trickle ICE, RFC 8838)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiortc import RTCIceTransport, RTCPeerConnection

from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.negotiation import LATE_GATHERING_LIMIT_S, section_positions
from robot_node.webrtc.signaling import Candidate, EndOfCandidates, Message


async def send_late_candidates(
    connection: RTCPeerConnection,
    held_back: Mapping[RTCIceTransport, aiortc_hooks.HeldBackServers],
    sdp: str,
    send: Callable[[Message], None],
) -> None:
    """Ask the servers that were held back, and send each candidate as it comes, then the end of the candidates.

    Args:
        connection: Whose candidates.
        held_back: The servers of each of its transports.
        sdp: The description that was sent.
        send: Sends a message to the peer.
    """
    positions = section_positions(sdp)
    sections = {transport: aiortc_hooks.media_section(connection, transport) for transport in held_back}
    async with asyncio.TaskGroup() as group:
        for transport, servers in held_back.items():
            mid = sections[transport]

            def send_candidate(candidate: str, username_fragment: str, mid: str = mid) -> None:
                send(Candidate(candidate, mid, positions[mid], username_fragment))

            group.create_task(
                aiortc_hooks.gather_from(servers, transport, send_candidate, limit_s=LATE_GATHERING_LIMIT_S),
                name="WebRTC ICE servers",
            )
    send(EndOfCandidates())
