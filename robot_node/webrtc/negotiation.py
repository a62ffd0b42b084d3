"""What both sides of a negotiation share: servers, codecs, candidates."""

from __future__ import annotations

import re

from aiortc import RTCIceCandidate, RTCIceServer, RTCRtpSender, RTCRtpTransceiver
from aiortc.sdp import candidate_from_sdp

from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.signaling import Candidate

GATHERING_LIMIT_S = 0.5
"""Who makes an offer waits for STUN and TURN servers this long; the robot's answer never waits for them."""

LATE_GATHERING_LIMIT_S = 5.0
"""STUN and TURN servers whose candidates do not come within this time after the answer are done without."""


def ice_server(url: str) -> RTCIceServer:
    """Read a server as :func:`parse_ice_server` does, for aiortc.

    Raises:
        SettingsError: it cannot be read.
    """
    server = parse_ice_server(url)
    return RTCIceServer(urls=server.url, username=server.username, credential=server.credential)


def section_positions(sdp: str) -> dict[str, int]:
    """The media sections of a description: name (``mid``) to position."""
    return {mid: index for index, mid in enumerate(re.findall(r"^a=mid:(\S+)", sdp, re.MULTILINE))}


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
