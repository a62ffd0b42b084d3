"""JSON-RPC messages as bytes, and the answers to malformed ones. Pure; never raises on a peer's bytes.

Sources: JSON-RPC 2.0, sections 4 to 6; MCP, "Messages" (no batches, ids are strings or integers).
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import Any

import pydantic_core
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from robot_node.core.json_limits import check_json, count_values
from robot_node.core.text import LINE_CHARACTERS, bounded
from robot_node.mcp_mqtt.options import ServerLimits

DISCONNECTED = "notifications/disconnected"
"""Method of the notification that ends a session (MCP over MQTT: "Life of a session", end)."""

SERVER_ONLINE = "notifications/server/online"
"""Method of the retained presence message."""

MAX_VALUES = ServerLimits().max_message_values
"""Most values of a message that are parsed, keys included; no call comes near."""

# An empty object takes 64 bytes, one with a key 184, and a place in a list 8: what many small values take at most.
_BYTES_PER_VALUE = 120

MAX_ID_CHARACTERS = 512
"""Longest id of a request that we accept: each answer repeats it."""

MAX_TOOL_ERROR_CHARACTERS = 8000
"""Longest text of a tool's error."""


class ErrorCode(enum.IntEnum):
    """Error codes of this transport, in the band that MCP leaves to implementations (-32000 to -32019)."""

    MESSAGE_TOO_LARGE = -32010
    TOO_MANY_SESSIONS = -32011
    TOO_MANY_REQUESTS = -32012
    NO_SESSION = -32013
    TOO_MANY_SUBSCRIPTIONS = -32014
    INBOX_FULL = -32015
    FORBIDDEN = -32016
    REPLACED_TOO_OFTEN = -32017


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are not a JSON-RPC message.

    Attributes:
        reason: What is wrong, in one sentence.
        answer: The error to send back; None where JSON-RPC forbids one (notifications and responses are not answered).
        response_to: Id of the request that it is a response to; None if it is none, or has no valid id.
    """

    reason: str
    answer: JSONRPCError | None
    response_to: RequestId | None = None


def error_answer(request_id: RequestId | None, code: int, message: str) -> JSONRPCError:
    """An error response."""
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


def memory_of(payload: bytes, max_values: int = MAX_VALUES) -> int:
    """Estimate how many bytes a message takes once it is parsed.

    Args:
        payload: One that :func:`parse` has taken.
        max_values: As it was called.
    """
    return len(payload) + _BYTES_PER_VALUE * min(count_values(payload), max_values)


def parse(payload: bytes, max_bytes: int, max_values: int = MAX_VALUES) -> JSONRPCMessage | Malformed:
    """Read one message.

    Args:
        payload: The message as it was received.
        max_bytes: Larger payloads are not parsed.
        max_values: Nor are those that hold more values than this, or are nested too deeply.
    """
    if len(payload) > max_bytes:
        return _too_large(payload, f"The message has {len(payload)} bytes; the limit is {max_bytes}.")
    try:
        check_json(payload, max_values=max_values)
    except ValueError as error:
        return _too_large(payload, f"The message is too large. {error}")
    try:
        value = pydantic_core.from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        return _malformed(None, PARSE_ERROR, f"The message is not valid JSON: {error}.")
    if isinstance(value, list):
        return _malformed(None, INVALID_REQUEST, "Batches are not part of MCP.")
    if not isinstance(value, dict):
        return _malformed(None, INVALID_REQUEST, "The message is not a JSON object.")
    infinite = _MAYBE_INFINITE.search(payload) is not None and _has_infinity(value)
    return _infinite(value) if infinite else _from_object(value)


# A number such as 1e400 is JSON, and infinity once it is read: what is written of it is no JSON for other peers.
_MAYBE_INFINITE = re.compile(rb"[0-9][eE]\+?[0-9]{2}|[0-9]{299}")


def _has_infinity(value: object) -> bool:
    values = [value]
    while values:
        match values.pop():
            case float(number) if math.isinf(number):
                return True
            case dict(members):
                values += members.values()
            case list(items):
                values += items
    return False


def _infinite(value: dict[str, Any]) -> Malformed:
    reason = "A number of the message is out of range."
    request_id = value.get("id")
    if not isinstance(request_id, str | int) or isinstance(request_id, bool):
        return _malformed(None, INVALID_REQUEST, reason)
    if "method" not in value:
        return Malformed(reason, None, request_id)
    return _malformed(request_id if len(str(request_id)) <= MAX_ID_CHARACTERS else None, INVALID_REQUEST, reason)


def _too_large(payload: bytes, reason: str) -> Malformed:
    return Malformed(reason, error_answer(_id_at_the_edge(payload), ErrorCode.MESSAGE_TOO_LARGE, reason))


def _from_object(value: dict[str, Any]) -> JSONRPCMessage | Malformed:
    request_id = value.get("id")
    if not (isinstance(request_id, str) or (isinstance(request_id, int) and not isinstance(request_id, bool))):
        request_id = None
    if "method" not in value and ("result" in value or "error" in value):
        return _response(value, request_id)
    if isinstance(request_id, str) and len(request_id) > MAX_ID_CHARACTERS:
        return _malformed(None, INVALID_REQUEST, f'The member "id" is longer than {MAX_ID_CHARACTERS} characters.')
    if value.get("jsonrpc") != "2.0":
        return _malformed(request_id, INVALID_REQUEST, 'The member "jsonrpc" is not "2.0".')
    if not isinstance(value.get("method"), str):
        return _malformed(request_id, INVALID_REQUEST, 'The member "method" is missing or not a string.')
    if "id" in value and request_id is None:
        return _malformed(None, INVALID_REQUEST, 'The member "id" is neither a string nor an integer.')
    return _call(value, request_id)


def _call(value: dict[str, Any], request_id: RequestId | None) -> JSONRPCMessage | Malformed:
    method, params = value["method"], value.get("params")
    if params is not None and not isinstance(params, dict):
        reason = 'The member "params" is not an object.'
        return Malformed(reason, None if request_id is None else error_answer(request_id, INVALID_PARAMS, reason))
    # Checked here and by the caller, so that nothing is left for pydantic to validate.
    if request_id is None:
        return JSONRPCNotification.model_construct(jsonrpc="2.0", method=method, params=params)
    return JSONRPCRequest.model_construct(jsonrpc="2.0", id=request_id, method=method, params=params)


def _response(value: dict[str, Any], request_id: RequestId | None) -> JSONRPCMessage | Malformed:
    result = value.get("result")
    if request_id is not None and value.get("jsonrpc") == "2.0" and "error" not in value and isinstance(result, dict):
        return JSONRPCResponse.model_construct(jsonrpc="2.0", id=request_id, result=result)
    try:
        return JSONRPCError.model_validate(value, by_name=False)
    except ValidationError:
        # Answering a response could make two peers send errors to each other for ever.
        return Malformed("The message is no valid JSON-RPC response.", None, request_id)


def _malformed(request_id: RequestId | None, code: int, reason: str) -> Malformed:
    return Malformed(reason, error_answer(request_id, code, reason))


_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*'
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID + rb",")
_ID_LAST = re.compile(rb",\s*" + _ID + rb"\}\s*\Z")
_EDGE_BYTES = 512


def _id_at_the_edge(payload: bytes) -> RequestId | None:
    """The id of a message that is too large to parse, where it stands first or last, as most libraries write it.

    So that the caller's request fails at once instead of running into its time limit.
    """
    match = _ID_FIRST.match(payload[:_EDGE_BYTES]) or _ID_LAST.search(payload[-_EDGE_BYTES:])
    if match is None:
        return None
    try:
        request_id: RequestId = pydantic_core.from_json(match[1])
    except ValueError:
        return None
    return request_id


def bounded_answer(message: JSONRPCMessage) -> JSONRPCMessage:
    """Shorten the texts of an error, with a visible mark: many repeat a name that the client sent, of any length."""
    if isinstance(message, JSONRPCError):
        text, data = bounded(message.error.message, LINE_CHARACTERS), _bounded_texts(message.error.data)
        if (text, data) == (message.error.message, message.error.data):
            return message
        return message.model_copy(update={"error": message.error.model_copy(update={"message": text, "data": data})})
    if isinstance(message, JSONRPCResponse) and message.result.get("isError") is True:
        content = _bounded_texts(message.result.get("content"), MAX_TOOL_ERROR_CHARACTERS)
        return message.model_copy(update={"result": message.result | {"content": content}})
    return message


def _bounded_texts(value: Any, limit: int = LINE_CHARACTERS) -> Any:
    match value:
        case str():
            return bounded(value, limit)
        case list():
            return [_bounded_texts(each, limit) for each in value]
        case dict():
            return {bounded(key, limit): _bounded_texts(each, limit) for key, each in value.items()}
        case _:
            return value


def dump(message: JSONRPCMessage) -> bytes:
    """Write one message."""
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def dump_request(request_id: RequestId, method: str) -> bytes:
    """Write a request without ``params``."""
    return pydantic_core.to_json({"jsonrpc": "2.0", "id": request_id, "method": method})


def dump_notification(method: str, params: dict[str, Any] | None = None) -> bytes:
    """Write a notification; without ``params`` where there are none."""
    value = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})
    return pydantic_core.to_json(value)
