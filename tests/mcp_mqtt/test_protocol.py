"""The rules of a server, one by one: a packet in, actions out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from robot_node.mcp_mqtt.actions import Action, Answer, Close, Deliver, Forget, Note, Open, Packet, Ping, SessionKey
from robot_node.mcp_mqtt.liveness import SilenceLimits
from robot_node.mcp_mqtt.protocol import ServerProtocol, is_for_every_client, opens_session
from robot_node.mcp_mqtt.topics import ServerTopics
from tests.mcp_mqtt.peers import (
    CAPABILITY,
    CONTROL,
    DISCONNECTED,
    INITIALIZED,
    SERVER_ID,
    SERVER_NAME,
    call,
    initialize,
    request,
    rpc_topic,
)

ENVELOPE = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
ROOTS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


class Protocol(ServerProtocol):
    """A server's rules, at a time of which most tests make nothing."""

    def receive(self, packet: Packet, now: float = 0.0) -> tuple[Action, ...]:
        return super().receive(packet, now)


def protocol(*, max_sessions: int = 3, max_requests: int = 3, idle_s: float = 0.0, ping_s: float = 0.0) -> Protocol:
    return Protocol(
        ServerTopics(SERVER_ID, SERVER_NAME),
        max_sessions=max_sessions,
        max_requests=max_requests,
        max_message_bytes=10_000,
        silence=SilenceLimits(idle_s=idle_s, ping_s=ping_s, answer_s=10),
    )


def packet(topic: str, message: object, *, sender: str | None = None, retain: bool = False) -> Packet:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Packet(topic, payload, sender, retain)


def control(client_id: str | None, message: object) -> Packet:
    return packet(CONTROL, message, sender=client_id)


def rpc(client_id: str, message: object, *, sender: str | None = None) -> Packet:
    return packet(rpc_topic(client_id), message, sender=sender)


def opened(core: Protocol, client_id: str = "agent") -> SessionKey:
    action = core.receive(control(client_id, initialize()))[0]
    if isinstance(action, Close):
        action = core.receive(control(client_id, initialize()))[1]
    assert isinstance(action, Open)
    return action.session


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


def error_of(action: Action) -> tuple[str, Any, int]:
    assert isinstance(action, Answer)
    return action.client_id, action.error.id, action.error.error.code


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


def test_a_second_initialize_replaces_the_session() -> None:
    core = protocol()
    first = opened(core)
    closing, opening, delivery = core.receive(control("agent", initialize()))
    assert closing == Close(first, "the client opened a new session", unsubscribe=False)
    assert opening == Open(SessionKey("agent", 2))
    assert isinstance(delivery, Deliver)
    assert delivery.session == SessionKey("agent", 2)
    assert not core.is_current(first)
    assert core.is_current(SessionKey("agent", 2))


def test_replacing_is_possible_when_all_places_are_taken() -> None:
    core = protocol(max_sessions=1)
    opened(core)
    assert kinds(core.receive(control("agent", initialize()))) == ["Close", "Open", "Deliver"]


def test_too_many_sessions_are_refused_until_one_ends() -> None:
    core = protocol(max_sessions=1)
    opened(core, "one")
    note, answer = core.receive(control("two", initialize(9)))
    assert isinstance(note, Note)
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
        assert kinds(core.receive(packet(topic, call(1, "add")))) == ["Note"]
        assert kinds(core.receive(packet(topic, b"123"))) == ["Note"]


def test_on_the_control_topic_the_user_property_names_the_client() -> None:
    for sender in (None, "", "a/b", "+", "#", "a\0"):
        assert kinds(protocol().receive(control(sender, initialize()))) == ["Note"]


def test_a_topic_that_names_a_client_carries_only_that_client() -> None:
    core = protocol()
    opened(core, "victim")
    for topic in (rpc_topic("victim"), "$mcp-client/presence/victim", "$mcp-client/capability/victim"):
        assert kinds(core.receive(packet(topic, DISCONNECTED, sender="attacker"))) == ["Note"]
        assert kinds(core.receive(packet(topic, DISCONNECTED, sender=""))) == ["Note"]
    assert len(core.sessions) == 1


def test_a_topic_names_the_sender_where_the_user_property_is_missing() -> None:
    core = protocol()
    opened(core)
    assert kinds(core.receive(rpc("agent", request(1, "tools/list"), sender=None))) == ["Deliver"]


