"""A server whose broker, network or credentials fail it."""

from __future__ import annotations

import asyncio
import logging
import re
import signal

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mqtt import Backoff, Broker
from tests.mcp_mqtt.peers import PRESENCE, SERVER_ID, SERVER_NAME, call, raw_peer, until_set
from tests.mcp_mqtt.proxy import Proxy
from tests.mcp_mqtt.toys import Toy, running, toy_server
from tests.waiting import DEADLINE_S, eventually


def retry_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in warnings_of(caplog) if "Next attempt in" in line]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def delays(lines: list[str]) -> list[float]:
    return [float(line.rpartition("Next attempt in ")[2].split()[0]) for line in lines]


@pytest.mark.own_broker
async def test_after_a_killed_broker_presence_is_published_anew_and_a_new_client_works(
    broker: PrivateBroker, address: Broker, toy: Toy
) -> None:
    async with running(broker, toy) as server:
        async with raw_peer(broker, "agent") as agent:
            await agent.open_session()
            await agent.rpc(call(1, "wait", name="call"))
            await toy.started.get()
            server.online.clear()
            broker.signal(signal.SIGKILL)
            assert await toy.ended.get() == "call cancelled"  # a session dies with its connection
        await broker.stop()
        await broker.start()
        await until_set(server.online)
        assert [status.connected for status in server.statuses][-1]
        async with raw_peer(broker, "observer") as observer:
            await observer.subscribe(PRESENCE)
            assert (await observer.until(lambda message: message.topic == PRESENCE)).retain
        async with Client(mqtt_transport(address, SERVER_ID, SERVER_NAME)) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


@pytest.mark.own_broker
async def test_a_broker_that_is_down_at_start_is_waited_for(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.stop()
    async with running(broker, toy, wait=False) as server:
        await eventually(lambda: len(retry_lines(caplog)) >= 2)
        assert not server.online.is_set()
        assert not server.statuses[-1].connected
        await broker.start()
        await until_set(server.online)
    assert "Cannot reach the MQTT broker" in retry_lines(caplog)[0]
    assert "Check that it runs and that the address is right." in retry_lines(caplog)[0]


async def test_wrong_credentials_are_one_warning_per_attempt_with_growing_delay(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async with PrivateBroker(anonymous=False) as guarded:
        address = Broker.from_url(f"mqtt://robot:wrong@127.0.0.1:{guarded.port}")
        async with running(address, toy, wait=False, backoff=Backoff(initial_s=0.05, maximum_s=60.0)):
            await eventually(lambda: len(retry_lines(caplog)) >= 4)
    lines = warnings_of(caplog)
    assert lines == retry_lines(caplog)
    assert all("refused the client robot-1: not authorized" in line for line in lines)
    assert all("Check the user name and password" in line for line in lines)
    assert "wrong" not in " ".join(lines)
    assert delays(lines) == sorted(delays(lines))


async def test_right_credentials_are_accepted(tmp_path_factory: pytest.TempPathFactory, toy: Toy) -> None:
    passwords = tmp_path_factory.mktemp("broker") / "passwords"
    making = await asyncio.create_subprocess_exec("mosquitto_passwd", "-b", "-c", passwords, "robot", "se:cr@t")
    assert await making.wait() == 0
    for part in (passwords, *passwords.parents[:3]):
        part.chmod(0o755)  # mosquitto, started as root, becomes another user
    async with PrivateBroker(anonymous=False, extra=f"password_file {passwords}") as guarded:
        address = Broker.from_url(f"mqtt://robot:se%3Acr%40t@127.0.0.1:{guarded.port}")
        async with running(address, toy), Client(mqtt_transport(address, SERVER_ID, SERVER_NAME)) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


async def test_two_servers_with_one_id_warn_and_slow_down_instead_of_fighting(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    # Both take the connection from each other; each time it was up for less than what counts as stable.
    async with (
        running(broker, toy, backoff=Backoff(initial_s=0.05, maximum_s=60.0)),
        running(broker, toy_server(), backoff=Backoff(initial_s=0.05, maximum_s=60.0)),
    ):
        await eventually(lambda: len(retry_lines(caplog)) >= 8)
    lines = warnings_of(caplog)
    assert lines == retry_lines(caplog)
    assert all("Perhaps another client uses the client id robot-1: each needs its own." in line for line in lines)
    assert delays(lines)[-1] > 4 * delays(lines)[0]


@pytest.mark.own_broker
async def test_stopping_while_the_broker_is_down_or_just_lost_is_heard(
    broker: PrivateBroker, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    slow = Backoff(initial_s=600.0, maximum_s=600.0)
    async with running(broker, toy, backoff=slow) as server, raw_peer(broker, "agent") as agent:
        await agent.open_session()
        await agent.rpc(call(1, "wait", name="call"))
        await toy.started.get()
        broker.signal(signal.SIGKILL)
        await toy.ended.get()  # the loss is being dealt with right now
        async with asyncio.timeout(DEADLINE_S):
            await server.stop()
    async with running(broker, toy, wait=False, backoff=Backoff(initial_s=600.0, maximum_s=600.0)) as server:
        await eventually(lambda: bool(re.search("Cannot reach.*Next attempt", caplog.text)))
        async with asyncio.timeout(DEADLINE_S):
            await server.stop()


async def test_a_cut_network_is_survived_many_times(broker: PrivateBroker, toy: Toy) -> None:
    async with Proxy(broker) as proxy, running(proxy.address, toy) as server:
        for round_number in range(5):
            async with raw_peer(broker, f"agent-{round_number}") as agent:
                await agent.open_session()
                await agent.rpc(call(1, "add", a=1, b=1))
                await agent.answer(1)
            server.online.clear()
            proxy.cut()
            await until_set(server.online)
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith("MCP session")]
