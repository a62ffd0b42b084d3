"""The JSON messages of WebRTC over MQTT, and their topics. Pure: no connection, no clock, no aiortc.

``{client-id}`` is always the offering side: it publishes to ``$webrtc/{client-id}/{answerer}`` and reads
``$webrtc/{client-id}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeGuard

from robot_node.core.json_limits import check_json
from robot_node.errors import SignalingError
from robot_node.webrtc.sdp_limits import check_sdp

PROXY_NAME = "multimedia_proxy"
"""The answerer's name on a broker with a single media proxy."""

MAX_MESSAGE_BYTES = 128 * 1024
"""Larger messages are refused unread; a description has bounds of its own (:mod:`robot_node.webrtc.sdp_limits`)."""

MAX_CANDIDATES = 64
"""Per session: each one makes the reader send packets to an address that the sender chose."""

_ROOT = "$webrtc"
_MAX_VALUES = 1_000
_MAX_REASON_CHARACTERS = 500
_MAX_CANDIDATE_CHARACTERS = 1000
# RFC 8839, 5.4: of a user name fragment. Media sections have names of a few characters.
_MAX_NAME_CHARACTERS = 256
_UFRAG = re.compile(r"^a=ice-ufrag:(\S+)", re.MULTILINE)
# RFC 8839, 5.1: foundation, component, transport, priority, address, port, type.
_CANDIDATE = re.compile(r"(candidate:)?\S+ \d{1,5} \S+ \d{1,10} \S+ \d{1,5} typ \S+", re.ASCII)


class UnusableAnswerError(SignalingError):
    """An ``sdp_answer`` whose session description is missing, or larger than aiortc's parser may get."""


@dataclass(frozen=True, slots=True)
class Offer:
    """``sdp_offer``: a peer wants a session.

    Attributes:
        sdp: The session description.
        camera: The message's MQTT user property ``camera``: names of cameras, with commas between them; empty without.
        small: The user property ``video`` is ``small``: the small video is enough.
        only_recognised: The user property ``sound`` is ``recognised``: the viewer speaks to the robot, and its
            loudspeaker is not to play that.
    """

    sdp: str
    camera: str = ""
    small: bool = False
    only_recognised: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """``sdp_answer``: the other side agrees.

    Attributes:
        sdp: The session description.
        offer: First ICE user name fragment of the offer that it answers; empty when the sender does not say.
    """

    sdp: str
    offer: str = ""

    def fits(self, username_fragments: Collection[str]) -> bool:
        """Whether it may answer the offer with these ICE user name fragments; False for the answer to an older one."""
        return not self.offer or self.offer in username_fragments


@dataclass(frozen=True, slots=True)
class Candidate:
    """``ice_candidate``: one address where the sender may be reached.

    Attributes:
        candidate: The candidate attribute, with or without its ``candidate:`` prefix.
        sdp_mid: The media section it belongs to, by name.
        sdp_mline_index: The media section it belongs to, by position. One of the two is given.
        username_fragment: The ICE generation it belongs to, when the sender says so.
    """

    candidate: str
    sdp_mid: str | None = None
    sdp_mline_index: int | None = None
    username_fragment: str | None = None

    @property
    def host(self) -> str:
        """The address or name in the candidate; empty when there is none."""
        fields = self.candidate.split()
        return fields[4] if len(fields) > 4 else ""

    def fits(self, username_fragments: Collection[str]) -> bool:
        """Whether it may belong to the description with these ICE user name fragments."""
        return self.username_fragment is None or self.username_fragment in username_fragments

    @property
    def hidden(self) -> bool:
        """The address is an mDNS name (``<uuid>.local``), as browsers send without camera permission."""
        return self.host.lower().rstrip(".").endswith(".local")


@dataclass(frozen=True, slots=True)
class EndOfCandidates:
    """``ice_candidate`` with null data or an empty candidate: no more will come."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """``webrtc_terminated``: the sender has ended, or refused, the session."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """``chat``: text typed by the person who watches."""

    text: str


Message = Offer | Answer | Candidate | EndOfCandidates | Terminated | Chat


def offers_topic(client_id: str, answerer: str) -> str:
    """Topic of the offering side's messages."""
    return f"{_ROOT}/{client_id}/{answerer}"


def answers_topic(client_id: str) -> str:
    """Topic of the answering side's messages."""
    return f"{_ROOT}/{client_id}"


def offers_filter(answerer: str) -> str:
    """Topic filter of the answering side: the messages of all offering clients."""
    return f"{_ROOT}/+/{answerer}"


def offering_client(topic: str) -> str:
    """The client id in a topic that :func:`offers_filter` matched.

    Raises:
        SignalingError: the topic is not of that form, or its client id is empty.
    """
    parts = topic.split("/")
    if len(parts) != 3 or parts[0] != _ROOT or not parts[1]:
        raise SignalingError(f"The topic {topic!r} names no WebRTC client.")
    return parts[1]


def encode(message: Message) -> bytes:
    """Encode a message."""
    return json.dumps(_document(message), separators=(",", ":")).encode()


