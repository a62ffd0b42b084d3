"""The rules of a server, one by one: a packet in, actions out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from robot_node.mcp_mqtt.actions import (
    Answer,
    Close,
    Deliver,
    LogNotice,
    Open,
    Ping,
    Retire,
    SessionKey,
    UnsubscribeClient,
)
from robot_node.mcp_mqtt.protocol import is_for_every_client, opens_session
from robot_node.mqtt import Incoming
from tests.mcp_mqtt.peers import CAPABILITY, CONTROL, DISCONNECTED, INITIALIZED, call, initialize, request, rpc_topic
from tests.mcp_mqtt.protocol_rig import ENVELOPE, ROOTS_CHANGED, control, error_of, kinds, opened, packet, protocol, rpc


def test_the_first_message_of_an_unknown_client_opens_a_session() -> None:
    core = protocol()
    opening, delivery = core.receive(control("agent", initialize(0)))
    assert opening == Open(SessionKey("agent", 1))
    assert isinstance(delivery, Deliver)
    assert delivery.session == SessionKey("agent", 1)
    assert isinstance(delivery.message, JSONRPCRequest)
    assert (delivery.message.id, delivery.message.method) == (0, "initialize")


def test_each_era_opens_sessions_on_the_control_topic() -> None:
    for message in (initialize(), request(1, "server/discover"), request(1, "tools/list", ENVELOPE)):
        assert kinds(protocol().receive(control("agent", message))) == ["Open", "Deliver"]


def test_a_request_that_opens_nothing_is_refused_on_the_control_topic() -> None:
    for params in (None, {}, {"_meta": 5}, {"_meta": {"io.modelcontextprotocol/protocolVersion": 5}}):
        (answer,) = protocol().receive(control("agent", request(4, "tools/list", params)))
        assert error_of(answer) == ("agent", 4, -32601)


def test_later_messages_travel_on_the_rpc_topic() -> None:
    core = protocol()
    session = opened(core)
    for message in (INITIALIZED, request(1, "tools/list"), {"jsonrpc": "2.0", "id": 1, "result": {}}):
        (delivery,) = core.receive(rpc("agent", message))
        assert isinstance(delivery, Deliver)
        assert delivery.session == session


def test_too_many_sessions_are_refused_until_one_ends() -> None:
    core = protocol(max_sessions=1)
    opened(core, "one")
    note, answer = core.receive(control("two", initialize(9)))
    assert isinstance(note, LogNotice)
    assert error_of(answer) == ("two", 9, -32011)
    core.receive(rpc("one", DISCONNECTED))
    assert kinds(core.receive(control("two", initialize()))) == ["Open", "Deliver"]


def test_disconnected_ends_the_session_on_either_topic_and_only_once() -> None:
    for topic in (rpc_topic("agent"), "$mcp-client/presence/agent"):
        core = protocol()
        session = opened(core)
        assert core.receive(packet(topic, DISCONNECTED)) == (Close(session, "the client left", unsubscribe=True),)
        assert core.receive(packet(topic, DISCONNECTED)) == ()
        assert core.sessions == ()


def test_a_will_with_params_null_counts() -> None:
    core = protocol()
    opened(core)
    will = b'{"jsonrpc":"2.0","method":"notifications/disconnected","params":null}'
    assert kinds(core.receive(packet("$mcp-client/presence/agent", will))) == ["Close"]


def test_a_request_without_a_session_is_an_error_and_a_notification_is_nothing() -> None:
    core = protocol()
    (answer,) = core.receive(rpc("agent", request(3, "tools/list")))
    assert error_of(answer) == ("agent", 3, -32013)
    assert core.receive(rpc("agent", INITIALIZED)) == ()
    assert core.receive(packet("$mcp-client/capability/agent", ROOTS_CHANGED)) == ()


def test_a_client_capability_notification_reaches_its_session() -> None:
    core = protocol()
    session = opened(core)
    (delivery,) = core.receive(packet("$mcp-client/capability/agent", ROOTS_CHANGED))
    assert isinstance(delivery, Deliver)
    assert delivery.session == session
    assert isinstance(delivery.message, JSONRPCNotification)


def test_presence_and_capability_carry_notifications_only() -> None:
    core = protocol()
    opened(core)
    for topic in ("$mcp-client/presence/agent", "$mcp-client/capability/agent"):
        assert kinds(core.receive(packet(topic, call(1, "add")))) == ["LogNotice"]
        assert kinds(core.receive(packet(topic, b"123"))) == ["LogNotice"]


def test_on_the_control_topic_the_user_property_names_the_client() -> None:
    for sender in (None, "", "a/b", "+", "#", "a\0"):
        assert kinds(protocol().receive(control(sender, initialize()))) == ["LogNotice"]


def test_a_topic_that_names_a_client_carries_only_that_client() -> None:
    core = protocol()
    opened(core, "victim")
    for topic in (rpc_topic("victim"), "$mcp-client/presence/victim", "$mcp-client/capability/victim"):
        assert kinds(core.receive(packet(topic, DISCONNECTED, sender="attacker"))) == ["LogNotice"]
        assert kinds(core.receive(packet(topic, DISCONNECTED, sender=""))) == ["LogNotice"]
    assert len(core.sessions) == 1


def test_a_topic_names_the_sender_where_the_user_property_is_missing() -> None:
    core = protocol()
    opened(core)
    assert kinds(core.receive(rpc("agent", request(1, "tools/list"), sender=None))) == ["Deliver"]


def test_retained_messages_are_ignored() -> None:
    core = protocol()
    assert kinds(core.receive(packet(CONTROL, initialize(), sender="agent", retain=True))) == ["LogNotice"]
    opened(core)
    assert kinds(core.receive(packet(rpc_topic("agent"), DISCONNECTED, retain=True))) == ["LogNotice"]
    assert len(core.sessions) == 1


def test_malformed_messages_are_answered_and_noted_and_change_nothing() -> None:
    core = protocol()
    opened(core)
    for malformed in (control("agent", b"{"), control("stranger", b"123"), rpc("agent", b"[]")):
        note, answer = core.receive(malformed)
        assert isinstance(note, LogNotice)
        assert error_of(answer)[1] is None
    assert len(core.sessions) == 1


def test_notifications_and_responses_open_nothing() -> None:
    core = protocol()
    for message in (INITIALIZED, {"jsonrpc": "2.0", "id": 1, "result": {}}):
        assert kinds(core.receive(control("agent", message))) == ["LogNotice"]
    assert core.sessions == ()


def test_unanswered_requests_are_limited_per_client() -> None:
    core = protocol(max_requests=2)
    session = opened(core)
    opened(core, "other")
    assert kinds(core.receive(rpc("agent", call(1, "add")))) == ["Deliver"]
    note, answer = core.receive(rpc("agent", call(2, "add")))
    assert isinstance(note, LogNotice)
    assert error_of(answer) == ("agent", 2, -32012)
    assert kinds(core.receive(rpc("other", call(1, "add")))) == ["Deliver"]
    core.answered(session, 1)
    assert kinds(core.receive(rpc("agent", call(3, "add")))) == ["Deliver"]


def test_notifications_still_reach_a_client_with_many_requests() -> None:
    core = protocol(max_requests=1)
    opened(core)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}
    assert kinds(core.receive(rpc("agent", cancelled))) == ["Deliver"]


def test_a_message_for_a_full_inbox_is_answered_or_noted() -> None:
    core = protocol(max_requests=2)
    session = opened(core)
    (delivery,) = core.receive(rpc("agent", call(5, "add")))
    assert isinstance(delivery, Deliver)
    assert error_of(core.refused(session, delivery.message)[1]) == ("agent", 5, -32015)
    assert kinds(core.receive(rpc("agent", call(6, "add")))) == ["Deliver"]
    assert kinds(core.refused(session, JSONRPCNotification(jsonrpc="2.0", method="x"))) == ["LogNotice"]


def test_a_session_that_ends_by_itself_is_closed_once() -> None:
    core = protocol()
    session = opened(core)
    assert core.ended(session, "why") == (Close(session, "why", unsubscribe=True, notify=True),)
    assert core.ended(session, "why") == ()
    assert core.answered(session, 0) == (False, ())


def test_other_servers_topics_are_none_of_ours() -> None:
    for topic in ("$mcp-rpc/agent/robot-2/a/b", CAPABILITY, "x"):
        assert kinds(protocol().receive(packet(topic, call(1, "add"), sender="agent"))) == ["LogNotice"]


def test_changes_for_everybody_belong_on_the_capability_topic() -> None:
    def notification(method: str, params: dict[str, Any] | None = None) -> JSONRPCNotification:
        return JSONRPCNotification(jsonrpc="2.0", method=method, params=params)

    assert is_for_every_client(notification("notifications/tools/list_changed"))
    assert is_for_every_client(notification("notifications/resources/updated", {"uri": "robot://status"}))
    assert not is_for_every_client(notification("notifications/progress"))
    listened = {"uri": "x", "_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
    assert not is_for_every_client(notification("notifications/resources/updated", listened))
    assert not is_for_every_client(JSONRPCResponse(jsonrpc="2.0", id=1, result={}))


def test_an_envelope_opens_a_session_with_any_method() -> None:
    assert opens_session(JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params=ENVELOPE))


topics_of_packets = st.sampled_from(
    [CONTROL, rpc_topic("a"), rpc_topic("b"), "$mcp-client/presence/a", "$mcp-client/capability/b"]
) | st.text(max_size=20)
messages = st.sampled_from(
    [initialize(), INITIALIZED, DISCONNECTED, call(1, "add"), request(2, "server/discover"), [], 5, {"id": 1}]
).map(lambda message: json.dumps(message).encode()) | st.binary(max_size=30)
senders = st.sampled_from(["a", "b", "", "+"]) | st.text(max_size=5)
properties = st.just(()) | senders.map(lambda sender: (("MCP-MQTT-CLIENT-ID", sender),))
packets = st.builds(Incoming, topics_of_packets, messages, user_properties=properties)


@given(st.lists(packets, max_size=30))
def test_no_sequence_of_packets_breaks_the_rules(sequence: list[Incoming]) -> None:
    core = protocol(max_sessions=2)
    alive: set[SessionKey] = set()
    retired: set[SessionKey] = set()
    for each in sequence:
        for action in core.receive(each):
            match action:
                case Open(session):
                    assert session.client_id not in {other.client_id for other in alive}
                    alive.add(session)
                case Close(session):
                    (retired if session in retired else alive).remove(session)
                case Retire(session):
                    alive.remove(session)
                    retired.add(session)
                case Deliver(session):
                    assert session in alive
                case Answer() | LogNotice() | Ping() | UnsubscribeClient():
                    pass
        assert set(core.sessions) == alive
        assert len(alive) <= 2
        assert len(retired) <= 2
