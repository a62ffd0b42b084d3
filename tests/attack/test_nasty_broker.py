"""A broker that breaks MQTT ends a connection, never a service: one line each, and another attempt."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.mqtt import Backoff, Broker, Connection, ConnectOptions, Subscription, keep_connected
from tests.attack.nasty_broker import BEHAVIOURS, nasty_broker
from tests.end_to_end.robot_process import RobotProcess
from tests.waiting import DEADLINE_S, eventually

_KEEPALIVE_S = 1
_SLOW = {"half a publish, then silence": pytest.mark.slow}  # until the keep-alive has expired


@pytest.mark.parametrize(
    "behaviour", [pytest.param(name, marks=_SLOW[name]) if name in _SLOW else name for name in BEHAVIOURS]
)
async def test_a_connection_survives_or_is_made_anew(behaviour: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    works = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.subscribe(Subscription("x"))
        await connection.publish("x", b"", qos=1)
        if not broker.behaviour or not BEHAVIOURS[behaviour].ends:
            works.set()
        await asyncio.Event().wait()

    async with nasty_broker(behaviour) as broker:
        task = asyncio.create_task(
            keep_connected(
                Broker(broker.url, connect_timeout_s=0.5, keepalive_s=_KEEPALIVE_S),
                ConnectOptions(client_id="one", max_packet_bytes=10_000),
                serve,
                name="Test",
                backoff=Backoff(initial_s=0.01, maximum_s=0.02),
            )
        )
        if BEHAVIOURS[behaviour].ends:
            await eventually(lambda: task.done() or "Next attempt in" in caplog.text, "the connection ends")
            broker.behaviour = ""
        await eventually(lambda: task.done() or works.is_set(), "a connection works")
        assert not task.done()
        await cancel_and_wait(task)
        lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert [line.getMessage() for line in lines if not line.getMessage().startswith("Test connection: ")] == []
        assert len(lines) == broker.connections - 1, "a line for each that failed"
        assert bool(lines) == BEHAVIOURS[behaviour].ends
        assert not any(line.exc_info for line in lines)
        assert "another client uses" not in caplog.text


@pytest.mark.slow  # a robot meets each of them
async def test_a_robot_comes_online_after_all_of_them(everybodys_broker: PrivateBroker, tmp_path: Path) -> None:
    async with nasty_broker() as broker:
        settings = {
            "ROBOT_NODE_BROKER__URL": broker.url,
            "ROBOT_NODE_BROKER__CONNECT_TIMEOUT_S": "0.5",
            "ROBOT_NODE_BROKER__KEEPALIVE_S": str(_KEEPALIVE_S),
            "ROBOT_NODE_BROKER__RECONNECT_INITIAL_S": "0.1",
            "ROBOT_NODE_BROKER__RECONNECT_MAXIMUM_S": "0.1",
        }
        robot = RobotProcess(everybodys_broker, tmp_path, settings=settings, names_broker=False)
        await robot.start()
        try:
            await eventually(lambda: "Online as" in robot.log, "the robot is online")
            for name, behaviour in BEHAVIOURS.items():
                broker.behaviour = name
                broker.close_all()
                before = broker.connections
                # Both of the robot's connections.
                await eventually(lambda: broker.connections >= before + 2, name)  # noqa: B023  # called at once
                if behaviour.ends:
                    await eventually(lambda: broker.connections >= before + 4, name)  # noqa: B023  # as above
            broker.behaviour = ""
            broker.close_all()
            online = robot.log.count("Online as")
            await eventually(lambda: robot.log.count("Online as") > online, "the robot is online again")
            assert "Traceback" not in robot.log
            assert "crashed" not in robot.log
            assert await asyncio.wait_for(robot.stop(), DEADLINE_S) == 0
        finally:
            await robot.kill()
