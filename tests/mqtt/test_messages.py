"""Messages on a connection to real mosquitto: what arrives, what waits, what fails."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import BrokerError
from robot_node.mqtt import (
    Backoff,
    Broker,
    Connection,
    ConnectOptions,
    Incoming,
    Subscription,
    connect,
    keep_connected,
)
from tests.mqtt.rig import ONE, ignore
from tests.mqtt.scripted_broker import CONNECT, PUBLISH_QOS_1, puback, scripted_broker
from tests.waiting import DEADLINE_S, eventually


async def test_what_the_brokers_rules_forbid_is_told_once_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text("topic readwrite open\n")
    async with (
        PrivateBroker(extra=f"acl_file {tmp_path / 'acl'}") as private,
        connect(Broker.from_url(private.url), ConnectOptions("one"), lambda _: None) as connection,
    ):
        for _ in range(3):
            assert await connection.publish("closed", b"x", qos=1) == "not authorized"
        assert not await connection.publish("open", b"x", qos=1)
    (warning,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert warning.startswith("The broker refused what one published on closed: not authorized. Allow this topic")
    assert "robot-node doctor" in warning


async def test_a_message_arrives_with_its_user_properties(broker: PrivateBroker) -> None:
    arrived: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    options = ConnectOptions(client_id="one", publish_properties=(("A", "1"), ("B", "2")))
    async with connect(address, options, arrived.put_nowait) as connection:
        await connection.subscribe(Subscription("$mcp-x/+"))
        for qos in (0, 1):
            await connection.publish("$mcp-x/y", b"hello", qos=qos)
            message = await asyncio.wait_for(arrived.get(), DEADLINE_S)
            assert message == Incoming("$mcp-x/y", b"hello", user_properties=(("A", "1"), ("B", "2")))
            assert message.user_property("B") == "2"
            assert message.user_property("C") is None


async def test_a_broker_that_acknowledges_nothing_is_left_before_nothing_goes_out_any_more() -> None:
    acknowledging = False

    def answer(publish: bytes) -> bytes:
        return puback(0)(publish) if acknowledging else b""

    async def serve(connection: Connection) -> None:
        nonlocal acknowledging
        while True:  # a publisher that takes a failure lightly
            with contextlib.suppress(BrokerError):
                await connection.publish("x", b"", qos=1)
                arrived.set()
            acknowledging = broker.hung_up.is_set()
            await asyncio.sleep(0)

    arrived = asyncio.Event()
    async with scripted_broker({PUBLISH_QOS_1: answer}, timeout_s=0.2) as broker:
        backoff = Backoff(initial_s=0.01)
        staying = asyncio.create_task(keep_connected(broker.address, ONE, serve, name="Test", backoff=backoff))
        await asyncio.wait_for(arrived.wait(), DEADLINE_S)
        await cancel_and_wait(staying)
    # The broker was not told goodbye: it publishes the will of a client that it has lost.
    assert broker.packets[: broker.packets.index(CONNECT, 1)] == [CONNECT, PUBLISH_QOS_1]


async def test_a_listener_that_raises_does_not_end_the_connection(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def on_message(incoming: Incoming) -> None:
        if incoming.payload == b"bad":
            raise ValueError("cannot be handled")
        arrived.put_nowait(incoming.payload)

    async with connect(Broker.from_url(broker.url), ONE, on_message) as connection:
        await connection.subscribe(Subscription("x"))
        await connection.publish("x", b"bad")
        await connection.publish("x", b"good")
        assert await asyncio.wait_for(arrived.get(), DEADLINE_S) == b"good"
    assert "A message could not be handled" in caplog.text


@pytest.mark.own_broker
async def test_publishing_waits_for_a_broker_that_reads_too_slowly(broker: PrivateBroker) -> None:
    arrived = 0

    def on_message(_: Incoming) -> None:
        nonlocal arrived
        arrived += 1

    async with connect(Broker.from_url(broker.url), ONE, on_message) as connection:
        await connection.subscribe(Subscription("x"))
        broker.signal(signal.SIGSTOP)

        async def send_much() -> None:
            for _ in range(20):
                await connection.publish("x", bytes(1_000_000))

        sending = asyncio.create_task(send_much())
        done, _ = await asyncio.wait([sending], timeout=0.3)
        assert not done, "20 MB cannot have fitted into the socket: something has kept them in memory"
        broker.signal(signal.SIGCONT)
        await asyncio.wait_for(sending, DEADLINE_S)
        await eventually(lambda: arrived == 20)


@pytest.mark.own_broker
async def test_publishing_to_a_slow_broker_fails_when_it_dies(broker: PrivateBroker) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGSTOP)
        sending = asyncio.create_task(connection.publish("x", bytes(20_000_000)))
        await asyncio.wait([sending], timeout=0.1)
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="Cannot publish"):
            await asyncio.wait_for(sending, DEADLINE_S)


@pytest.mark.own_broker
async def test_what_is_not_acknowledged_fails_when_the_broker_dies_and_not_at_the_time_limit(
    broker: PrivateBroker,
) -> None:
    async with connect(Broker(broker.url, connect_timeout_s=1000), ONE, ignore) as connection:
        await connection.publish("a/b", b"", qos=1)
        broker.signal(signal.SIGSTOP)
        publishing = asyncio.create_task(connection.publish("a/b", b"", qos=1))
        await asyncio.sleep(0)
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="Cannot publish"):
            await asyncio.wait_for(publishing, DEADLINE_S)


@pytest.mark.own_broker
async def test_what_is_never_acknowledged_fails_at_the_time_limit(broker: PrivateBroker) -> None:
    async with connect(Broker(broker.url, connect_timeout_s=0.2), ONE, ignore) as connection:
        broker.signal(signal.SIGSTOP)
        try:
            with pytest.raises(BrokerError, match="Cannot publish"):
                await connection.publish("a/b", b"", qos=1)
        finally:
            broker.signal(signal.SIGCONT)


async def test_very_many_acknowledged_messages_at_once_all_arrive(broker: PrivateBroker) -> None:
    received: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    async with (
        connect(address, ConnectOptions(client_id="one"), received.put_nowait) as listener,
        connect(address, ConnectOptions(client_id="two"), ignore) as connection,
    ):
        await listener.subscribe(Subscription("a/b", qos=1))
        # More than the broker takes unacknowledged (MQTT 5.0, 3.2.2.3.3).
        await asyncio.gather(*(connection.publish("a/b", str(number).encode(), qos=1) for number in range(200)))
        payloads = [(await asyncio.wait_for(received.get(), DEADLINE_S)).payload for _ in range(200)]
    assert payloads == [str(number).encode() for number in range(200)]


async def test_a_packet_beyond_our_limit_is_dropped_by_the_broker(broker: PrivateBroker) -> None:
    arrived: asyncio.Queue[Incoming] = asyncio.Queue()
    address = Broker.from_url(broker.url)
    small = ConnectOptions(client_id="small", max_packet_bytes=1000)
    async with connect(address, small, arrived.put_nowait) as reader, connect(address, ONE, ignore) as sender:
        await reader.subscribe(Subscription("x"))
        await sender.publish("x", bytes(2000), qos=1)
        await sender.publish("x", b"fits", qos=1)
        assert (await asyncio.wait_for(arrived.get(), DEADLINE_S)).payload == b"fits"
