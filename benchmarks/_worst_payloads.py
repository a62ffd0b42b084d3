"""The costliest messages of each kind in the size that a robot reads, and larger ones, which it refuses. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from robot_node.mcp_mqtt.jsonrpc import MAX_VALUES
from robot_node.mcp_mqtt.protocol import OPENING_BYTES, OPENING_VALUES
from robot_node.webrtc.sdp_limits import (
    MAX_CODECS,
    MAX_FEEDBACK,
    MAX_LINES,
    MAX_OF_ATTRIBUTE,
    MAX_SDP_BYTES,
    MAX_SECTIONS,
)

MEBIBYTE = 1024 * 1024
_HEAD_BYTES = 1024  # of a message around the text that fills it
_FEW = 200  # values of a message around those that fill it


def json_values(most_values: int) -> Iterator[tuple[str, str]]:
    """JSON texts with as many values as may be, each with its name."""
    count = (most_values - _FEW) // 2
    yield "lists", "[" + "[]," * count + "[]]"
    yield "objects", "[" + "{}," * count + "{}]"
    yield "long numbers", "[" + f"1.{'1' * 40}e-7," * count + "0]"
    yield "keys", "{" + ",".join(f'"key {number}":0' for number in range(count // 2)) + "}"
    yield "nested", "[" * 99 + "]" * 99


def json_excess(most_bytes: int) -> Iterator[tuple[str, str]]:
    """JSON texts of a size that is read, with far more values than are parsed."""
    count = (most_bytes - _HEAD_BYTES) // 3
    yield "too many lists", "[" + "[]," * count + "[]]"
    yield "too many texts", "[" + '"",' * count + '""]'
    yield "too deep", "[" * (count // 2) + "]" * (count // 2)


def json_texts(most_bytes: int) -> Iterator[tuple[str, str]]:
    """One JSON text of a size that is read."""
    size = most_bytes - _HEAD_BYTES
    yield "plain text", '"' + "x" * size + '"'
    yield "text of commas", '"' + ",[{:" * (size // 4) + '"'
    yield "text of quotes", '"' + '\\"' * (size // 2) + '"'
    yield "text of escapes", '"' + "\\u4e2d" * (size // 6) + '"'
    yield "text beyond the basic plane", '"' + "x" * (size - 8) + "\U0001f600" + '"'


def call(request_id: int, tool: str, arguments: str) -> bytes:
    """A tool call whose arguments are a JSON text."""
    head = f'{{"jsonrpc":"2.0","id":{request_id},"method":"tools/call","params":{{"name":"{tool}","arguments":'
    return f"{head}{arguments}}}}}".encode()


def calls(most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Tool calls."""
    for name, value in (*json_values(MAX_VALUES), *json_excess(most_bytes), *json_texts(most_bytes)):
        yield f"get_status with {name}", call(1, "get_status", f'{{"x":{value}}}')
        yield f"show_text with {name}", call(1, "show_text", f'{{"text":{value}}}')
    for name, value in (*json_values(MAX_VALUES), *json_excess(most_bytes // 2)):
        yield f"set_led with {name} in a text", call(1, "set_led", f'{{"name":"lamp","colour":{json.dumps(value)}}}')
    many = ",".join(f'"argument {number}":0' for number in range((MAX_VALUES - _FEW) // 2))
    yield "take_photo with unknown arguments", call(1, "take_photo", f"{{{many}}}")


def openings(refused_bytes: int) -> Iterator[tuple[str, bytes]]:
    """First messages of a session: as large as they may be, and larger."""
    allowed = (*json_values(OPENING_VALUES), *json_texts(OPENING_BYTES))
    for name, value in (*allowed, *json_excess(OPENING_BYTES), *json_excess(refused_bytes)):
        client = '"protocolVersion":"2025-06-18","clientInfo":{"name":"x","version":"1"}'
        params = f'{{{client},"capabilities":{{"x":{value}}}}}'
        yield f"initialize with {name}", f'{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}'.encode()


def signalling(most_bytes: int, data: str = "data") -> Iterator[tuple[str, bytes]]:
    """Signalling messages that are no session descriptions, or messages of speech and text."""
    fillers = (*json_values(1_000), *json_values(5_000), *json_excess(most_bytes), *json_texts(most_bytes))
    for kind in ("ice_candidate", "chat", "webrtc_terminated", "sdp_offer", "message"):
        for name, value in fillers:
            yield f"{kind} with {name}", f'{{"type":"{kind}","{data}":{value}}}'.encode()


def speech() -> Iterator[tuple[str, bytes]]:
    """What a media backend says, in the longest texts that are taken."""
    for name, text in (("words", "word " * 3_000), ("a word", "x" * 15_999), ("Chinese", "\u4e2d" * 15_999)):
        for kind, field in (("asr_response", "results"), ("tts_text", "text"), ("message", "payload")):
            yield f"{kind} of {name}", json.dumps({"type": kind, field: text, "task_id": "1"}).encode()


_SESSION = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n"
)


def offers() -> Iterator[tuple[str, str]]:
    """Session descriptions, each as large as its limits let it be."""
    codecs, fmtp = MAX_OF_ATTRIBUTE["rtpmap"], MAX_OF_ATTRIBUTE["fmtp"]
    stars = MAX_FEEDBACK // codecs
    feedback = _lines("rtcp-fb:* nack pli", stars)
    yield "codecs and feedback", _sections(_codecs(codecs) + feedback)
    yield "codecs and parameters", _sections(_codecs(codecs) + _lines(f"fmtp:{95 + codecs} a=1", fmtp))
    yield (
        "sources",
        _sections(
            _codecs(4)
            + [f"a=ssrc:{n} cname:x" for n in range(MAX_OF_ATTRIBUTE["ssrc"])]
            + _lines("extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid", MAX_OF_ATTRIBUTE["extmap"])
        ),
    )
    yield "bundled sections", _sections(_codecs(MAX_CODECS // MAX_SECTIONS), bundled=True)
    yield "sections of their own", _sections(_codecs(MAX_CODECS // MAX_SECTIONS))
    candidates = [
        f"a=candidate:1 1 udp 1 192.0.2.{n % 250 + 1} {2000 + n} typ host" for n in range(MAX_OF_ATTRIBUTE["candidate"])
    ]
    yield "candidates", _sections(_codecs(2) + candidates)
    # Beyond the limits: what stood still for seconds before there were any.
    video = _SESSION + "m=video 9 UDP/TLS/RTP/SAVPF 99\r\n"
    yield "2000 codecs times 2000 lines of feedback", video + "a=rtpmap:99 A/1\r\n" * 2000 + "a=rtcp-fb:* a\r\n" * 2000
    yield "500 codecs times 500 lines of feedback", video + "a=rtpmap:99 A/1\r\n" * 500 + "a=rtcp-fb:* a\r\n" * 500


def _codecs(count: int) -> list[str]:
    return [f"a=rtpmap:{96 + number} VP8/90000" for number in range(count)]


def _lines(attribute: str, count: int) -> list[str]:
    return [f"a={attribute}"] * count


def _sections(lines: list[str], *, bundled: bool = False) -> str:
    """As many sections with these lines as the limits on all of them allow."""
    body = "".join(f"{line}\r\n" for line in lines)
    head = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=rtcp-mux\r\na=mid:{}\r\n"
    codecs = max(1, sum(line.startswith("a=rtpmap") for line in lines))
    room = ((MAX_SDP_BYTES - 1_000) // len(head + body), (MAX_LINES - 20) // (len(lines) + 5), MAX_CODECS // codecs)
    count = min(MAX_SECTIONS, *room)
    group = f"a=group:BUNDLE {' '.join(map(str, range(count)))}\r\n" if bundled else ""
    return _SESSION + group + "".join(head.format(number) + body for number in range(count))


def candidates(count: int) -> Iterator[dict[str, Any]]:
    """ICE candidates of all forms, hidden ones too."""
    for number in range(count):
        host = f"192.0.2.{number + 1}" if number % 2 else f"{number:08x}-0000-4000-8000-000000000000.local"
        yield {
            "candidate": f"candidate:{number} 1 udp 1 {host} {2000 + number} typ host",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
        }
