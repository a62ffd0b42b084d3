"""What strangers may send: each gets a JSON-RPC error or one log line, and everybody else is served as before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from robot_node.apps.private_broker import PrivateBroker
from tests.mcp_mqtt.peers import CONTROL, DISCONNECTED, RawPeer, call, initialize, raw_peer, request, rpc_topic
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, running
from tests.waiting import DEADLINE_S, eventually

WILL = b'{"jsonrpc":"2.0","method":"notifications/disconnected","params":null}'
pytestmark = pytest.mark.usefixtures("bystander")


@pytest.fixture
async def bystander(broker: PrivateBroker, toy: Toy) -> AsyncIterator[RawPeer]:
    """A well-behaved client that is served before, and after, whatever the test does."""
    async with (
        running(broker, toy, max_sessions=3, max_requests=4),
        raw_peer(broker, "bystander") as peer,
    ):
        await peer.open_session()
        yield peer
        await peer.rpc(call("after", "add", a=40, b=2))
        assert (await peer.answer("after"))["result"]["structuredContent"] == {"result": 42}


@pytest.fixture
async def attacker(broker: PrivateBroker) -> AsyncIterator[RawPeer]:
    """A client whose will says ``"params": null``, as another SDK's does."""
    async with raw_peer(broker, "attacker", will=WILL) as peer:
        yield peer


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def passed_by(peer: RawPeer) -> None:
    """Wait until the server has handled everything that the peer sent before."""
    await peer.rpc(request("marker", "ping"))
    await peer.answer("marker")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b'{"jsonrpc": "2.0", ', -32700, id="invalid JSON"),
        pytest.param(b"\xff\xfe\x00", -32700, id="not UTF-8"),
        pytest.param(b"", -32700, id="empty"),
        pytest.param(b"123", -32600, id="a number"),
        pytest.param(b"null", -32600, id="null"),
        pytest.param(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, id="a batch"),
        pytest.param(b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, id="an id that is an object"),
        pytest.param(b"[" * 150, -32010, id="deep nesting"),
        pytest.param(b"[" + b"[]," * 300_000 + b"[]]", -32010, id="a megabyte of lists"),
    ],
)
@pytest.mark.parametrize("channel", ["control", "rpc"])
async def test_malformed_messages_are_answered_with_an_error(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture, payload: bytes, code: int, channel: str
) -> None:
    await attacker.open_session()
    await (attacker.control(payload) if channel == "control" else attacker.rpc(payload))
    assert (await attacker.answer(None))["error"]["code"] == code
    (line,) = warnings_in(caplog)
    assert "attacker" in line
    await passed_by(attacker)


