"""What both sides of a negotiation share: servers, codecs, candidates."""

from __future__ import annotations

from urllib.parse import unquote

from aiortc import RTCIceCandidate, RTCIceServer, RTCRtpSender, RTCRtpTransceiver
from aiortc.sdp import candidate_from_sdp

from robot_node.webrtc.signaling import Candidate

MAX_CANDIDATES = 64
"""Per session: each one makes us send packets to an address that the peer chose."""

GATHERING_LIMIT_S = 0.5
"""STUN and TURN servers that are slower than this are done without: offer and answer do not wait for them."""


def ice_server(url: str) -> RTCIceServer:
    """Read ``stun:host:port`` or ``turn:user:password@host:port?transport=udp`` (user and password percent-encoded)."""
    scheme, _, rest = url.partition(":")
    credentials, at, host = rest.rpartition("@")
    if not at:
        return RTCIceServer(urls=url)
    username, _, credential = credentials.partition(":")
    return RTCIceServer(urls=f"{scheme}:{host}", username=unquote(username), credential=unquote(credential))


def prefer_h264_with_retransmission(transceiver: RTCRtpTransceiver) -> None:
    """Negotiate H.264 only, with RTX (RFC 4588): unless it is asked for before the offer is set, it stays off."""
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in {"video/H264", "video/rtx"}])


def rtc_candidate(candidate: Candidate) -> RTCIceCandidate:
    """Read a candidate as aiortc wants it.

    Raises:
        AssertionError, IndexError, ValueError: it cannot be read; aiortc's parser is not particular.
    """
    parsed = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
    parsed.sdpMid, parsed.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
    return parsed
