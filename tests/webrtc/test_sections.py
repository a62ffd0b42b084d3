"""Offers without BUNDLE, or with sections that the robot does not use: what is answered, and that media flows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from robot_node.webrtc.broadcast import Broadcast
from robot_node.webrtc.negotiation import VideoCodec, prefer_with_retransmission
from robot_node.webrtc.sections import received_videos, select_sections
from robot_node.webrtc.sent_video import CameraVideo, chosen_cameras
from robot_node.webrtc.signaling import Answer, Candidate, Offer, strip_candidates
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import peer
from tests.webrtc.scene import difference

OFFERS = sorted(Path(__file__).with_name("offers").glob("*.sdp"))


def section(kind: str, mid: str, *lines: str, port: int = 9) -> str:
    proto = "UDP/DTLS/SCTP webrtc-datachannel" if kind == "application" else "UDP/TLS/RTP/SAVPF 96"
    return "".join(f"{line}\r\n" for line in (f"m={kind} {port} {proto}", f"a=mid:{mid}", *lines))


VIDEO = section("video", "v", "a=rtpmap:96 H264/90000", "a=recvonly")
AUDIO = section("audio", "a", "a=rtpmap:96 opus/48000/2")
DATA = section("application", "d")


def head(*bundled: str) -> str:
    group = f"a=group:BUNDLE {' '.join(bundled)}\r\n" if bundled else ""
    return f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{group}"


def answered(offer: str, *, audio: bool = False) -> tuple[list[str], str]:
    """The ``m=`` lines and the group line of the answer, when whatever is selected is accepted."""
    selected = select_sections(offer, audio=audio)
    accepted = re.sub(r"a=group.*\r\n", "", selected.sdp)
    mids = " ".join(re.findall(r"a=mid:(\S+)", accepted))
    answer = selected.complete(accepted.replace("t=0 0\r\n", f"t=0 0\r\na=group:BUNDLE {mids}\r\n"))  # as aiortc does
    assert re.findall(r"a=mid:(\S+)", answer) == re.findall(r"a=mid:(\S+)", offer)
    found = re.search(r"a=group:BUNDLE (.*)\r\n", answer)
    return re.findall(r"m=(\w+ \d+)", answer), found[1] if found else ""


@pytest.mark.parametrize(
    ("offer", "audio", "sections", "group"),
    [
        (head("v", "a", "d") + VIDEO + AUDIO + DATA, True, ["video 9", "audio 9", "application 9"], "v a d"),
        (head("v", "a", "d") + VIDEO + AUDIO + DATA, False, ["video 9", "audio 9", "application 9"], "v a d"),
        (head() + VIDEO + AUDIO + DATA, True, ["video 9", "audio 9", "application 9"], ""),
        (head() + AUDIO + VIDEO + DATA, False, ["audio 0", "video 9", "application 9"], ""),
        (head("v", "d") + AUDIO + VIDEO + DATA, False, ["audio 0", "video 9", "application 9"], "v d"),
        (head() + VIDEO + VIDEO.replace("mid:v", "mid:w"), False, ["video 9", "video 0"], ""),
        (head("v", "t") + VIDEO + section("text", "t"), False, ["video 9", "text 0"], "v"),
        (head("v", "a") + VIDEO + AUDIO.replace("opus", "speex"), False, ["video 9", "audio 0"], "v"),
        (head("v") + VIDEO + AUDIO.replace("audio 9", "audio 0"), False, ["video 9", "audio 0"], "v"),
        (head("a", "v") + AUDIO + VIDEO, False, ["audio 9", "video 9"], "a v"),  # the others' transport
    ],
)
def test_what_is_of_no_use_and_has_a_transport_of_its_own_is_rejected(
    offer: str, sections: list[str], group: str, *, audio: bool
) -> None:
    assert answered(offer, audio=audio) == (sections, group)


def test_as_many_videos_are_accepted_as_there_are_cameras() -> None:
    offer = head("a", "b", "c", "d") + section("video", "a") + section("video", "b") + AUDIO + section("video", "d")
    assert received_videos(offer) == 3
    accepted = select_sections(offer, audio=False, videos=2).sdp
    assert [mid for mid in "abd" if f"a=mid:{mid}" in accepted] == ["a", "b"]


@pytest.mark.parametrize(
    ("wanted", "sections", "expected"),
    [
        ("", 1, ["front"]),
        ("", 2, ["front", "rear"]),
        ("", 5, ["front", "rear"]),
        ("rear", 1, ["rear"]),
        ("rear", 2, ["rear"]),
        ("rear, front", 2, ["rear", "front"]),
        ("rear,rear", 2, ["rear", "rear"]),
    ],
)
def test_the_offer_says_which_camera_is_in_which_section(wanted: str, sections: int, expected: list[str]) -> None:
    cameras = [CameraVideo(name, cast("Broadcast", None)) for name in ("front", "rear")]
    assert [each.name for each in chosen_cameras(cameras, wanted, sections)] == expected


@pytest.mark.parametrize("file", OFFERS, ids=[file.stem for file in OFFERS])
def test_recorded_offers_stay_as_they_are(file: Path) -> None:
    offer = file.read_bytes().decode().replace("\r\n", "\n").replace("\n", "\r\n")
    assert received_videos(offer) >= 1
    selected = select_sections(offer, audio=True)
    if "a=group:BUNDLE" in offer:
        assert selected.sdp == offer.replace(" \r\n", "\r\n")  # Pion ends some lines with a space


@pytest.mark.peer("aiortc", works="no BUNDLE: one transport for each section, unused ones are rejected")
async def test_a_viewer_without_bundle_sees_the_picture(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        prefer_with_retransmission(viewer.rtc.addTransceiver("video", direction="recvonly"), VideoCodec.H264)
        # The last one: aiortc, as a peer, waits for the transport of a section that was rejected.
        viewer.rtc.addTransceiver("audio", direction="recvonly")
        await viewer.rtc.setLocalDescription()
        sdp, candidates = strip_candidates(viewer.rtc.localDescription.sdp)
        offered = re.findall(r"m=(\w+)", sdp)
        await viewer.send(Offer(re.sub(r"a=group:BUNDLE.*\r\n", "", sdp)))
        answer = (await viewer.receive(Answer)).sdp
        assert "BUNDLE" not in answer
        assert re.findall(r"m=(\w+) 0 ", answer) == ["audio"]
        assert re.findall(r"m=(\w+)", answer) == offered
        await viewer.apply(Answer(answer))
        for candidate in candidates:
            # By position, as GStreamer does; aiortc gives each section its own.
            await viewer.send(Candidate(candidate.candidate, None, candidate.sdp_mline_index))
        assert difference(await viewer.frame()) < 8
        assert robot.viewers == 1
