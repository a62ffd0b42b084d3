"""Bounds on a session description, checked before aiortc parses it. Pure.

aiortc's parser multiplies: each ``a=rtcp-fb:*`` line makes an object for each codec of its section, and each ``a=fmtp``
and ``a=ssrc`` line searches all codecs and all sources. 62 KiB of them took it 5.5 s and 400 MiB. One pass over the
lines counts what it would multiply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from robot_node.errors import SignalingError

# Three times what the largest offer in tests/webrtc/offers has: tests/webrtc/test_sdp_limits.py holds it.
MAX_SDP_BYTES = 40_000
"""Of a session description in UTF-8."""

MAX_LINES = 1_200
MAX_LINE_CHARACTERS = 1_000
MAX_SECTIONS = 12
"""Media sections (``m=``)."""

MAX_CODECS = 240
"""Codecs of all sections: each is negotiated, and repeated in the answer."""

MAX_FEEDBACK = 240
"""RTCP feedback of one section: each line counts once for every codec that it names."""

MAX_OF_ATTRIBUTE: Mapping[str, int] = MappingProxyType(
    {
        "rtpmap": 108,
        "rtcp-fb": MAX_FEEDBACK,
        "fmtp": 108,
        "ssrc": 64,
        "ssrc-group": 16,
        "extmap": 48,
        "candidate": 64,
        "fingerprint": 8,
        "group": 8,
        "msid-semantic": 8,
        "sctpmap": 8,
    }
)
"""Lines of one media section, or of the part before the first one, by attribute (RFC 8866, 6)."""


def check_sdp(sdp: str) -> None:
    """Refuse a session description that is larger than any peer's need be.

    Raises:
        SignalingError: it is, and in what.
    """
    # A character has at most three bytes more than one: most descriptions need not be encoded to be measured.
    if len(sdp) > MAX_SDP_BYTES or (not sdp.isascii() and len(sdp.encode(errors="replace")) > MAX_SDP_BYTES):
        raise SignalingError(f"The session description has more than {MAX_SDP_BYTES} bytes.")
    lines = sdp.splitlines()  # as aiortc does: at more than line feeds
    _limit(len(lines), MAX_LINES, "lines")
    if any(len(line) > MAX_LINE_CHARACTERS for line in lines):
        raise SignalingError(f"A line of the session description has more than {MAX_LINE_CHARACTERS} characters.")
    sections = _sections(lines)
    _limit(len(sections) - 1, MAX_SECTIONS, "media sections")
    for section in sections:
        _check_section(section)
    _limit(sum(line.startswith("a=rtpmap:") for line in lines), MAX_CODECS, "codecs")


def _check_section(lines: list[str]) -> None:
    attributes = [line[2:].partition(":") for line in lines if line.startswith("a=")]
    for name, count in Counter(name for name, _, _ in attributes).items():
        _limit(count, MAX_OF_ATTRIBUTE.get(name, MAX_LINES), f"a={name} lines in a section")
    codecs = Counter(_payload_type(value) for name, _, value in attributes if name == "rtpmap")
    feedback = [value.partition(" ")[0] for name, _, value in attributes if name == "rtcp-fb"]
    entries = sum(codecs.total() if named == "*" else codecs[named] for named in feedback)
    _limit(entries, MAX_FEEDBACK, "codecs times feedback (a=rtcp-fb) in a section")


def _payload_type(rtpmap: str) -> str:
    """The payload type as an ``a=rtcp-fb`` line names it: aiortc reads "096" as 96."""
    digits = rtpmap.partition(" ")[0]
    try:
        return str(int(digits))
    except ValueError:
        return digits


def _sections(lines: list[str]) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _limit(count: int, largest: int, what: str) -> None:
    if count > largest:
        raise SignalingError(f"The session description has {count} {what}; at most {largest} are read.")