@pytest.mark.parametrize("payload", [b"123", b"null", b"\xff", b"{", b""])
async def test_malformed_presence_of_a_client_is_one_log_line(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    await attacker.open_session()
    await attacker.publish("$mcp-client/presence/attacker", payload)
    await passed_by(attacker)
    assert len(warnings_in(caplog)) == 1


async def test_an_unknown_method_is_an_error(attacker: RawPeer) -> None:
    await attacker.control(request(1, "no/such"))
    assert (await attacker.answer(1))["error"]["code"] == -32601
    await attacker.open_session()
    await attacker.rpc(request(2, "no/such"))
    assert (await attacker.answer(2))["error"]["code"] == -32601


async def test_without_user_properties_the_control_topic_has_no_sender(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await attacker.control(initialize(), sender=None)
    await attacker.open_session()
    (line,) = warnings_in(caplog)
    assert line == "Ignored a message on the control topic with no client id: there is no topic for an answer."


async def test_without_user_properties_the_rpc_topic_names_the_sender(attacker: RawPeer) -> None:
    await attacker.open_session()
    await attacker.rpc(call(1, "who"), sender=None)
    assert (await attacker.answer(1))["result"]["structuredContent"] == {"result": "attacker"}


@pytest.mark.parametrize("client_id", ["a/b", "+", "#", "a+", "$mcp-rpc/#", "x" * 5000, "\ufeff"])
async def test_an_id_that_is_no_topic_level_is_one_log_line(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture, client_id: str
) -> None:
    await attacker.control(initialize(), sender=client_id)
    await attacker.open_session()
    (line,) = warnings_in(caplog)
    assert "with the client id" in line
    assert len(line) < 300


async def test_a_message_of_five_megabytes_is_answered_with_its_id(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await attacker.open_session()
    await attacker.rpc(call(7, "add", a="x" * 5_000_000, b=1))
    error = (await attacker.answer(7))["error"]
    assert error["code"] == -32010
    assert "the limit is 1048576" in error["message"]
    assert len(warnings_in(caplog)) == 1


async def test_a_session_keeps_no_more_of_its_opening_than_it_needs(attacker: RawPeer) -> None:
    opening = initialize(7)
    opening["params"]["clientInfo"]["name"] = "x" * 66_000
    await attacker.control(opening)
    error = (await attacker.answer(7))["error"]
    assert error["code"] == -32010
    assert "the limit is 65536" in error["message"]
    await attacker.open_session()


async def test_a_second_disconnected_changes_nothing(
    broker: PrivateBroker, attacker: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await attacker.open_session()
    await attacker.rpc(DISCONNECTED)
    await attacker.leave()
    await attacker.leave()
    await eventually(lambda: "Received UNSUBSCRIBE from robot-1" in broker.log)
    await attacker.open_session()
    await passed_by(attacker)
    assert warnings_in(caplog) == []


async def test_a_client_that_vanishes_in_the_middle_of_a_call_is_forgotten(
    broker: PrivateBroker, toy: Toy, bystander: RawPeer
) -> None:
    async with Proxy(broker) as proxy, raw_peer(proxy.address, "ghost", will=WILL) as ghost:
        await ghost.open_session()
        await ghost.rpc(call(1, "wait", name="ghost call"))
        async with asyncio.timeout(DEADLINE_S):
            await toy.started.get()
            proxy.cut()
            assert await toy.ended.get() == "ghost call cancelled"
    await eventually(lambda: "MCP session of ghost" not in {task.get_name() for task in asyncio.all_tasks()})
    async with raw_peer(broker, "ghost") as again:
        await again.open_session()
    assert bystander.seen() == []


async def test_a_client_that_leaves_before_its_session_is_up_is_served_the_next_time(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        await attacker.control(initialize())
        await attacker.leave()
        await attacker.rpc(DISCONNECTED)
    await attacker.open_session()
    await passed_by(attacker)
    assert warnings_in(caplog) == []


async def test_more_requests_than_the_limit_are_refused_one_by_one(
    attacker: RawPeer, toy: Toy, bystander: RawPeer
) -> None:
    await attacker.open_session()
    for number in range(1, 11):
        await attacker.rpc(call(number, "wait", name=str(number)))
    codes = [(await attacker.answer(number))["error"]["code"] for number in range(5, 11)]
    assert codes == [-32012] * 6
    await bystander.rpc(call(1, "add", a=1, b=2))
    assert "result" in await bystander.answer(1)
    toy.release.set()
    for number in range(1, 5):
        assert "result" in await attacker.answer(number)
    await attacker.rpc(call(11, "add", a=1, b=2))
    assert "result" in await attacker.answer(11)


async def test_a_flood_of_bad_messages_is_a_handful_of_log_lines(
    attacker: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await attacker.open_session()
    for _ in range(200):
        await attacker.publish("$mcp-client/presence/attacker", b"123")
    await passed_by(attacker)
    assert 1 <= len(warnings_in(caplog)) <= 10


async def test_too_many_sessions_are_refused_until_one_ends(broker: PrivateBroker, attacker: RawPeer) -> None:
    async with raw_peer(broker, "third") as third, raw_peer(broker, "fourth") as fourth:
        await attacker.open_session()
        await third.open_session()
        await fourth.control(initialize(1))
        error = (await fourth.answer(1))["error"]
        assert error["code"] == -32011
        assert "3 sessions" in error["message"]
        await third.leave()
        await eventually(lambda: "Received UNSUBSCRIBE from robot-1" in broker.log)
        await fourth.open_session()


async def test_no_client_speaks_on_another_ones_topics(
    attacker: RawPeer, bystander: RawPeer, caplog: pytest.LogCaptureFixture
) -> None:
    await attacker.publish(rpc_topic("bystander"), DISCONNECTED)
    await attacker.publish("$mcp-client/presence/bystander", DISCONNECTED)
    await attacker.publish(rpc_topic("bystander"), call(5, "who"))
    await passed_by(bystander)
    lines = warnings_in(caplog)
    assert len(lines) == 3
    assert all("'attacker'" in line and "bystander" in line for line in lines)
    # All that the bystander saw is what the attacker itself published there.
    assert all("result" not in message.json for message in bystander.seen())


async def test_retained_messages_on_control_and_rpc_topics_are_ignored(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_peer(broker, "littering") as littering:
        control = CONTROL.replace("robot-1", "robot-2")
        rpc = rpc_topic("agent").replace("robot-1", "robot-2")
        await littering.publish(control, initialize(), retain=True)
        await littering.publish(rpc, call(1, "wait"), sender="agent", retain=True)
    async with running(broker, toy, server_id="robot-2"), raw_peer(broker, "agent") as agent:
        await agent.subscribe(rpc)
        await agent.publish(control, initialize("mine"))
        await agent.until(lambda message: not message.retain and message.topic == rpc)
        lines = warnings_in(caplog)
    assert toy.started.empty()
    assert sorted(line.split()[5] for line in lines) == sorted([f"{control}:", f"{rpc}:"])


async def test_odd_user_properties_do_not_break_the_connection(
    attacker: RawPeer, bystander: RawPeer, broker: PrivateBroker
) -> None:
    for odd in ("\ufeff", "ü" * 1000, "", "\U0001f916"):
        await attacker.publish(CONTROL, initialize(), extra=((odd, odd), ("MCP-MQTT-CLIENT-ID", odd)))
    await passed_by(bystander)
    assert broker.log.count("as robot-1") == 1


async def test_a_packet_with_very_many_user_properties_costs_nobody_anything(
    attacker: RawPeer, bystander: RawPeer
) -> None:
    # Read as paho reads properties, this one packet would stop the server for minutes.
    many = tuple((str(number), "x" * 50) for number in range(20_000))
    await attacker.open_session()
    await attacker.publish(CONTROL, b"x" * 2_000_000, extra=many)
    await passed_by(bystander)
    await passed_by(attacker)
