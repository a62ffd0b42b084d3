"""What the tests of a server's rules share: the rules, and packets to give them."""

from __future__ import annotations

import json
from typing import Any

from mcp_types import JSONRPCError, JSONRPCResponse

from robot_node.mcp_mqtt.actions import Action, Answer, Open, SessionKey
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.protocol import ServerProtocol
from robot_node.mcp_mqtt.topics import ServerTopics
from robot_node.mqtt import Incoming
from tests.mcp_mqtt.peers import CONTROL, SERVER_ID, SERVER_NAME, initialize, rpc_topic

ENVELOPE = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
WELCOME = JSONRPCResponse(jsonrpc="2.0", id=0, result={"serverInfo": {"name": "robot"}})
ROOTS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


class Protocol(ServerProtocol):
    """A server's rules, at a time of which most tests make nothing."""

    def receive(self, incoming: Incoming, now: float = 0.0) -> tuple[Action, ...]:
        return super().receive(incoming, now)


def protocol(*, max_sessions: int = 3, max_requests: int = 3, idle_s: float = 0.0, ping_s: float = 0.0) -> Protocol:
    return Protocol(
        ServerTopics(SERVER_ID, SERVER_NAME),
        ServerLimits(
            max_sessions=max_sessions,
            max_requests=max_requests,
            max_message_bytes=10_000,
            idle_limit_s=idle_s,
            ping_interval_s=ping_s,
            ping_timeout_s=10,
        ),
    )


def packet(topic: str, message: object, *, sender: str | None = None, retain: bool = False) -> Incoming:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    pairs = () if sender is None else (("MCP-MQTT-CLIENT-ID", sender),)
    return Incoming(topic, payload, retain, pairs)


def control(client_id: str | None, message: object) -> Incoming:
    return packet(CONTROL, message, sender=client_id)


def rpc(client_id: str, message: object, *, sender: str | None = None) -> Incoming:
    return packet(rpc_topic(client_id), message, sender=sender)


def opened(core: Protocol, client_id: str = "agent") -> SessionKey:
    action = core.receive(control(client_id, initialize()))[0]
    assert isinstance(action, Open)
    return action.session


def welcomed(core: Protocol, client_id: str = "agent") -> SessionKey:
    """Open a session, and have its ``initialize`` answered."""
    session = opened(core, client_id)
    assert core.answered(session, 0, WELCOME) == (True, ())
    return session


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


def error_of(action: Action) -> tuple[str, Any, int]:
    assert isinstance(action, Answer)
    assert isinstance(action.message, JSONRPCError)
    return action.client_id, action.message.id, action.message.error.code