def test_retained_messages_are_ignored() -> None:
    core = protocol()
    assert kinds(core.receive(packet(CONTROL, initialize(), sender="agent", retain=True))) == ["Note"]
    opened(core)
    assert kinds(core.receive(packet(rpc_topic("agent"), DISCONNECTED, retain=True))) == ["Note"]
    assert len(core.sessions) == 1


def test_malformed_messages_are_answered_and_noted_and_change_nothing() -> None:
    core = protocol()
    opened(core)
    for malformed in (control("agent", b"{"), control("stranger", b"123"), rpc("agent", b"[]")):
        note, answer = core.receive(malformed)
        assert isinstance(note, Note)
        assert error_of(answer)[1] is None
    assert len(core.sessions) == 1


def test_notifications_and_responses_open_nothing() -> None:
    core = protocol()
    for message in (INITIALIZED, {"jsonrpc": "2.0", "id": 1, "result": {}}):
        assert kinds(core.receive(control("agent", message))) == ["Note"]
    assert core.sessions == ()


def test_unanswered_requests_are_limited_per_client() -> None:
    core = protocol(max_requests=2)
    session = opened(core)
    opened(core, "other")
    assert kinds(core.receive(rpc("agent", call(1, "add")))) == ["Deliver"]
    note, answer = core.receive(rpc("agent", call(2, "add")))
    assert isinstance(note, Note)
    assert error_of(answer) == ("agent", 2, -32012)
    assert kinds(core.receive(rpc("other", call(1, "add")))) == ["Deliver"]
    core.answered(session)
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
    assert kinds(core.refused(session, JSONRPCNotification(jsonrpc="2.0", method="x"))) == ["Note"]


def test_a_session_that_ends_by_itself_is_closed_once() -> None:
    core = protocol()
    session = opened(core)
    assert core.ended(session, "why") == (Close(session, "why", unsubscribe=True, tell=True),)
    assert core.ended(session, "why") == ()
    core.answered(session)


def test_what_ended_late_does_not_touch_its_successor() -> None:
    core = protocol()
    first = opened(core)
    core.receive(control("agent", initialize()))
    assert core.ended(first, "late") == ()
    assert len(core.sessions) == 1


def test_other_servers_topics_are_none_of_ours() -> None:
    for topic in ("$mcp-rpc/agent/robot-2/a/b", CAPABILITY, "x"):
        assert kinds(protocol().receive(packet(topic, call(1, "add"), sender="agent"))) == ["Note"]


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


def test_a_silent_client_gets_a_ping_and_is_let_go_without_an_answer() -> None:
    core = protocol(ping_s=30)
    session = opened(core)
    assert core.next_tick == 30
    assert core.tick(29) == ()
    (ping,) = core.tick(30)
    assert isinstance(ping, Ping)
    assert ping.session == session
    reason = "the client did not answer a ping"
    assert core.tick(40) == (Close(session, reason, unsubscribe=True, tell=True),)
    assert core.sessions == ()
    assert core.next_tick is None


def test_the_answer_to_a_ping_keeps_the_session_and_goes_no_further() -> None:
    core = protocol(ping_s=30)
    opened(core)
    answers: list[dict[str, Any]] = [{"result": {}}, {"error": {"code": -32601, "message": "Method not found"}}]
    for answer in answers:
        started = core.next_tick or 0
        (ping,) = core.tick(started)
        assert isinstance(ping, Ping)
        reply = {"jsonrpc": "2.0", "id": ping.request_id} | answer
        assert core.receive(rpc("agent", reply), started + 5) == ()
        assert core.tick(started + 10) == ()
        assert core.next_tick == started + 35


def test_any_message_of_the_client_shows_that_it_lives() -> None:
    core = protocol(ping_s=30)
    opened(core)
    now = 0.0
    for message in (
        rpc("agent", call(1, "add")),
        rpc("agent", b"{"),
        packet("$mcp-client/capability/agent", ROOTS_CHANGED),
    ):
        core.tick(now + 30)
        core.receive(message, now + 31)
        now += 31
        assert core.tick(now + 10) == ()
    core.tick(now + 30)
    core.receive(rpc("agent", call(1, "add"), sender="somebody else"), now + 31)
    assert kinds(core.tick(now + 40)) == ["Close"]


