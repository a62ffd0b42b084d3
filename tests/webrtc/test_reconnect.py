"""The signalling connection lost and found again, under running sessions."""

from __future__ import annotations

import signal

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import ConnectOptions, connect
from tests.waiting import eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.peer import peer
from tests.webrtc.scene import SERVER_ID, difference, grey_of, read_number


@pytest.mark.own_broker
async def test_sessions_go_on_while_the_broker_is_gone_and_new_ones_come_when_it_is_back(
    robot: Robot, broker: PrivateBroker
) -> None:
    async with peer(robot.broker, "before") as before:
        await before.offer()
        first = read_number(grey_of(await before.frame()))
        robot.ready.clear()
        broker.signal(signal.SIGKILL)
        await broker.stop()
        await eventually(lambda: not robot.links[-1].connected)
        for _ in range(30):
            frame = await before.frame()
        assert difference(frame) < 8
        assert read_number(grey_of(frame)) >= first + 30
        await broker.start()
        await robot.ready.wait()
        async with peer(robot.broker, "after") as after:
            await after.offer()
            assert difference(await after.frame()) < 8
            assert robot.viewers == 2
    assert [link.connected for link in robot.links][:2] == [True, False]
    assert robot.links[-1].connected


async def test_another_client_with_our_id_ends_no_session(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await robot.has_viewers(1)
        robot.ready.clear()
        async with connect(robot.broker, ConnectOptions(client_id=f"{SERVER_ID}-webrtc"), lambda _: None):
            await eventually(lambda: not robot.links[-1].connected)
        await robot.ready.wait()
        assert difference(await viewer.frame()) < 8
        assert robot.viewers == 1
