"""The rules of a server for a client that opens a session while it has one."""

from __future__ import annotations

from mcp_types import CLIENT_INFO_META_KEY, JSONRPCResponse

from robot_node.mcp_mqtt.actions import Answer, Close, Deliver, Open, Retire, SessionKey
from robot_node.mcp_mqtt.jsonrpc import error_answer
from tests.mcp_mqtt.peers import DISCONNECTED, call, initialize, request
from tests.mcp_mqtt.protocol_rig import ENVELOPE, WELCOME, Protocol, control, kinds, opened, protocol, rpc, welcomed


def opened_anew(core: Protocol) -> SessionKey:
    """Replace the session of "agent"."""
    opening = core.receive(control("agent", initialize(version="2")))[1]
    assert isinstance(opening, Open)
    return opening.session


def test_another_initialize_replaces_the_session() -> None:
    core = protocol()
    first = welcomed(core)
    closing, opening, delivery = core.receive(control("agent", initialize(version="2")))
    assert closing == Close(first, "the client opened a new session", unsubscribe=False, replaced=True)
    assert opening == Open(SessionKey("agent", 2))
    assert isinstance(delivery, Deliver)
    assert delivery.session == SessionKey("agent", 2)
    assert not core.is_current(first)
    assert core.is_current(SessionKey("agent", 2))


def test_replacing_is_possible_when_all_places_are_taken() -> None:
    core = protocol(max_sessions=1)
    welcomed(core)
    assert kinds(core.receive(control("agent", initialize(version="2")))) == ["Close", "Open", "Deliver"]


def test_the_same_initialize_is_answered_and_keeps_the_session() -> None:
    core = protocol()
    session = welcomed(core)
    core.receive(rpc("agent", call(1, "add")))
    for request_id in (0, 7):
        (answer,) = core.receive(control("agent", initialize(request_id)))
        assert answer == Answer("agent", JSONRPCResponse(jsonrpc="2.0", id=request_id, result=WELCOME.result))
    assert core.sessions == (session,)
    assert core.answered(session, 1) == (True, ())


def test_the_same_initialize_with_the_same_id_before_the_first_is_answered_is_answered_with_it() -> None:
    core = protocol()
    session = opened(core)
    assert core.receive(control("agent", initialize())) == ()
    assert core.sessions == (session,)


def test_an_initialize_that_failed_is_no_session_to_keep() -> None:
    core = protocol()
    session = opened(core)
    core.answered(session, 0, error_answer(0, -32602, "Unsupported protocol version"))
    assert kinds(core.receive(control("agent", initialize()))) == ["Close", "Open", "Deliver"]


def test_the_same_discovery_is_answered_and_keeps_the_session() -> None:
    core = protocol()
    (opening, _) = core.receive(control("agent", request(1, "server/discover", ENVELOPE)))
    assert isinstance(opening, Open)
    core.answered(opening.session, 1, JSONRPCResponse(jsonrpc="2.0", id=1, result=WELCOME.result))
    (answer,) = core.receive(control("agent", request(7, "server/discover", ENVELOPE)))
    assert answer == Answer("agent", JSONRPCResponse(jsonrpc="2.0", id=7, result=WELCOME.result))
    assert core.sessions == (opening.session,)
    other = {"_meta": ENVELOPE["_meta"] | {CLIENT_INFO_META_KEY: {"name": "another"}}}
    assert kinds(core.receive(control("agent", request(1, "server/discover", other)))) == ["Close", "Open", "Deliver"]


def test_another_first_request_always_replaces_the_session() -> None:
    # Anybody can claim a client id on the control topic: what comes there must not reach a session that lives.
    core = protocol()
    message = request(1, "tools/list", ENVELOPE)
    (opening, _) = core.receive(control("agent", message))
    assert isinstance(opening, Open)
    core.answered(opening.session, 1)
    assert kinds(core.receive(control("agent", message))) == ["Close", "Open", "Deliver"]


def test_a_replaced_sessions_calls_end_by_themselves_and_are_answered() -> None:
    core = protocol()
    first = welcomed(core)
    core.receive(rpc("agent", call(1, "add")))
    core.receive(rpc("agent", call(2, "add")))
    actions = core.receive(control("agent", initialize(version="2")))
    assert actions[0] == Retire(first)
    assert kinds(actions) == ["Retire", "Open", "Deliver"]
    assert core.answered(first, 1) == (True, ())
    closing = Close(first, "the last call of a replaced session has ended", unsubscribe=False)
    assert core.answered(first, 2) == (True, (closing,))
    assert core.answered(first, 2) == (False, ())
    assert core.ended(first, "by itself") == ()


def test_an_answer_of_a_replaced_session_is_never_taken_for_that_of_a_new_request() -> None:
    core = protocol()
    first = welcomed(core)
    for request_id in (0, 1, 2):
        core.receive(rpc("agent", call(request_id, "add")))
    second = opened_anew(core)  # by a request with the id 0
    core.receive(rpc("agent", call(1, "add")))
    core.receive(rpc("other", call(2, "add")))
    assert [core.answered(second, request_id) for request_id in (0, 1)] == [(True, ())] * 2
    assert [core.answered(first, request_id)[0] for request_id in (0, 1, 2)] == [False, False, True]


def test_a_stream_of_changes_does_not_keep_a_replaced_session() -> None:
    core = protocol()
    (opening, _) = core.receive(control("agent", request(1, "server/discover", ENVELOPE)))
    assert isinstance(opening, Open)
    core.answered(opening.session, 1)
    core.receive(rpc("agent", request(2, "subscriptions/listen", ENVELOPE)))
    core.receive(rpc("agent", call(3, "add")))
    assert kinds(core.receive(control("agent", request(4, "server/discover", ENVELOPE)))) == [
        "Retire",
        "Open",
        "Deliver",
    ]
    assert kinds(core.answered(opening.session, 3)[1]) == ["Close"]


def test_a_client_that_leaves_ends_its_replaced_sessions_too() -> None:
    core = protocol()
    first = welcomed(core)
    core.receive(rpc("agent", call(1, "add")))
    second = opened_anew(core)
    assert core.receive(rpc("agent", DISCONNECTED)) == (
        Close(first, "the client left", unsubscribe=False),
        Close(second, "the client left", unsubscribe=True),
    )
    assert core.answered(first, 1) == (False, ())


def test_replaced_sessions_with_calls_that_do_not_end_are_limited() -> None:
    core = protocol(max_sessions=2)
    sessions = [welcomed(core)]
    for version in "234":
        core.receive(rpc("agent", call(version, "wait")))
        *before, opening, _ = core.receive(control("agent", initialize(version=version)))
        assert isinstance(opening, Open)
        sessions.append(opening.session)
    reason = "too many replaced sessions have calls that do not end"
    assert before == [Retire(sessions[2]), Close(sessions[0], reason, unsubscribe=False)]


def test_what_ended_late_does_not_touch_its_successor() -> None:
    core = protocol()
    first = welcomed(core)
    core.receive(rpc("agent", call(1, "add")))
    second = opened_anew(core)
    assert core.ended(first, "late") == (Close(first, "late", unsubscribe=False),)
    assert core.ended(first, "late") == ()
    assert core.sessions == (second,)
