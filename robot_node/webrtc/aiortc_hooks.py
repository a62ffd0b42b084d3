"""Private names of aiortc and aioice; those of what comes from the network are in :mod:`packet_filter`.

``tests/webrtc/test_aiortc_hooks.py`` and ``tests/test_private_names.py`` check them against the installed packages. A
name that is missing raises here, at the first session, and not as a picture that never recovers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aioice import Candidate, ice
from aioice.stun import TransactionError, TransactionTimeout
from aiortc import (
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.rtcicetransport import connection_kwargs
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    unpack_remb_fci,
)
from OpenSSL import SSL

from robot_node.webrtc import dtls_certificate, packet_filter
from robot_node.webrtc.ice_servers import HeldBackServers, IceServer, server_name

logger = logging.getLogger(__name__)

CHECKED_VERSIONS = {"aiortc": "1.16", "aioice": "0.13"}
"""What the private names below were checked against; pyproject.toml allows no later minor versions."""

PRIVATE_NAMES = {
    "aiortc.rtcrtpsender:RTCRtpSender": ("_handle_rtcp_packet", "_ssrc"),
    "aiortc.rtcrtpreceiver:RTCRtpReceiver": (
        *("_handle_rtp_packet", "__decoder_queue", "__decoder_thread", "__stop_decoder"),
    ),
    "aiortc.rtcrtpreceiver:RemoteStreamTrack": ("_queue",),
    "aiortc.rtcdtlstransport:RTCDtlsTransport": ("_rtp_router", "_ssl"),
    "aiortc.rtcicetransport:RTCIceTransport": ("_connection",),
    "aiortc.rtcpeerconnection:RTCPeerConnection": ("__connect",),
    "aioice.ice:Connection": (
        *("_check_list", "_closing", "_local_candidates", "_nominated", "_pair_remote_candidate", "_protocols"),
    ),
}
"""By module and class."""

dtls_certificate.install()
packet_filter.install()

_ICE_COMPONENT_RTP = 1
_MAX_SOURCES = 4
_DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
_DECODER_THREAD = "_RTCRtpReceiver__decoder_thread"
_FRAME_QUEUE = "_queue"
_STOP_DECODER = "_RTCRtpReceiver__stop_decoder"


class TrackedPeerConnection(RTCPeerConnection):
    """aiortc's peer connection with the tasks in which it connects.

    Emits ``connectfailed`` with the exception when such a task fails.

    Raises:
        AttributeError: when it connects: this aiortc connects in another way.
    """

    def __init__(self, configuration: RTCConfiguration) -> None:
        super().__init__(configuration)
        self.connecting: set[asyncio.Task[None]] = set()

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802  # the name that Python gives to aiortc's own
        task = asyncio.current_task()
        assert task is not None
        self.connecting.add(task)
        try:
            await super()._RTCPeerConnection__connect()  # type: ignore[misc]  # see above
        except Exception as error:  # noqa: BLE001  # whatever a description makes aiortc stumble over, in a task of its own
            logger.debug("Connecting failed: %r", error)
            self.emit("connectfailed", error)  # nobody listens any more once it is closed
        finally:
            self.connecting.discard(task)


def on_keyframe_request(sender: RTCRtpSender, callback: Callable[[], None]) -> None:
    """Call ``callback`` whenever the receiver asks for a keyframe (PLI: RFC 4585, 6.3.1; FIR: RFC 5104, 4.3.1).

    aiortc drops these requests when frames reach it already encoded.

    Raises:
        AttributeError: this version of aiortc handles RTCP differently.
    """
    handle = sender._handle_rtcp_packet  # the only place where PLI and FIR can be seen

    async def handle_and_tell(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
            callback()
        await handle(packet)

    sender._handle_rtcp_packet = handle_and_tell  # type: ignore[method-assign]  # of this one sender


def on_receiver_report(
    sender: RTCRtpSender, on_estimate: Callable[[int], None], on_loss: Callable[[float], None]
) -> None:
    """Report what the receiver reports about its network.

    Args:
        sender: Whose receiver.
        on_estimate: Called with each estimate in bits per second (REMB: draft-alvestrand-rmcat-remb-03).
        on_loss: Called with each share of packets lost, 0 to 1 (RFC 3550, 6.4.1: fraction lost).

    Raises:
        AttributeError: this version of aiortc handles RTCP differently.
    """
    handle = sender._handle_rtcp_packet  # aiortc keeps estimates to itself

    async def handle_and_tell(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            if (bits_per_second := _estimate_in(packet, sender._ssrc)) is not None:
                on_estimate(bits_per_second)
        elif isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:  # not that of the retransmissions
                    on_loss(report.fraction_lost / 256)
        await handle(packet)

    sender._handle_rtcp_packet = handle_and_tell  # type: ignore[method-assign]  # of this one sender


def _estimate_in(packet: RtcpPsfbPacket, ssrc: int) -> int | None:
    try:
        bits_per_second, ssrcs = unpack_remb_fci(packet.fci)
    except ValueError:
        return None  # another message of an application
    return bits_per_second if ssrc in ssrcs else None


def bound_decoding(receiver: RTCRtpReceiver, admit: Callable[[], bool], *, backlog: int) -> None:
    """Bound what a receiver decodes, and let it stop without holding up the event loop.

    aiortc queues each packet for a decoder thread and each decoded frame for the track, both without bound; it keeps
    figures for each source (SSRC) that a peer invents; and to stop, it joins the thread on the event loop.

    Args:
        receiver: Before it has begun to receive.
        admit: Called for each packet; False drops it.
        backlog: Packets and frames that may wait; while there are more, packets are dropped.

    Raises:
        AttributeError: this version of aiortc decodes differently.
    """
    handle, stop = receiver._handle_rtp_packet, receiver.stop
    packets, _ = getattr(receiver, _DECODER_QUEUE), getattr(receiver, _STOP_DECODER)
    sources: set[int] = set()
    stopped: list[threading.Thread] = []

    async def handle_within_bounds(packet: RtpPacket, arrival_time_ms: int) -> None:
        frames: asyncio.Queue[Any] = getattr(receiver.track, _FRAME_QUEUE)
        known = packet.ssrc in sources or len(sources) < _MAX_SOURCES
        if known and packets.qsize() + frames.qsize() < backlog and admit():
            sources.add(packet.ssrc)
            await handle(packet, arrival_time_ms)
        elif packet.ssrc not in sources:
            receiver.transport._rtp_router.ssrc_table.pop(packet.ssrc, None)

    def end_decoder() -> None:
        if (thread := getattr(receiver, _DECODER_THREAD)) is not None:
            packets.put(None)
            setattr(receiver, _DECODER_THREAD, None)
            stopped.append(thread)

    async def stop_and_wait() -> None:
        await stop()
        for thread in stopped:
            await asyncio.to_thread(thread.join)

    receiver._handle_rtp_packet = handle_within_bounds  # type: ignore[method-assign]  # of this one receiver
    receiver.stop = stop_and_wait  # type: ignore[method-assign]  # the same
    setattr(receiver, _STOP_DECODER, end_decoder)


def ice_transports(connection: RTCPeerConnection) -> set[RTCIceTransport]:
    """The ICE transports in use: one when the media sections are bundled."""
    return {dtls.transport for dtls in _dtls_transports(connection)}


def break_cycles(connection: RTCPeerConnection) -> None:
    """Release the references between the parts of a closed connection: they need no full garbage collection.

    Raises:
        AttributeError: this aioice keeps its pairs in another way.
    """
    for transceiver in connection.getTransceivers():
        _unhook(transceiver.sender, "_handle_rtcp_packet")
        _unhook(transceiver.receiver, "_handle_rtp_packet", "stop", _STOP_DECODER)
    if connection.sctp is not None:
        connection.sctp.remove_all_listeners()
    for dtls in _dtls_transports(connection):
        dtls.remove_all_listeners()
        agent = _agent(dtls.transport)
        _unhook(agent, "get_component_candidates")
        agent._check_list.clear()


def _unhook(part: object, *names: str) -> None:
    """Give an object the methods of its class again."""
    for name in names:
        vars(part).pop(name, None)


def lacks_transport(connection: RTCPeerConnection) -> bool:
    """Whether aiortc has bundled a media section with one that does not exist."""
    transports: set[RTCDtlsTransport | None] = {each.receiver.transport for each in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    return None in transports


def _dtls_transports(connection: RTCPeerConnection) -> set[RTCDtlsTransport]:
    transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    transports.discard(None)  # see lacks_transport
    return transports


def closed_by_peer(connection: RTCPeerConnection) -> bool:
    """Whether the peer has closed the connection (DTLS close_notify: RFC 5246, 7.2.1)."""
    ended = [each._ssl.get_shutdown() for each in _dtls_transports(connection) if each._ssl is not None]
    return any(state & SSL.RECEIVED_SHUTDOWN for state in ended)


def media_section(connection: RTCPeerConnection, transport: RTCIceTransport) -> str:
    """The name (``mid``) of the first media section that uses a transport."""
    for transceiver in connection.getTransceivers():
        if transceiver.mid is not None and transceiver.receiver.transport.transport is transport:
            return transceiver.mid
    return connection.sctp.mid if connection.sctp is not None and connection.sctp.mid else "0"


def limit_gathering(
    transport: RTCIceTransport, seconds: float, *, only: Sequence[str] = (), extra_addresses: Sequence[str] = ()
) -> None:
    """Bound the gathering of candidates in time and place.

    Args:
        transport: Whose candidates.
        seconds: How long to wait for STUN and TURN servers; aioice itself gives a dead one 5 s.
        only: Addresses of this machine to use instead of those that aioice finds: all but loopback.
        extra_addresses: Addresses to use in addition.

    Raises:
        AttributeError: this version of aioice gathers candidates differently.
    """
    agent = _agent(transport)
    gather = agent.get_component_candidates

    async def gather_within_limits(component: int, addresses: list[str]) -> Any:
        return await gather(component, [*(only or addresses), *extra_addresses], timeout=seconds)

    agent.get_component_candidates = gather_within_limits


def hold_back_servers(transport: RTCIceTransport) -> HeldBackServers:
    """Let gathering find host candidates only, which takes no time; :func:`gather_from` does the rest later.

    Raises:
        AttributeError: this version of aioice gathers candidates differently.
    """
    agent = _agent(transport)
    held_back = HeldBackServers(agent.stun_server, agent.turn_server)
    agent.stun_server = agent.turn_server = None
    return held_back


def add_servers(transport: RTCIceTransport, servers: Iterable[IceServer], *, known: Iterable[str]) -> HeldBackServers:
    """Return the servers of kinds of which none is known (by name), for :func:`gather_from`; one of each kind."""
    agent, kinds = _agent(transport), {name.partition(" ")[0] for name in known}
    found = connection_kwargs([RTCIceServer(each.url, each.username, each.credential) for each in servers])
    added = HeldBackServers(*(None if k in kinds else found.pop(f"{k.lower()}_server", None) for k in ("STUN", "TURN")))
    if added.turn:
        vars(agent).update({name: value for name, value in found.items() if name != "stun_server"})
    return added


async def gather_from(
    servers: HeldBackServers,
    transport: RTCIceTransport,
    on_candidate: Callable[[str, str], None],
    on_reply: Callable[[str, str], None],
    *,
    limit_s: float,
) -> None:
    """Gather from the servers that were held back, after the host candidates; use each candidate.

    Args:
        servers: STUN and TURN server.
        transport: Gets the candidates: relayed ones are checked at once with all remote candidates.
        on_candidate: Called with each candidate as it comes: the candidate attribute, and the user name fragment.
        on_reply: Called with a server and its error, empty if it gave a candidate; not for one that does not answer.
        limit_s: Time limit of a server in seconds.
    """
    agent = _agent(transport)
    queries: list[tuple[str, Any]] = []
    if servers.stun:
        queries += [
            (server_name("STUN", servers.stun), ice.server_reflexive_candidate(protocol, servers.stun))
            for protocol in agent._protocols  # aioice itself asks while it gathers or not at all
            if ipaddress.ip_address(protocol.local_candidate.host).version == 4  # as aioice does
        ]
    if servers.turn:
        queries.append((server_name("TURN", servers.turn), _allocate(agent, servers.turn)))

    async def ask(server: str, query: Any) -> None:
        try:
            candidate, relay = await query
        except Exception as error:  # noqa: BLE001  # a server of whatever kind: there are the host candidates
            if not isinstance(error, TransactionTimeout):
                on_reply(server, str(error) or type(error).__name__)
            return
        on_reply(server, "")
        _use_late_candidate(agent, candidate, relay)
        on_candidate(f"candidate:{candidate.to_sdp()}", agent.local_username)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for server, query in queries:
                group.create_task(ask(server, query), name="WebRTC ICE server")


async def _allocate(agent: Any, server: tuple[str, int]) -> tuple[Candidate, Any]:
    return await ice.relayed_candidate(
        component=_ICE_COMPONENT_RTP,
        hide_related_address=False,
        protocol_factory=lambda: ice.StunProtocol(agent),
        turn_server=server,
        turn_username=agent.turn_username,
        turn_password=agent.turn_password,
        turn_ssl=agent.turn_ssl,
        turn_transport=agent.turn_transport,
    )


def _use_late_candidate(agent: Any, candidate: Candidate, relay: Any) -> None:
    if agent._closing:  # it closes only the sockets that it has by then
        if relay is not None:
            relay.transport.close()
        return
    agent._local_candidates.append(candidate)  # aioice takes no candidate after gathering
    if relay is None:
        return  # its socket is that of a host candidate, which is checked already
    agent._protocols.append(relay)
    for remote in agent.remote_candidates:
        agent._pair_remote_candidate(remote)  # see above; what is paired already stays as it is
    agent.sort_check_list()


async def answers_check(transport: RTCIceTransport) -> bool:
    """Send the peer one STUN binding request (as RFC 7675 does for consent), and say whether it answered in 0.5 s.

    Raises:
        AttributeError: this version of aioice checks its pairs differently.
    """
    agent = _agent(transport)
    pair = agent._nominated.get(_ICE_COMPONENT_RTP)  # aioice does not say which pair it uses
    if pair is None:
        return False
    request = agent.build_request(pair, nominate=False)
    key = agent.remote_password.encode()
    try:
        await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)
    except TransactionError:
        return False
    return True


def _agent(transport: RTCIceTransport) -> Any:
    return transport._connection  # aiortc does not expose its ICE agent
