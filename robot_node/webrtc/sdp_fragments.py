"""Candidates in text: within a session description, and in the fragments of WHIP and WHEP (RFC 8840, 9). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from robot_node.webrtc.signaling import MAX_CANDIDATES, Candidate

FRAGMENT = "application/trickle-ice-sdpfrag"
"""The media type."""

_LINE = re.compile(r"^a=(candidate|mid|ice-ufrag):(.*?)\r?$", re.MULTILINE)
_LOGIN = re.compile(r"^a=ice-(?:ufrag|pwd):.*?$", re.MULTILINE)


def with_candidates(sdp: str, candidates: Sequence[Candidate]) -> str:
    """Return a session description with more candidates, each in its section."""
    head, *sections = re.split(r"(?m)^(?=m=)", sdp)
    for candidate in candidates:
        index = candidate.sdp_mline_index or 0
        if index < len(sections):
            sections[index] += f"a={candidate.candidate}\r\n"
    return head + "".join(sections)


def parse_fragment(text: str) -> list[Candidate]:
    """Read candidates out of an SDP fragment.

    Raises:
        ValueError: There are too many.
    """
    mid, fragment, candidates = None, None, list[Candidate]()
    for kind, value in _LINE.findall(text):
        match kind:
            case "mid":
                mid = value
            case "ice-ufrag":
                fragment = value
            case _:
                candidates.append(Candidate(f"candidate:{value}", mid, None if mid else 0, fragment))
    if len(candidates) > MAX_CANDIDATES:
        raise ValueError(f"More than {MAX_CANDIDATES} candidates.")
    return candidates


def write_fragment(sdp: str, candidates: Iterable[Candidate]) -> str:
    """Return a fragment with candidates of the first section, for all when they are bundled.

    Args:
        sdp: The description that they belong to.
        candidates: What came after it.
    """
    _, section, *_ = re.split(r"(?m)^(?=m=)", sdp)
    login = [line.rstrip("\r") for line in _LOGIN.findall(section)]
    mid = re.search(r"(?m)^a=mid:\S+", section)
    lines = [*login, section.partition("\r\n")[0], *([mid[0]] if mid else ())]
    return "".join(f"{line}\r\n" for line in [*lines, *(f"a={each.candidate}" for each in candidates)])