def test_a_client_of_2026_is_not_asked_but_ends_when_idle() -> None:
    core = protocol(ping_s=30, idle_s=100)
    session = core.receive(control("agent", request(1, "server/discover", ENVELOPE)))[0]
    assert isinstance(session, Open)
    core.answered(session.session)
    assert core.tick(99) == ()
    reason = "the client was idle for too long"
    assert core.tick(100) == (Close(session.session, reason, unsubscribe=False, tell=True),)


def idle(core: Protocol, client_id: str, now: float) -> None:
    """Have an idle session end."""
    opening = core.receive(control(client_id, request(1, "server/discover", ENVELOPE)), now)[0]
    assert isinstance(opening, Open)
    core.answered(opening.session)
    assert "Close" in kinds(core.tick(now + 100))


def test_the_next_request_of_a_client_that_was_idle_is_an_error_that_says_so() -> None:
    core = protocol(idle_s=100)
    idle(core, "agent", 0)
    answer, forget = core.receive(rpc("agent", call(1, "add")), 200)
    assert isinstance(answer, Answer)
    assert error_of(answer) == ("agent", 1, -32013)
    assert "idle" in answer.error.error.message
    assert forget == Forget("agent")
    (answer,) = core.receive(rpc("agent", call(2, "add")), 200)
    assert isinstance(answer, Answer)
    assert "idle" not in answer.error.error.message


def test_the_topics_of_a_client_that_was_idle_are_given_up_when_it_leaves_and_kept_when_it_returns() -> None:
    core = protocol(idle_s=100)
    idle(core, "agent", 0)
    assert core.receive(packet("$mcp-client/presence/agent", DISCONNECTED), 150) == (Forget("agent"),)
    idle(core, "agent", 200)
    assert kinds(core.receive(control("agent", initialize()), 350)) == ["Open", "Deliver"]
    assert kinds(core.receive(rpc("agent", DISCONNECTED), 350)) == ["Close"]


def test_the_topics_of_only_so_many_idle_clients_are_kept() -> None:
    core = protocol(max_sessions=2, idle_s=100)
    for number in range(2):
        idle(core, f"agent-{number}", 1000 * number)
    opening = core.receive(control("last", request(1, "server/discover", ENVELOPE)), 5000)[0]
    assert isinstance(opening, Open)
    core.answered(opening.session)
    assert core.tick(5100)[1:] == (Forget("agent-0"),)


def test_a_client_that_waits_for_an_answer_is_not_idle() -> None:
    core = protocol(idle_s=100)
    opening = core.receive(control("agent", request(1, "subscriptions/listen", ENVELOPE)))[0]
    assert isinstance(opening, Open)
    assert core.tick(100) == ()
    core.answered(opening.session)
    assert core.next_tick == 200
    assert kinds(core.tick(200)) == ["Close"]


def test_a_client_whose_ping_could_not_be_sent_need_not_answer() -> None:
    core = protocol(ping_s=30)
    session = opened(core)
    core.tick(30)
    core.not_asked(session, 30)
    assert core.tick(59) == ()
    assert kinds(core.tick(60)) == ["Ping"]


def test_a_replaced_session_is_not_asked() -> None:
    core = protocol(ping_s=30)
    opened(core)
    core.receive(control("agent", initialize()), 20)
    assert core.tick(49) == ()
    assert kinds(core.tick(50)) == ["Ping"]


topics_of_packets = st.sampled_from(
    [CONTROL, rpc_topic("a"), rpc_topic("b"), "$mcp-client/presence/a", "$mcp-client/capability/b"]
) | st.text(max_size=20)
messages = st.sampled_from(
    [initialize(), INITIALIZED, DISCONNECTED, call(1, "add"), request(2, "server/discover"), [], 5, {"id": 1}]
).map(lambda message: json.dumps(message).encode()) | st.binary(max_size=30)
packets = st.builds(
    Packet, topics_of_packets, messages, st.none() | st.sampled_from(["a", "b", "", "+"]) | st.text(max_size=5)
)


@given(st.lists(packets, max_size=30))
def test_no_sequence_of_packets_breaks_the_rules(sequence: list[Packet]) -> None:
    core = protocol(max_sessions=2)
    alive: set[SessionKey] = set()
    for each in sequence:
        for action in core.receive(each):
            match action:
                case Open(session):
                    assert session.client_id not in {other.client_id for other in alive}
                    alive.add(session)
                case Close(session):
                    alive.remove(session)
                case Deliver(session):
                    assert session in alive
                case Answer() | Note() | Ping() | Forget():
                    pass
        assert set(core.sessions) == alive
        assert len(alive) <= 2
