"""What both sides of a negotiation share: servers, codecs, candidates."""

from __future__ import annotations

import enum
import re

from aiortc import RTCIceCandidate, RTCIceServer, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import H264Profile, SessionDescription, candidate_from_sdp, parse_h264_profile_level_id

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


class VideoCodec(enum.Enum):
    """What the robot can send, by its media type. RFC 7742, section 5: every browser decodes at least one."""

    H264 = "video/H264"
    VP8 = "video/VP8"


def video_codec_for(offer: str) -> VideoCodec:
    """H.264 for whoever decodes what the camera encodes; VP8 for who offers that instead.

    An offer with neither, or one that cannot be read, is for H.264: setting it then says what is wrong with it.
    """
    try:
        sections = [section for section in SessionDescription.parse(offer).media if section.kind == "video"]
        codecs = sections[0].rtp.codecs if sections else []
    except Exception:  # noqa: BLE001  # aiortc's parser lets through whatever a broken description makes it stumble over
        return VideoCodec.H264
    if any(_is_usable_h264(codec) for codec in codecs):
        return VideoCodec.H264
    vp8 = any(codec.mimeType.lower() == "video/vp8" for codec in codecs)
    return VideoCodec.VP8 if vp8 else VideoCodec.H264


def _is_usable_h264(codec: RTCRtpCodecParameters) -> bool:
    if codec.mimeType.lower() != "video/h264" or str(codec.parameters.get("packetization-mode", 0)) != "1":
        return False
    try:
        profile, _ = parse_h264_profile_level_id(str(codec.parameters.get("profile-level-id", "42e01f")))
    except ValueError:
        return False
    return profile in {H264Profile.PROFILE_CONSTRAINED_BASELINE, H264Profile.PROFILE_BASELINE}


def prefer_with_retransmission(transceiver: RTCRtpTransceiver, *codecs: VideoCodec) -> None:
    """Negotiate these codecs only, the best first, with RTX (RFC 4588).

    Unless it is asked for before the offer is set, RTX stays off.
    """
    capabilities = RTCRtpSender.getCapabilities("video").codecs
    types = [*(codec.value for codec in codecs), "video/rtx"]
    transceiver.setCodecPreferences([each for wanted in types for each in capabilities if each.mimeType == wanted])


def prefer_h264_with_retransmission(transceiver: RTCRtpTransceiver) -> None:
    """Negotiate H.264 only, with RTX."""
    prefer_with_retransmission(transceiver, VideoCodec.H264)


def rtc_candidate(candidate: Candidate) -> RTCIceCandidate:
    """Read a candidate as aiortc wants it.

    Raises:
        AssertionError, IndexError, ValueError: it cannot be read; aiortc's parser is not particular.
    """
    parsed = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
    parsed.sdpMid, parsed.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
    return parsed
