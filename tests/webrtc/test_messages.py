"""Speech and text beside a call, as they travel."""

from __future__ import annotations

import json

import pytest

from robot_node.errors import SignalingError
from robot_node.webrtc.messages import (
    MAX_TEXT_CHARACTERS,
    AsrResponse,
    BackendMessage,
    DataMessage,
    TextMessage,
    TtsBegin,
    TtsComplete,
    TtsTerminate,
    TtsText,
    device_messages_filter,
    device_messages_topic,
    encode_message,
    messages_topic,
    parse_message,
    sending_device,
)

TRAVELLING: list[tuple[BackendMessage, dict[str, object]]] = [
    (AsrResponse("hello"), {"type": "asr_response", "results": "hello"}),
    (AsrResponse("hello", by="anna"), {"type": "asr_response", "results": "hello", "by": "anna"}),
    (TtsBegin("t1"), {"type": "tts_begin", "task_id": "t1"}),
    (TtsText("t1", "你好"), {"type": "tts_text", "task_id": "t1", "text": "你好"}),
    (TtsComplete("t1"), {"type": "tts_complete", "task_id": "t1"}),
    (TtsTerminate("t1"), {"type": "tts_terminate", "task_id": "t1"}),
    (TextMessage("note"), {"type": "message", "payload": "note"}),
    (DataMessage({"a": [1, None]}), {"type": "message", "payload": {"a": [1, None]}}),
    (DataMessage(None), {"type": "message", "payload": None}),
]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "tts_begin", "task_id": 482913}, TtsBegin("482913")),
        ({"type": "tts_text", "task_id": 1.5, "text": "x"}, TtsText("1.5", "x")),
        ({"type": "message"}, DataMessage(None)),
        ({"type": "message", "payload": False}, DataMessage(payload=False)),
        ({"type": "asr_response", "format": "merged", "results": "hello"}, AsrResponse("hello")),
        (
            {"type": "asr_response", "format": "raw", "results": [{"text": "Hello ", "begin": 0}, {"text": "robot."}]},
            AsrResponse("Hello robot."),
        ),
        (
            {"type": "asr_response", "format": "raw", "results": ["one", {"words": []}, 2, "two"]},
            AsrResponse("one two"),
        ),
        ({"type": "asr_response", "format": "raw", "results": []}, AsrResponse("")),
    ],
)
def test_other_forms_that_backends_send_are_read(document: dict[str, object], message: BackendMessage) -> None:
    assert parse_message(json.dumps(document).encode()) == message


@pytest.mark.parametrize(("message", "document"), TRAVELLING, ids=lambda value: type(value).__name__)
def test_every_message_is_written_and_read_as_the_protocol_says(
    message: BackendMessage, document: dict[str, object]
) -> None:
    assert json.loads(encode_message(message)) == document
    assert parse_message(json.dumps(document).encode()) == message


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"123", "not a JSON object"),
        (b'{"type":"sing"}', "unknown type 'sing'"),
        (b'{"type":["tts_begin"]}', "unknown type"),
        (b'{"type":"asr_response","results":7}', "results"),
        (b'{"type":"asr_response"}', "results"),
        (json.dumps({"type": "asr_response", "results": ["x" * 4000] * 5}).encode(), "results"),
        (b'{"type":"message","payload":[' + b"1," * 6000 + b"1]}", "not JSON"),
        (b'{"type":"message","payload":' + b"[" * 200 + b"]" * 200 + b"}", "not JSON"),
        (b'{"type":"tts_begin","task_id":true}', "task_id"),
        (b'{"type":"tts_begin","task_id":' + b"1" * 300 + b"}", "task_id"),
        (b'{"type":"asr_response","results":"hello","by":7}', "by"),
        (b'{"type":"tts_text","task_id":"t"}', "text"),
        (b'{"type":"tts_begin"}', "task_id"),
        (b'{"type":"tts_begin","task_id":""}', "task_id"),
        (b'{"type":"tts_begin","task_id":"' + b"x" * 300 + b'"}', "task_id"),
        (json.dumps({"type": "message", "payload": "x" * (MAX_TEXT_CHARACTERS + 1)}).encode(), "payload"),
        (b" " * 200_000, "too large"),
    ],
)
def test_what_is_malformed_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(SignalingError, match=reason):
        parse_message(payload)


def test_the_topic_is_that_of_the_offering_client() -> None:
    assert messages_topic("robot-dialer") == "$message/robot-dialer"
    assert device_messages_filter("proxy") == "$message/+/proxy"
    assert sending_device(device_messages_topic("page", "proxy")) == "page"
    assert sending_device("$message/page") == sending_device("$webrtc/page/proxy") == ""
