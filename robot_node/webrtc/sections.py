"""Which media sections of an offer are accepted, and the answer to those that are not. Pure: descriptions in and out.

aiortc accepts every section, each that is not bundled with a transport of its own, and bundles them all in its answer.
So it sees the accepted sections only, and its answer is completed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:sha-256 ", "a=setup:", "a=rtcp-mux")
_BUNDLE = "a=group:BUNDLE"
# That aiortc can negotiate; without any of them it refuses the whole description.
_KNOWN_CODECS = {"audio": {"opus", "g722", "pcmu", "pcma"}, "video": {"h264", "vp8"}}


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of an offer.

    Attributes:
        lines: Its lines, the first begins with ``m=``.
    """

    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``audio``, ``video``, ``application``, or another."""
        return self.lines[0].removeprefix("m=").partition(" ")[0]

    @property
    def mid(self) -> str:
        """Its name; empty without one."""
        return next((line.removeprefix("a=mid:") for line in self.lines if line.startswith("a=mid:")), "")

    @property
    def zero_port(self) -> bool:
        """The peer does not use it (RFC 3264, 5.1), unless it is only to be bundled (RFC 9143, 6)."""
        return self.lines[0].split(" ")[1:2] == ["0"] and "a=bundle-only" not in self.lines

    @property
    def direction(self) -> str:
        """The peer's."""
        return next((line[2:] for line in self.lines if line[2:] in _DIRECTIONS), "sendrecv")

    @property
    def codecs(self) -> set[str]:
        """Their names in lower case."""
        return {match[1].lower() for line in self.lines if (match := re.match(r"a=rtpmap:\d+ ([^/\s]+)", line))}

    @property
    def receives_video(self) -> bool:
        """The peer wants to receive video in it."""
        return self.kind == "video" and not self.zero_port and self.direction in {"sendrecv", "recvonly"}

    def rejection(self, accepted: Sequence[str]) -> list[str]:
        """Its answer when it is rejected (RFC 3264, 6), with what GStreamer and aiortc demand of every section.

        Args:
            accepted: The lines of an accepted section of the answer.
        """
        fields = self.lines[0].split(" ")
        return [
            " ".join([*fields[:1], "0", *fields[2:]]),
            "c=IN IP4 0.0.0.0",
            *([f"a=mid:{self.mid}"] if self.mid else []),
            "a=inactive",
            *(line for line in self.lines if line.startswith(("a=rtpmap:", "a=sctp-port:"))),
            *(line for line in accepted if line.startswith(_TRANSPORT)),
        ]


@dataclass(frozen=True, slots=True)
class SelectedOffer:
    """An offer with the sections that are accepted.

    Attributes:
        sdp: The description without the others.
        mids: The names of all offered sections, in their order.
    """

    sdp: str
    mids: tuple[str, ...]
    _sections: tuple[Section, ...]
    _accepted: frozenset[int]
    _bundled: tuple[str, ...]

    def complete(self, answer: str) -> str:
        """Add the rejected sections to the answer, and bundle in it only what the offer bundles (RFC 9143, 7.3)."""
        session, *answered = _split(answer)
        accepted = {self.mids[index] for index in self._accepted}
        bundled = " ".join([mid for mid in self._bundled if mid in accepted])
        group = [f"{_BUNDLE} {bundled}"] if bundled else []
        lines = [line for line in session if not line.startswith(_BUNDLE)]
        remaining = iter(answered)
        for index, section in enumerate(self._sections):
            lines += next(remaining) if index in self._accepted else section.rejection(answered[0])
        position = next((index for index, line in enumerate(lines) if line.startswith(("a=", "m="))), len(lines))
        return "".join(f"{line}\r\n" for line in [*lines[:position], *group, *lines[position:]])


def received_videos(sdp: str) -> int:
    """In how many sections the peer wants to receive video."""
    return sum(section.receives_video for section in _sections(sdp))


def select_sections(sdp: str, *, audio: bool, videos: int = 1) -> SelectedOffer:
    """Select the sections of an offer that are accepted.

    That is: the first sections of each kind that are of use; and unused ones that share another's transport.

    Args:
        sdp: The offer.
        audio: Whether its first audio section is of use.
        videos: How many of the sections in which the peer wants to receive video are of use.
    """
    session, *_ = _split(sdp)
    sections = _sections(sdp)
    group = next((line for line in session if line.startswith(_BUNDLE)), "")
    bundled = tuple(group.removeprefix(_BUNDLE).split())
    used = [
        *[index for index, each in enumerate(sections) if each.receives_video][:videos],
        next((index for index, each in enumerate(sections) if each.kind == "audio"), None) if audio else None,
        next((index for index, each in enumerate(sections) if each.kind == "application" and not each.zero_port), None),
    ]
    accepted = frozenset(index for index, each in enumerate(sections) if index in used or _is_harmless(each, bundled))
    kept = [line for index in sorted(accepted) for line in sections[index].lines]
    mids = {sections[index].mid for index in accepted}
    if group and any(each.mid in bundled and each.mid not in mids for each in sections):
        rest = " ".join(mid for mid in bundled if mid in mids)
        session = [f"{_BUNDLE} {rest}" if line == group else line for line in session]
    return SelectedOffer(
        "".join(f"{line}\r\n" for line in [*session, *kept]),
        tuple(each.mid for each in sections),
        tuple(sections),
        accepted,
        bundled,
    )


def _is_harmless(section: Section, bundled: Sequence[str]) -> bool:
    """An unused section that costs no transport; the first one of a group has the transport of the others."""
    if section.mid not in bundled or section.kind not in _KNOWN_CODECS:
        return False
    if section.mid == bundled[0]:
        return True
    return not section.zero_port and bool(section.codecs & _KNOWN_CODECS[section.kind])


def _sections(sdp: str) -> list[Section]:
    return [Section(tuple(lines)) for lines in _split(sdp)[1:]]


def _split(sdp: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        # Pion ends "a=rtcp-fb:96 nack " with a space: to aiortc that is a feedback which it does not know.
        parts[-1].append(line.rstrip(" ") if line.startswith("a=") else line)
    return parts
