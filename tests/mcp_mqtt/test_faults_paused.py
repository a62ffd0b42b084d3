"""A broker that stands still for longer than some connections bear. In a file of its own: it takes half a minute."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest
from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import directory
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import SERVER_NAME, until_set
from tests.mcp_mqtt.tap import Tap
from tests.mcp_mqtt.test_faults import names_online, works
from tests.mcp_mqtt.toys import running, toy_server
from tests.waiting import DEADLINE_S


@pytest.mark.slow
@pytest.mark.own_broker
async def test_a_broker_that_is_paused_for_30_s_loses_nobody_and_keeps_no_ghost(
    broker: PrivateBroker, address: Broker
) -> None:
    """Three servers, of which one goes on waiting, one reconnects in vain meanwhile, and one dies meanwhile."""
    patient, hasty, mortal = toy_server(), toy_server(), toy_server()
    async with (
        running(broker, patient, server_id="patient", keepalive_s=60) as waiting,
        running(broker, hasty, server_id="hasty", keepalive_s=2, connect_timeout_s=1.0) as trying,
        Tap(broker) as line,
        Client(mqtt_transport(replace(address, keepalive_s=60), "patient", SERVER_NAME)) as client,
        directory(replace(address, keepalive_s=60)) as known,
    ):
        async with running(line.address, mortal, server_id="mortal"):
            assert await names_online(address) == {"patient", "hasty", "mortal"}
            broker.signal(signal.SIGSTOP)
            calling = asyncio.create_task(client.call_tool("add", {"a": 1, "b": 1}))
            line.cut()
        await asyncio.wait([calling], timeout=30)
        assert not calling.done()
        assert len([status for status in trying.statuses if not status.connected]) >= 2
        trying.online.clear()
        broker.signal(signal.SIGCONT)
        async with asyncio.timeout(DEADLINE_S):
            assert (await calling).structured_content == {"result": 2}
            await until_set(trying.online)
            async for servers in known.changes():
                if {server.server_id for server in servers} == {"patient", "hasty"}:
                    break
        await works(address, "hasty")
        assert await names_online(address) == {"patient", "hasty"}
        assert [status.connected for status in waiting.statuses] == [True]
