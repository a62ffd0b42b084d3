"""What both sides of a negotiation share: servers, codecs, candidates."""

from __future__ import annotations

import enum
import itertools
import re

from aiortc import RTCIceCandidate, RTCIceServer, RTCRtpSender, RTCRtpTransceiver
from aiortc.sdp import H264Profile, candidate_from_sdp, parse_h264_profile_level_id

from robot_node.webrtc.ice_servers import parse_ice_server
from robot_node.webrtc.signaling import Candidate

GATHERING_LIMIT_S = 0.5
"""Seconds that an offer waits for STUN and TURN servers; the robot's answer never waits for them."""

LOOPBACK = ("127.0.0.1",)
"""What reaches programs on this machine that has no network; aioice leaves it out."""

_RTPMAP = re.compile(r"^a=rtpmap:(\d+) ([^/\s]+)/", re.MULTILINE)
_FMTP = re.compile(r"^a=fmtp:(\d+) (.*)", re.MULTILINE)
_DEFAULT_PROFILE_LEVEL_ID = "42e01f"
# Retransmission and error correction, which are negotiated as codecs are.
_NO_CODECS = frozenset({"rtx", "red", "ulpfec", "flexfec-03"})
_MAX_NAMES, _MAX_NAME = 6, 20

LATE_GATHERING_LIMIT_S = 5.0
"""Seconds after the answer within which candidates of STUN and TURN servers are used."""


def ice_server(url: str) -> RTCIceServer:
    """Read a server as :func:`parse_ice_server` does, and convert it for aiortc.

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


def video_codec_for(description: str) -> VideoCodec:
    """H.264 for a peer that can decode the camera's profile; VP8 for one that offers VP8 instead.

    Only the first video section is looked at, and by its lines: aiortc's parser reads the whole description anyway
    when it is set. A description with neither codec, or one that cannot be read, is for H.264: setting it then says
    what is wrong with it.
    """
    section = _first_video_section(description)
    names = {payload_type: name.lower() for payload_type, name in _RTPMAP.findall(section)}
    parameters = dict(_FMTP.findall(section))
    if any(name == "h264" and _is_usable_h264(parameters.get(each, "")) for each, name in names.items()):
        return VideoCodec.H264
    return VideoCodec.VP8 if "vp8" in names.values() else VideoCodec.H264


def _first_video_section(description: str) -> str:
    lines = description.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")] + [len(lines)]
    sections = ("\n".join(lines[start:end]) for start, end in itertools.pairwise(starts))
    return next((section for section in sections if section.startswith("m=video ")), "")


def _is_usable_h264(fmtp: str) -> bool:
    parameters = _h264_parameters(fmtp)
    if parameters.get("packetization-mode") != "1":  # RFC 6184, 8.1: 0 where it is not given
        return False
    try:
        profile, _ = parse_h264_profile_level_id(parameters.get("profile-level-id", _DEFAULT_PROFILE_LEVEL_ID))
    except ValueError:
        return False
    return profile in {H264Profile.PROFILE_CONSTRAINED_BASELINE, H264Profile.PROFILE_BASELINE}


def _h264_parameters(fmtp: str) -> dict[str, str]:
    return dict(re.findall(r"([^=;\s]+)=([^;\s]*)", fmtp))


def offered_codecs(description: str) -> str:
    """The codecs of the first video section for an error message: H.264 with profile and packetization mode."""
    section = _first_video_section(description)
    parameters = dict(_FMTP.findall(section))
    names: dict[str, None] = {}  # each once, in the order of the offer
    for payload_type, name in _RTPMAP.findall(section):
        if name.lower() == "h264":
            names[_h264_name(parameters.get(payload_type, ""))] = None
        elif name.lower() not in _NO_CODECS:
            names[ascii(name)[1:-1][:_MAX_NAME]] = None
    return ", ".join([*names][:_MAX_NAMES]) or "none"


def _h264_name(fmtp: str) -> str:
    parameters = _h264_parameters(fmtp)
    mode = "1" if parameters.get("packetization-mode") == "1" else "0"
    profile_level_id = parameters.get("profile-level-id", _DEFAULT_PROFILE_LEVEL_ID)
    try:
        profile, _ = parse_h264_profile_level_id(profile_level_id)
    except ValueError:
        return f"H.264 with packetization-mode {mode} and an unknown profile"
    name = profile.name.removeprefix("PROFILE_").replace("_", " ").title()
    return f"H.264 {name} ({profile_level_id[:6]}) with packetization-mode {mode}"


def prefer_with_retransmission(transceiver: RTCRtpTransceiver, *codecs: VideoCodec) -> None:
    """Negotiate these codecs only, the best first, with RTX (RFC 4588).

    Unless it is asked for before the offer is set, RTX stays off.
    """
    capabilities = RTCRtpSender.getCapabilities("video").codecs
    types = [*(codec.value for codec in codecs), "video/rtx"]
    transceiver.setCodecPreferences([each for wanted in types for each in capabilities if each.mimeType == wanted])


def rtc_candidate(candidate: Candidate) -> RTCIceCandidate:
    """Convert a candidate for aiortc.

    Raises:
        AssertionError, IndexError, ValueError: it cannot be read.
    """
    parsed = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
    parsed.sdpMid, parsed.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
    return parsed
