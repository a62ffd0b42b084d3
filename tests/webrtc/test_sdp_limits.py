"""Session descriptions that would keep aiortc's parser busy are refused before it sees them; real ones never are."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import SignalingError
from robot_node.webrtc.sdp_limits import MAX_OF_ATTRIBUTE, check_sdp
from robot_node.webrtc.signaling import Answer, Offer, Terminated, encode, parse
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import peer

RECORDED = sorted((Path(__file__).parent / "offers").glob("*.sdp"))
SESSION = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA\r\n"
VIDEO = SESSION + "m=video 9 UDP/TLS/RTP/SAVPF 99\r\n"


def read(offer: Path) -> str:
    return offer.read_bytes().decode()


def sections(sdp: str) -> list[str]:
    return re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)


def renumbered(section: str, by: int) -> str:
    """The same codecs again, under other payload types."""
    return re.sub(
        r"^a=(rtpmap|fmtp|rtcp-fb):(\d+)", lambda m: f"a={m[1]}:{int(m[2]) + by}", section, flags=re.MULTILINE
    )


@pytest.mark.parametrize("offer", RECORDED, ids=lambda offer: offer.stem)
def test_three_times_what_a_real_peer_offers_is_read(offer: Path) -> None:
    sdp = read(offer)
    check_sdp(sdp)
    session, *media = sections(sdp)
    check_sdp(session + 3 * "".join(media))
    check_sdp(session + "".join(section + renumbered(section, 128) + renumbered(section, 256) for section in media))


def test_every_program_that_the_documentation_names_is_among_the_recorded() -> None:
    programs = {"chromium", "firefox", "gstreamer", "pion", "safari"}
    assert {offer.stem.partition("-")[0] for offer in RECORDED} == programs
    assert max(len(offer.read_bytes()) for offer in RECORDED) > 12_000


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        (VIDEO + "a=rtpmap:99 A/1\r\n" * 2000 + "a=rtcp-fb:* a\r\n" * 2000, "more than 40000 bytes"),
        (VIDEO + "a=rtpmap:99 A/1\r\n" * 500 + "a=rtcp-fb:* a\r\n" * 500, "500 a=rtpmap lines in a section"),
        (
            VIDEO + "a=rtpmap:99 A/1\r\n" * 100 + "a=rtcp-fb:* a\r\n" * 100,
            r"10000 codecs times feedback .*; at most 240 are read",
        ),
        (
            VIDEO + "a=rtpmap:099 A/1\r\n" * 100 + "a=rtcp-fb:99 a\r\n" * 100,
            r"10000 codecs times feedback .*; at most 240 are read",
        ),
        (VIDEO + "".join(f"a=ssrc:{n} cname:a\r\n" for n in range(65)), "65 a=ssrc lines"),
        (VIDEO + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 65, "65 a=candidate lines"),
        (VIDEO + "a=fingerprint:sha-256 AA\r\n" * 9, "9 a=fingerprint lines"),
        (SESSION + "a=fingerprint:sha-256 AA\r\n" * 8, "9 a=fingerprint lines"),
        (SESSION + "m=video 9 UDP/TLS/RTP/SAVPF 99\r\n" * 13, "13 media sections"),
        ((VIDEO + "a=rtpmap:99 A/1\r\n" * 100) * 3, "300 codecs; at most 240"),
        (SESSION + "a=x\r\n" * 1200, "1205 lines"),
        (SESSION + "a=x\u2028" * 1200, "1205 lines"),  # aiortc takes it for the end of a line too
        (SESSION + "a=" + "x" * 999, "more than 1000 characters"),
        (SESSION + "a=xé\r\n" * 700 + "\U0001f600" * 9000, "more than 40000 bytes"),
    ],
)
def test_what_no_peer_needs_is_refused_and_the_reason_names_it(sdp: str, reason: str) -> None:
    with pytest.raises(SignalingError, match=reason):
        check_sdp(sdp)


@pytest.mark.parametrize("attribute", MAX_OF_ATTRIBUTE)
def test_each_attribute_is_limited_in_each_section_and_not_over_all_of_them(attribute: str) -> None:
    most = MAX_OF_ATTRIBUTE[attribute]
    section = "m=video 9 UDP/TLS/RTP/SAVPF 99\r\n" + f"a={attribute}:1 2\r\n" * most
    check_sdp(SESSION.replace("a=fingerprint:sha-256 AA\r\n", "") + 2 * section)
    with pytest.raises(SignalingError, match=f"{most + 1} a={attribute} lines"):
        check_sdp(SESSION + section + f"a={attribute}:1 2\r\n")


def test_what_passes_makes_no_more_feedback_than_the_limit() -> None:
    sdp = VIDEO + "".join(f"a=rtpmap:{n} A/1\r\n" for n in range(108)) + "a=rtcp-fb:* a\r\n" * 2
    check_sdp(sdp)
    (media,) = SessionDescription.parse(sdp).media
    assert sum(len(codec.rtcpFeedback) for codec in media.rtp.codecs) == 216
    with pytest.raises(SignalingError):
        check_sdp(sdp + "a=rtcp-fb:* a\r\n")


@given(st.text(alphabet="am=rtpfbcx:-*/09 \r\n\u2028", max_size=400))
def test_any_text_passes_or_is_a_signaling_error(sdp: str) -> None:
    with contextlib.suppress(SignalingError):
        check_sdp(sdp)


@pytest.mark.parametrize("kind", [Offer, Answer])
def test_offers_and_answers_are_checked_before_anybody_can_parse_them(kind: type[Offer | Answer]) -> None:
    fine = VIDEO + "a=rtpmap:99 A/1\r\n"
    assert parse(encode(kind(fine))) == kind(fine)
    with pytest.raises(SignalingError, match="151 a=rtpmap lines in a section; at most 108 are read"):
        parse(encode(kind(fine + "a=rtpmap:99 A/1\r\n" * 150)))


async def test_a_costly_offer_is_refused_with_the_reason_and_others_are_served(robot: Robot) -> None:
    async with peer(robot.broker, "nasty") as nasty, peer(robot.broker, "good") as good:
        await nasty.send(Offer(VIDEO + "a=rtpmap:99 A/1\r\n" * 500 + "a=rtcp-fb:* a\r\n" * 500))
        refused = await nasty.receive(Terminated)
        assert refused.reason == ("The session description has 500 a=rtpmap lines in a section; at most 108 are read.")
        await good.offer()
        await robot.has_viewers(1)
