"""What WHIP puts into HTTP: RFC 9725."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from robot_node.errors import SignalingError
from robot_node.webrtc.ice_servers import IceServer
from robot_node.webrtc.sdp_fragments import parse_fragment, write_fragment
from robot_node.webrtc.signaling import Candidate
from robot_node.webrtc.whip_messages import (
    RefusedError,
    check_answer,
    for_server,
    ice_servers,
    is_deleted,
    origin,
    redirected,
    refusal,
    retry_after_s,
    session_url,
)

TURN = (
    '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="my\\"Pass,word;"; '
    'credential-type="password"'
)
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['<stun:stun.example.net>; rel="ice-server"'], [IceServer("stun:stun.example.net")]),
        (["<stun:a.example>; rel=ice-server,<stun:b.example>;rel=ice-server"], ["stun:a.example", "stun:b.example"]),
        (
            [
                TURN,
            ],
            [IceServer("turn:turn.example.net?transport=udp", "user", 'my"Pass,word;')],
        ),
        (
            ['<stun:a.example>; rel="ice-server"', '<stun:b.example>; rel="other ice-server"'],
            ["stun:a.example", "stun:b.example"],
        ),
        (['<https://example.net/ext>; rel="urn:ietf:params:whip:ext:core:layer"'], []),
        (['<turn:t.example>; rel="ice-server"; credential-type="oauth"'], []),
        (["<stun:a.example>"], []),
        (['<http://a.example>; rel="ice-server"', '<>; rel="ice-server"', "nonsense", ""], []),
        (['<turn:user:secret@t.example>; rel="ice-server"'], [IceServer("turn:t.example")]),
        ([f'<stun:s{n}.example>; rel="ice-server"' for n in range(20)], [f"stun:s{n}.example" for n in range(8)]),
    ],
)
def test_link_headers(headers: list[str], found: list[IceServer | str]) -> None:
    assert [*ice_servers(headers)] == [IceServer(each) if isinstance(each, str) else each for each in found]


def test_origins() -> None:
    assert origin("https://SFU.example/whip?a=1") == origin("https://sfu.example:443/") == "https://sfu.example:443"
    assert origin("http://[::1]:80/x") == origin("http://[::1]/")
    for unusable in ("", "ftp://a/", "https://", "/path", "https://a:99999/", "https://[::1/"):
        assert origin(unusable) == ""


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/session/1", "https://sfu.example/session/1"),
        ("session/1?x=2", "https://sfu.example/whip/session/1?x=2"),
        ("https://sfu.example:443/a", "https://sfu.example:443/a"),
        ("https://other.example/a", ""),
        ("http://sfu.example/a", ""),
        ("//other.example/a", ""),
        ("", ""),
        ("/" + "a" * 3000, ""),
        ("/a\nb", "https://sfu.example/ab"),
        ("https://[", ""),
    ],
)
def test_a_session_is_where_the_offer_was_sent(location: str, url: str) -> None:
    assert session_url("https://sfu.example/whip/robot", location, {"https://sfu.example:443"}) == url


def test_redirects_lead_nowhere_without_tls() -> None:
    assert redirected("https://a.example/whip", "https://b.example/whip") == "https://b.example/whip"
    assert redirected("http://a.example/whip", "/node/2") == "http://a.example/node/2"
    for location in ("http://a.example/whip", "", "ftp://a.example/"):
        if location:
            with pytest.raises(RefusedError, match="must not go"):
                redirected("https://a.example/whip", location)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("99999999", 3600),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "text", "remedy"),
    [
        (401, "refuses the token (401)", "publish.token"),
        (403, "refuses the token (403)", "publish.token"),
        (404, "knows no such endpoint (404)", "publish.url"),
        (409, "already has a publisher there (409)", "other publisher"),
        (503, "is overloaded (503)", ""),
        (599, "has failed (599)", ""),
        (200, "no answer of WHIP (200)", ""),
        (302, "no answer of WHIP (302)", ""),
    ],
)
def test_a_refusal_says_why(status: int, text: str, remedy: str) -> None:
    error = refusal("https://sfu.example:443", status, retry_after="9", said="some words\n" * 90, now=NOW)
    assert text in error.message
    assert remedy in error.remedy
    assert error.retry_after_s == 9
    assert len(error.message) < 350
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("status", "gone"),
    [*((status, True) for status in (200, 204, 404, 410)), (403, False), (405, False), (429, None), (500, None)],
)
def test_what_a_delete_has_come_to(status: int, gone: bool | None) -> None:  # a case of a table
    assert is_deleted(status) is gone


OFFER = (
    "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789\r\n"
    "a=rtcp-mux\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:1\r\na=rtcp-mux\r\n"
)


def test_an_offer_promises_one_port_in_each_section() -> None:
    assert for_server(OFFER).count("a=rtcp-mux\r\na=rtcp-mux-only\r\n") == 2


def test_an_answer_must_fit_the_offer() -> None:
    check_answer(OFFER, OFFER)
    for answer, text in (
        ("", "no session description"),
        ("<html>", "no session description"),
        (OFFER.replace("m=audio", "m=video"), "other media sections"),
        (OFFER[: OFFER.index("m=video")], "other media sections"),
        (OFFER.replace("m=video 9", "m=video 0"), "does not want the video"),
        (OFFER + "a=setup:actpass\r\n", "DTLS"),
        (OFFER + "a=x\r\n" * 20_000, "more than"),
    ):
        with pytest.raises(SignalingError, match=text):
            check_answer(OFFER, answer)


def test_late_candidates_name_their_session() -> None:
    fragment = write_fragment(OFFER, [Candidate("candidate:1 1 udp 1 127.0.0.1 9 typ host")])
    assert fragment == (
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
    )
    (candidate,) = parse_fragment(fragment)
    assert (candidate.sdp_mid, candidate.username_fragment) == ("0", "abcd")
