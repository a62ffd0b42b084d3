"""Messages over which the broker would end the connection, since they exceed its limit for packets. Pure."""

from __future__ import annotations

from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from robot_node.mcp_mqtt.jsonrpc import ErrorCode, error_answer

_REMEDY = "Raise the broker's limit (mosquitto: max_packet_size; EMQX: mqtt.max_packet_size), or ask for less."


def explain(what: str, size: int, limit: int) -> str:
    """Say that a message is too large, and what to set.

    Args:
        what: The message.
        size: Its size in bytes.
        limit: Largest size in bytes.
    """
    return f"{what} has {size} bytes; its broker takes at most {limit} in a message. {_REMEDY}"


def answer_instead(message: JSONRPCMessage, reason: str) -> JSONRPCMessage | None:
    """Return the answer to send instead of one that is too large; None for messages other than answers."""
    match message:
        # Only the result of a tool call has a list of contents. As a result its model reads the reason.
        case JSONRPCResponse(id=request_id, result={"content": list(), **rest}):
            result = {"content": [{"type": "text", "text": reason}], "isError": True}
            kept = {"resultType": rest["resultType"]} if "resultType" in rest else {}
            return JSONRPCResponse(jsonrpc="2.0", id=request_id, result=kept | result)
        case JSONRPCResponse(id=answered) | JSONRPCError(id=answered):
            return error_answer(answered, ErrorCode.MESSAGE_TOO_LARGE, reason)
        case _:
            return None
