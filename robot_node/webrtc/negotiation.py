"""What both sides of a negotiation share: servers, codecs, candidates."""

from __future__ import annotations

from urllib.parse import unquote

from aiortc import RTCIceCandidate, RTCIceServer, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcicetransport import parse_stun_turn_uri
from aiortc.sdp import candidate_from_sdp

from robot_node.errors import SettingsError
from robot_node.webrtc.signaling import Candidate

MAX_CANDIDATES = 64
"""Per session: each one makes us send packets to an address that the peer chose."""

GATHERING_LIMIT_S = 0.5
"""STUN and TURN servers that are slower than this are done without: offer and answer do not wait for them."""


def ice_server(url: str) -> RTCIceServer:
    """Read ``stun:host:port`` or ``turn:user:password@host:port?transport=udp`` (user and password percent-encoded).

    Raises:
        SettingsError: it is not of that form. The text repeats no password.
    """
    scheme, _, rest = url.partition(":")
    credentials, _, host = rest.rpartition("@")
    username, _, credential = credentials.partition(":")
    try:
        parse_stun_turn_uri(f"{scheme}:{host}")
    except ValueError as error:
        raise SettingsError(
            f"The ICE server {scheme}:{host} cannot be used: {error}.",
            remedy="Write it as stun:host:3478 or turn:user:password@host:3478.",
        ) from error
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