def parse(payload: bytes) -> Message:
    """Read a message.

    Raises:
        SignalingError: not JSON in UTF-8, too large, of an unknown type, or with data of a wrong form. A session
            description that is returned is small enough for aiortc's parser.
        UnusableAnswerError: that happened to the description of an answer.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise SignalingError(f"A signalling message of {len(payload)} bytes is too large.")
    try:
        check_json(payload, max_values=_MAX_VALUES)
        document = json.loads(payload.decode())  # bytes might be UTF-16, which was not counted
    # RecursionError: "[[[[..." nested deeper than the parser goes.
    except (ValueError, RecursionError) as error:
        raise SignalingError("A signalling message is not JSON in UTF-8.") from error
    if not isinstance(document, dict):
        raise SignalingError("A signalling message is not a JSON object.")
    kind, data = document.get("type"), document.get("data")
    match kind:
        case "sdp_offer":
            return Offer(_sdp(data, "offer"))
        case "sdp_answer":
            try:
                offer = document.get("offer")
                return Answer(_sdp(data, "answer"), offer if _is_name(offer) else "")
            except SignalingError as error:
                raise UnusableAnswerError(str(error)) from error
        case "ice_candidate":
            return _candidate(data)
        case "webrtc_terminated":
            return Terminated(_text(document.get("reason"))[:_MAX_REASON_CHARACTERS])
        case "chat":
            return Chat(_required_text(data, "chat text"))
        case _:
            raise SignalingError(f"A signalling message has the unknown type {str(kind)[:40]!r}.")


def strip_candidates(sdp: str) -> tuple[str, tuple[Candidate, ...]]:
    """Split an offer into the description and the candidates it carries.

    A hidden (``.local``) candidate inside a description would hold up the answer until its name is resolved. The
    end-of-candidates mark is removed too: an ICE agent that sees it before it has resolved a single name gives up
    the only component there is.

    Returns:
        The description without candidates, and the candidates in their order.
    """
    kept: list[str] = []
    candidates: list[Candidate] = []
    section = -1
    for line in sdp.splitlines():
        if line.startswith("m="):
            section += 1
        if line.startswith("a=candidate:"):
            if section >= 0:
                candidates.append(Candidate(line.removeprefix("a="), sdp_mline_index=section))
        elif line != "a=end-of-candidates":
            kept.append(line)
    return "".join(f"{line}\r\n" for line in kept), tuple(candidates)


def username_fragments(sdp: str) -> frozenset[str]:
    """The ICE user name fragments of a description: the generation that its candidates belong to."""
    return frozenset(_UFRAG.findall(sdp))


def first_username_fragment(sdp: str) -> str:
    """Name of an offer for the other side: its first ICE user name fragment; empty without one."""
    match = _UFRAG.search(sdp)
    return match[1][:_MAX_NAME_CHARACTERS] if match else ""


def _document(message: Message) -> dict[str, Any]:
    match message:
        case Offer(sdp):
            return {"type": "sdp_offer", "data": {"type": "offer", "sdp": sdp}}
        case Answer(sdp, offer):
            named = {"offer": offer} if offer else {}
            return {"type": "sdp_answer", "data": {"type": "answer", "sdp": sdp}, **named}
        case Candidate():
            data: dict[str, Any] = {
                "candidate": message.candidate,
                "sdpMid": message.sdp_mid,
                "sdpMLineIndex": message.sdp_mline_index,
            }
            if message.username_fragment is not None:
                data["usernameFragment"] = message.username_fragment
            return {"type": "ice_candidate", "data": data}
        case EndOfCandidates():
            return {"type": "ice_candidate", "data": None}
        case Terminated(reason):
            return {"type": "webrtc_terminated", "reason": reason}
        case Chat(text):
            return {"type": "chat", "data": text}


def _sdp(data: object, kind: str) -> str:
    if isinstance(data, dict):
        if data.get("type", kind) != kind:
            raise SignalingError(f"The session description of an {kind} says that it is something else.")
        data = data.get("sdp")
    sdp = _required_text(data, f"session description of the {kind}")
    check_sdp(sdp)
    return sdp


def _candidate(data: object) -> Candidate | EndOfCandidates:
    if data is None:
        return EndOfCandidates()
    if not isinstance(data, dict):
        raise SignalingError("An ICE candidate is neither an object nor null.")
    text, mid, index = data.get("candidate"), data.get("sdpMid"), data.get("sdpMLineIndex")
    if not text:
        return EndOfCandidates()
    if not isinstance(text, str) or len(text) > _MAX_CANDIDATE_CHARACTERS or not _CANDIDATE.match(text):
        raise SignalingError("An ICE candidate is not of the form that RFC 8839 gives it.")
    if not (mid is None or _is_name(mid)) or not (index is None or type(index) is int):
        raise SignalingError("An ICE candidate names its media section wrongly.")
    if mid is None and index is None:
        raise SignalingError("An ICE candidate names no media section.")
    fragment = data.get("usernameFragment")
    return Candidate(text, mid, index, fragment if _is_name(fragment) else None)


def _is_name(data: object) -> TypeGuard[str]:
    return isinstance(data, str) and len(data) <= _MAX_NAME_CHARACTERS


def _required_text(data: object, name: str) -> str:
    if not isinstance(data, str) or not data.strip():
        raise SignalingError(f"The {name} is missing.")
    return data


def _text(data: object) -> str:
    return data if isinstance(data, str) else ""
