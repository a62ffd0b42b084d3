"""The messages on the wire."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import SignalingError
from robot_node.webrtc.signaling import (
    MAX_MESSAGE_BYTES,
    Answer,
    Candidate,
    Chat,
    EndOfCandidates,
    Message,
    Offer,
    Terminated,
    answers_topic,
    encode,
    offering_client,
    offers_filter,
    offers_topic,
    parse,
    strip_candidates,
    username_fragments,
)

HOST = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host generation 0"
HIDDEN = "candidate:2 1 udp 2113937151 4a8f0e0e-1111-4222-8333-944455556666.local 50001 typ host"

texts = st.text(min_size=1, max_size=200).filter(str.strip)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Offer, texts),
    st.builds(Answer, texts, st.text(max_size=20)),
    st.builds(Terminated, st.text(max_size=200)),
    st.builds(Chat, texts),
    st.just(EndOfCandidates()),
    st.builds(
        Candidate,
        st.sampled_from([HOST, HIDDEN, HOST.removeprefix("candidate:")]),
        st.text(max_size=10),
        st.none() | st.integers(0, 10),
        st.none() | st.text(max_size=10),
    ),
)


@given(messages)
def test_a_message_survives_the_journey(message: Message) -> None:
    assert parse(encode(message)) == message


@given(st.binary(max_size=300))
def test_bytes_are_a_message_or_a_signaling_error(payload: bytes) -> None:
    with contextlib.suppress(SignalingError):
        parse(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
kinds = st.sampled_from(["sdp_offer", "sdp_answer", "ice_candidate", "webrtc_terminated", "chat", "other"])
fields = st.dictionaries(
    st.sampled_from(["type", "sdp", "candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"]), json_values
)


@given(kinds, json_values | fields, json_values)
def test_json_is_a_message_or_a_signaling_error(kind: str, data: object, reason: object) -> None:
    with contextlib.suppress(SignalingError):
        message = parse(json.dumps({"type": kind, "data": data, "reason": reason}).encode())
        assert parse(encode(message)) == message


@given(st.text(alphabet="ma=candidate:end-of- \r\n0123", max_size=300))
def test_taking_out_candidates_leaves_none(sdp: str) -> None:
    kept, candidates = strip_candidates(sdp)
    assert "\na=candidate:" not in "\n" + kept
    assert strip_candidates(kept) == (kept, ())
    assert all(candidate.sdp_mline_index is not None for candidate in candidates)


def test_the_messages_are_those_of_the_protocol() -> None:
    assert json.loads(encode(Offer("v=0"))) == {"type": "sdp_offer", "data": {"type": "offer", "sdp": "v=0"}}
    assert json.loads(encode(Answer("v=0"))) == {"type": "sdp_answer", "data": {"type": "answer", "sdp": "v=0"}}
    assert json.loads(encode(Candidate(HOST, "0", 0))) == {
        "type": "ice_candidate",
        "data": {"candidate": HOST, "sdpMid": "0", "sdpMLineIndex": 0},
    }
    assert json.loads(encode(EndOfCandidates())) == {"type": "ice_candidate", "data": None}
    assert json.loads(encode(Terminated("why"))) == {"type": "webrtc_terminated", "reason": "why"}
    assert json.loads(encode(Chat("hello"))) == {"type": "chat", "data": "hello"}


def test_an_answer_may_be_the_bare_description() -> None:
    assert parse(b'{"type":"sdp_answer","data":"v=0"}') == Answer("v=0")
    assert parse(b'{"type":"sdp_answer","data":"v=0","offer":"abcd"}') == Answer("v=0", "abcd")
    assert parse(b'{"type":"sdp_answer","data":"v=0","offer":7}') == Answer("v=0")


@pytest.mark.parametrize("data", ["null", '{"candidate":""}', '{"candidate":"","sdpMid":"0"}', "{}"])
def test_candidates_end_with_null_or_an_empty_text(data: str) -> None:
    assert parse(f'{{"type":"ice_candidate","data":{data}}}'.encode()) == EndOfCandidates()


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"123", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "unknown type 'None'"),
        (b'{"type":"sdp_rollback"}', "unknown type 'sdp_rollback'"),
        (b'{"type":"sdp_offer"}', "session description of the offer is missing"),
        (b'{"type":"sdp_offer","data":{"type":"answer","sdp":"v=0"}}', "something else"),
        (b'{"type":"ice_candidate","data":7}', "neither an object nor null"),
        (b'{"type":"ice_candidate","data":{"candidate":"nonsense","sdpMid":"0"}}', "RFC 8839"),
        (f'{{"type":"ice_candidate","data":{{"candidate":"{HOST}"}}}}'.encode(), "no media section"),
        (f'{{"type":"ice_candidate","data":{{"candidate":"{HOST}","sdpMid":1}}}}'.encode(), "wrongly"),
        (f'{{"type":"ice_candidate","data":{{"candidate":"{HOST}","sdpMid":"{"m" * 257}"}}}}'.encode(), "wrongly"),
        (b"x" * (MAX_MESSAGE_BYTES + 1), "too large"),
    ],
)
def test_what_is_wrong_is_said(payload: bytes, says: str) -> None:
    with pytest.raises(SignalingError, match=says):
        parse(payload)


def test_a_fragment_that_is_too_long_to_be_one_is_not_kept() -> None:
    data = {"candidate": HOST, "sdpMid": "0", "usernameFragment": "f" * 257}
    assert parse(json.dumps({"type": "ice_candidate", "data": data}).encode()) == Candidate(HOST, "0")


def test_hidden_addresses_are_recognised() -> None:
    assert Candidate(HIDDEN, "0").hidden
    assert not Candidate(HOST, "0").hidden


def test_candidates_inside_an_offer_keep_their_section() -> None:
    sdp = f"v=0\r\nm=audio 9\r\na={HOST}\r\na=mid:0\r\nm=video 9\r\na={HIDDEN}\r\na=end-of-candidates\r\na=mid:1\r\n"
    kept, candidates = strip_candidates(sdp)
    assert kept == "v=0\r\nm=audio 9\r\na=mid:0\r\nm=video 9\r\na=mid:1\r\n"
    assert candidates == (Candidate(HOST, sdp_mline_index=0), Candidate(HIDDEN, sdp_mline_index=1))


def test_username_fragments_name_the_generation() -> None:
    assert username_fragments("v=0\r\na=ice-ufrag:abcd\r\nm=x\r\na=ice-ufrag:efgh\r\n") == {"abcd", "efgh"}


def test_topics_are_those_of_the_protocol() -> None:
    assert offers_topic("me", "robot") == "$webrtc/me/robot"
    assert offers_filter("robot") == "$webrtc/+/robot"
    assert answers_topic("me") == "$webrtc/me"
    assert offering_client("$webrtc/me/robot") == "me"


@pytest.mark.parametrize("topic", ["$webrtc//robot", "$webrtc/robot", "other/me/robot", "$webrtc/a/b/robot"])
def test_a_topic_without_a_client_is_refused(topic: str) -> None:
    with pytest.raises(SignalingError, match="names no WebRTC client"):
        offering_client(topic)
