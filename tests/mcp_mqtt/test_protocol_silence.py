"""The rules of a server for clients that say nothing: pings, and sessions that were idle for too long."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import JSONRPCError

from robot_node.mcp_mqtt.actions import Answer, Close, Open, Ping, UnsubscribeClient
from robot_node.mqtt import Incoming
from tests.mcp_mqtt.peers import DISCONNECTED, call, initialize, request
from tests.mcp_mqtt.protocol_rig import (
    ENVELOPE,
    ROOTS_CHANGED,
    Protocol,
    control,
    error_of,
    kinds,
    opened,
    packet,
    protocol,
    rpc,
)


def test_a_silent_client_gets_a_ping_and_is_let_go_without_an_answer() -> None:
    core = protocol(ping_s=30)
    session = opened(core)
    assert core.next_tick == 30
    assert core.tick(29) == ()
    (ping,) = core.tick(30)
    assert isinstance(ping, Ping)
    assert ping.session == session
    reason = "the client did not answer a ping"
    assert core.tick(40) == (Close(session, reason, unsubscribe=True, notify=True),)
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


SPOKEN = (rpc("agent", call(1, "add")), rpc("agent", b"{"), packet("$mcp-client/capability/agent", ROOTS_CHANGED))


@pytest.mark.parametrize("message", SPOKEN)
def test_any_message_of_the_client_shows_that_it_lives(message: Incoming) -> None:
    core = protocol(ping_s=30)
    session = opened(core)
    assert kinds(core.tick(30)) == ["Ping"]
    core.receive(message, 31)
    assert core.tick(10_000) == ()  # perhaps it answers no pings, and will not be asked again
    assert core.sessions == (session,)


def test_a_client_that_speaks_but_answers_no_ping_ends_when_idle() -> None:
    core = protocol(ping_s=30, idle_s=100)
    session = opened(core)
    core.answered(session, 0)
    core.tick(30)
    core.receive(rpc("agent", ROOTS_CHANGED), 31)
    for now in (61, 71, 120, 130):
        assert core.tick(now) == ()
    assert core.tick(131) == (Close(session, "the client was idle for too long", unsubscribe=False, notify=True),)


def test_a_client_that_answers_a_ping_late_is_pinged_again() -> None:
    core = protocol(ping_s=30, idle_s=100)
    opened(core)
    (ping,) = core.tick(30)
    assert isinstance(ping, Ping)
    core.receive(rpc("agent", ROOTS_CHANGED), 31)
    core.receive(rpc("agent", {"jsonrpc": "2.0", "id": ping.request_id, "result": {}}), 32)
    assert kinds(core.tick(62)) == ["Ping"]


def test_what_somebody_else_sends_is_no_sign_of_life() -> None:
    core = protocol(ping_s=30)
    opened(core)
    core.tick(30)
    core.receive(rpc("agent", call(1, "add"), sender="somebody else"), 31)
    core.receive(control("agent", initialize()), 32)
    assert kinds(core.tick(40)) == ["Close"]


def test_a_client_of_2026_is_not_asked_but_ends_when_idle() -> None:
    core = protocol(ping_s=30, idle_s=100)
    session = core.receive(control("agent", request(1, "server/discover", ENVELOPE)))[0]
    assert isinstance(session, Open)
    core.answered(session.session, 1)
    assert core.tick(99) == ()
    reason = "the client was idle for too long"
    assert core.tick(100) == (Close(session.session, reason, unsubscribe=False, notify=True),)


def idle(core: Protocol, client_id: str, now: float) -> None:
    """Have an idle session end."""
    opening = core.receive(control(client_id, request(1, "server/discover", ENVELOPE)), now)[0]
    assert isinstance(opening, Open)
    core.answered(opening.session, 1)
    assert "Close" in kinds(core.tick(now + 100))


def test_the_next_request_of_a_client_that_was_idle_is_an_error_that_says_so() -> None:
    core = protocol(idle_s=100)
    idle(core, "agent", 0)
    answer, forget = core.receive(rpc("agent", call(1, "add")), 200)
    assert isinstance(answer, Answer)
    assert error_of(answer) == ("agent", 1, -32013)
    assert isinstance(answer.message, JSONRPCError)
    assert "idle" in answer.message.error.message
    assert forget == UnsubscribeClient("agent")
    (answer,) = core.receive(rpc("agent", call(2, "add")), 200)
    assert isinstance(answer, Answer)
    assert isinstance(answer.message, JSONRPCError)
    assert "idle" not in answer.message.error.message


def test_the_topics_of_a_client_that_was_idle_are_given_up_when_it_leaves_and_kept_when_it_returns() -> None:
    core = protocol(idle_s=100)
    idle(core, "agent", 0)
    assert core.receive(packet("$mcp-client/presence/agent", DISCONNECTED), 150) == (UnsubscribeClient("agent"),)
    idle(core, "agent", 200)
    assert kinds(core.receive(control("agent", initialize()), 350)) == ["Open", "Deliver"]
    assert kinds(core.receive(rpc("agent", DISCONNECTED), 350)) == ["Close"]


def test_the_topics_of_only_so_many_idle_clients_are_kept() -> None:
    core = protocol(max_sessions=2, idle_s=100)
    for number in range(2):
        idle(core, f"agent-{number}", 1000 * number)
    opening = core.receive(control("last", request(1, "server/discover", ENVELOPE)), 5000)[0]
    assert isinstance(opening, Open)
    core.answered(opening.session, 1)
    assert core.tick(5100)[1:] == (UnsubscribeClient("agent-0"),)


def test_a_client_that_waits_for_an_answer_is_not_idle() -> None:
    core = protocol(idle_s=100)
    opening = core.receive(control("agent", request(1, "subscriptions/listen", ENVELOPE)))[0]
    assert isinstance(opening, Open)
    assert core.tick(100) == ()
    core.answered(opening.session, 1)
    assert core.next_tick == 200
    assert kinds(core.tick(200)) == ["Close"]


def test_a_client_whose_ping_could_not_be_sent_need_not_answer() -> None:
    core = protocol(ping_s=30)
    session = opened(core)
    core.tick(30)
    core.ping_not_sent(session, 30)
    assert core.tick(59) == ()
    assert kinds(core.tick(60)) == ["Ping"]


def test_a_replaced_session_is_not_asked() -> None:
    core = protocol(ping_s=30)
    opened(core)
    core.receive(control("agent", initialize(version="2")), 20)
    assert core.tick(49) == ()
    assert kinds(core.tick(50)) == ["Ping"]
