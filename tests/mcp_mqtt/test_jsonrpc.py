"""Bytes to JSON-RPC messages, and what to answer to other bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import INVALID_REQUEST, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter

from robot_node.mcp_mqtt.jsonrpc import Malformed, dump, dump_notification, error_answer, memory_of, parse

LIMIT = 1000
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)
near_messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | st.text() | json_values,
        "method": st.text() | json_values,
        "params": st.dictionaries(st.text(), json_values, max_size=2) | json_values,
        "result": json_values,
        "error": json_values | st.fixed_dictionaries({"code": st.integers(), "message": st.text()}),
    },
)


def answer_to(payload: bytes) -> tuple[Any, int] | None:
    message = parse(payload, LIMIT)
    assert isinstance(message, Malformed)
    assert message.reason
    return None if message.answer is None else (message.answer.id, message.answer.error.code)


@pytest.mark.parametrize("number", ["1e400", "-1E+0999", "9" * 309 + ".0", "9" * 300 + "e10"])
def test_a_number_that_would_become_infinity_is_refused(number: str) -> None:
    request = f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"a":[1,{{"b":{number}}}]}}}}'.encode()
    assert answer_to(request) == (7, INVALID_REQUEST)
    response = parse(f'{{"jsonrpc":"2.0","id":7,"result":{{"a":{number}}}}}'.encode(), LIMIT)
    assert isinstance(response, Malformed)
    assert (response.answer, response.response_to) == (None, 7)
    assert isinstance(
        parse(b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":1e308,"b":"1e400"}}', LIMIT), JSONRPCRequest
    )


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b'{"a":"\\ud800"}', b"NaN", b"[" * 90])
def test_what_is_not_json_is_a_parse_error(payload: bytes) -> None:
    assert answer_to(payload) == (None, -32700)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ('{"arguments":[' + "[]," * 300_000 + "[]]}", "holds more than 20000 values"),
        ('{"arguments":' + "[" * 101 + "]" * 101 + "}", "nested more than 100 deep"),
    ],
)
def test_a_message_that_would_become_too_much_is_answered_with_its_id(params: str, reason: str) -> None:
    payload = f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}'.encode()
    assert len(payload) < 1024 * 1024
    message = parse(payload, 1024 * 1024)
    assert isinstance(message, Malformed)
    assert reason in message.reason
    assert message.answer is not None
    assert (message.answer.id, message.answer.error.code) == (7, -32010)


def test_a_long_text_is_no_more_than_its_bytes() -> None:
    payload = dump(JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params={"text": ",[]{}:" * 100_000}))
    assert isinstance(parse(payload, 1024 * 1024), JSONRPCRequest)
    assert memory_of(b'{"a":[1,2,3]}', 100) == 13 + 120 * 6
    assert memory_of(b"," * 1000, 100) == 1000 + 120 * 100


@pytest.mark.parametrize("payload", [b"123", b"null", b'"text"', b"true", b"[]", b'[{"jsonrpc":"2.0"}]', b"{}"])
def test_json_that_is_no_single_object_is_an_invalid_request(payload: bytes) -> None:
    assert answer_to(payload) == (None, -32600)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"id": 7, "method": "x"}, (7, -32600)),
        ({"jsonrpc": "1.0", "id": 7, "method": "x"}, (7, -32600)),
        ({"jsonrpc": "2.0", "id": 7}, (7, -32600)),
        ({"jsonrpc": "2.0", "id": "a", "method": 1}, ("a", -32600)),
        ({"jsonrpc": "2.0", "id": None, "method": "x"}, (None, -32600)),
        ({"jsonrpc": "2.0", "id": True, "method": "x"}, (None, -32600)),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "x"}, (None, -32600)),
        ({"jsonrpc": "2.0", "id": "x" * 512, "method": 5}, ("x" * 512, -32600)),
        ({"jsonrpc": "2.0", "id": "x" * 513, "method": "x"}, (None, -32600)),
        ({"id": "x" * 513, "method": "x"}, (None, -32600)),
        ({"jsonrpc": "2.0", "id": 7, "method": "x", "params": [1]}, (7, -32602)),
    ],
)
def test_a_wrong_request_is_answered_with_its_id_where_it_has_one(fields: dict[str, Any], answer: object) -> None:
    assert answer_to(json.dumps(fields).encode()) == answer


@pytest.mark.parametrize(
    "fields",
    [
        {"jsonrpc": "2.0", "method": "x", "params": 5},
        {"jsonrpc": "2.0", "id": 1, "result": 5},
        {"jsonrpc": "2.0", "id": 1, "error": "x"},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": [], "error": {"code": 1, "message": "m"}},
    ],
)
def test_wrong_notifications_and_responses_are_not_answered(fields: dict[str, Any]) -> None:
    assert answer_to(json.dumps(fields).encode()) is None


def test_every_kind_of_message_is_read() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":0,"method":"tools/list"}', LIMIT) == JSONRPCRequest(
        jsonrpc="2.0", id=0, method="tools/list"
    )
    assert parse(b'{"jsonrpc":"2.0","method":"notifications/disconnected","params":null}', LIMIT) == (
        JSONRPCNotification(jsonrpc="2.0", method="notifications/disconnected")
    )
    assert parse(b'{"jsonrpc":"2.0","id":"a","result":{"x":1}}', LIMIT) == JSONRPCResponse(
        jsonrpc="2.0", id="a", result={"x": 1}
    )
    assert parse(b'{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}', LIMIT) == error_answer(None, -1, "m")


@pytest.mark.parametrize(
    ("head", "tail", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"', b'"}}', 7),
        (b'{"id": "abc", "method":"x","params":{"a":"', b'"}}', "abc"),
        (b'{"method":"x","params":{"a":"', b'"},"jsonrpc":"2.0","id":8}', 8),
        (b'{"method":"x","params":{"a":"', b'","id":9}}', None),
        (b'{"method":"x","params":{"a":"', b'", "id":"', None),
    ],
)
def test_a_message_that_is_too_large_is_answered_with_its_id_where_it_can_be_seen(
    head: bytes, tail: bytes, request_id: object
) -> None:
    assert answer_to(head + b"x" * 2 * LIMIT + tail) == (request_id, -32010)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_reader_fail(payload: bytes) -> None:
    parse(payload, LIMIT)


@given(near_messages)
def test_whatever_is_read_is_what_the_sdk_would_read(fields: dict[str, Any]) -> None:
    payload = json.dumps(fields).encode()
    message = parse(payload, 10**6)
    if isinstance(message, Malformed):
        if message.answer is not None:
            jsonrpc_message_adapter.validate_json(dump(message.answer))
    else:
        assert message == type(message).model_validate_json(payload)


def test_a_notification_without_params_is_written_without_them() -> None:
    assert dump_notification("notifications/disconnected") == (
        b'{"jsonrpc":"2.0","method":"notifications/disconnected"}'
    )
    assert json.loads(dump_notification("x", {"ä": 1})) == {"jsonrpc": "2.0", "method": "x", "params": {"ä": 1}}
