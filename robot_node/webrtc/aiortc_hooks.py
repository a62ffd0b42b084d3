"""The few private names of aiortc and aioice that streaming depends on, in one place.

A contract test holds each against the installed packages; a name that is gone raises here, at the first session,
and not as a picture that never recovers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aioice.stun import TransactionError
from aiortc import RTCIceTransport, RTCPeerConnection, RTCRtpSender
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI, AnyRtcpPacket, RtcpPsfbPacket

_ICE_COMPONENT_RTP = 1


def on_keyframe_request(sender: RTCRtpSender, callback: Callable[[], None]) -> None:
    """Call ``callback`` whenever the receiver asks for a keyframe (PLI: RFC 4585, 6.3.1; FIR: RFC 5104, 4.3.1).

    aiortc drops these requests when frames reach it already encoded.

    Raises:
        AttributeError: this aiortc handles RTCP in another way.
    """
    handle = sender._handle_rtcp_packet  # noqa: SLF001  # the only place where PLI and FIR can be seen

    async def handle_and_tell(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
            callback()
        await handle(packet)

    sender._handle_rtcp_packet = handle_and_tell  # type: ignore[method-assign]  # noqa: SLF001  # of this one sender


def ice_transports(connection: RTCPeerConnection) -> set[RTCIceTransport]:
    """The ICE transports in use: one when the media sections are bundled."""
    transports = {transceiver.receiver.transport.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport.transport)
    return transports


def limit_gathering(
    transport: RTCIceTransport, seconds: float, *, only: Sequence[str] = (), besides: Sequence[str] = ()
) -> None:
    """Bound the gathering of candidates in time and place.

    Args:
        transport: Whose candidates.
        seconds: How long to wait for STUN and TURN servers; aioice itself gives a dead one 5 s.
        only: Addresses of this machine to use instead of those that aioice finds: all but loopback.
        besides: Addresses to use in addition.

    Raises:
        AttributeError: this aioice gathers candidates in another way.
    """
    agent = _agent(transport)
    gather = agent.get_component_candidates

    async def gather_within_limits(component: int, addresses: list[str]) -> Any:  # noqa: ANN401  # aioice's own
        return await gather(component, [*(only or addresses), *besides], timeout=seconds)

    agent.get_component_candidates = gather_within_limits


async def answers_check(transport: RTCIceTransport) -> bool:
    """Send the peer one STUN binding request (as RFC 7675 does for consent), and say whether it answered in 0.5 s.

    Raises:
        AttributeError: this aioice checks its pairs in another way.
    """
    agent = _agent(transport)
    pair = agent._nominated.get(_ICE_COMPONENT_RTP)  # noqa: SLF001  # aioice does not say which pair it uses
    if pair is None:
        return False
    request = agent.build_request(pair, nominate=False)
    key = agent.remote_password.encode()
    try:
        await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)
    except TransactionError:
        return False
    return True


def _agent(transport: RTCIceTransport) -> Any:  # noqa: ANN401  # aioice.Connection; its private names have no types
    return transport._connection  # noqa: SLF001  # aiortc hands its ICE agent to nobody
