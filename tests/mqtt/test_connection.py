"""One connection to real mosquitto: how it begins, is lost and ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from pathlib import Path

import aiomqtt
import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.errors import BrokerError
from robot_node.mqtt import Broker, Connection, Subscription, connect
from tests.mqtt.rig import ONE, ignore
from tests.waiting import DEADLINE_S, eventually


async def test_no_broker_is_an_error_that_names_it() -> None:
    with pytest.raises(BrokerError, match=r"Cannot reach the MQTT broker at mqtt://127\.0\.0\.1:1: "):
        async with connect(Broker.from_url("mqtt://127.0.0.1:1"), ONE, ignore):
            pass


@pytest.mark.own_broker
async def test_a_broker_that_never_answers_is_an_error(broker: PrivateBroker) -> None:
    broker.signal(signal.SIGSTOP)
    try:
        with pytest.raises(BrokerError, match="Cannot reach the MQTT broker"):
            async with connect(Broker(broker.url, connect_timeout_s=0.2), ONE, ignore):
                pass
    finally:
        broker.signal(signal.SIGCONT)
    # The attempt that was given up must not come to life later, and throw out whoever took its place.
    lost = asyncio.Event()
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        watch = asyncio.create_task(connection.lost())
        watch.add_done_callback(lambda _: lost.set())
        await connection.publish("x", b"", qos=1)
        await eventually(lambda: broker.log.count("as one (p5") + broker.log.count("<unknown> closed") >= 2)
        await connection.publish("x", b"", qos=1)
        assert not lost.is_set()
        await cancel_and_wait(watch)


@pytest.mark.own_broker
async def test_a_lost_connection_fails_what_is_tried_on_it(broker: PrivateBroker) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError, match="the connection was lost"):
            await asyncio.wait_for(connection.lost(), DEADLINE_S)
        for attempt in (connection.publish("x", b""), connection.publish("x", b"", qos=1)):
            with pytest.raises(BrokerError, match="Cannot publish"):
                await attempt
        with pytest.raises(BrokerError, match="Cannot subscribe"):
            await connection.subscribe(Subscription("x"))


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_nagles_algorithm_is_off(broker: PrivateBroker, transport: str) -> None:
    address = Broker.from_url(broker.url if transport == "tcp" else f"ws://127.0.0.1:{broker.websocket_port}")
    async with connect(address, ONE, ignore) as connection:
        wrapped = connection._client._client.socket()
        assert wrapped is not None
        with socket.socket(fileno=socket.dup(wrapped.fileno())) as duplicate:
            assert duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def _publish_until_lost(connection: Connection) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await connection.publish("x", b"")
            await asyncio.sleep(0.01)  # a kill is noticed when the socket says so


@pytest.mark.own_broker
async def test_a_loss_for_which_nobody_waits_is_not_complained_of(broker: PrivateBroker) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        broker.signal(signal.SIGKILL)
        with pytest.raises(BrokerError):
            await _publish_until_lost(connection)
    del connection
    gc.collect()
    assert not complaints


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_stop_in_the_moment_of_an_answer_is_heard(broker: PrivateBroker, *, succeeds: bool) -> None:
    async with connect(Broker.from_url(broker.url), ONE, ignore) as connection:
        client = connection._client
        subscribing = asyncio.create_task(connection.subscribe(Subscription("x")))
        await asyncio.sleep(0)  # it has sent its packet now
        (answer,) = client._pending_subscribes.values()
        if succeeds:
            answer.set_result([])
        else:
            answer.set_exception(aiomqtt.MqttError("refused"))
        subscribing.cancel()
        await asyncio.wait([subscribing])
        assert subscribing.cancelled()


async def test_connections_leave_no_task_or_descriptor(broker: PrivateBroker) -> None:
    address = Broker.from_url(broker.url)
    async with connect(address, ONE, ignore):
        pass

    def open_now() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))

    before = open_now()
    for _ in range(20):
        async with connect(address, ONE, ignore) as connection:
            await connection.publish("x", b"")
        with pytest.raises(BrokerError):
            async with connect(Broker("mqtt://127.0.0.1:1"), ONE, ignore):
                pass
    await eventually(lambda: open_now() <= before)
