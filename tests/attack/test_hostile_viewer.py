"""A viewer with a session that floods the robot."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiortc import RTCSctpTransport

from robot_node.apps.private_broker import PrivateBroker
from robot_node.webrtc import packet_filter
from tests.waiting import DEADLINE_S
from tests.webrtc.conftest import running_robot
from tests.webrtc.peer import peer
from tests.webrtc.scene import grey_of, read_number

FLOOD = 3000


async def test_of_a_flood_on_the_data_channel_few_packets_are_handled_and_the_viewer_keeps_seeing(
    broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled = 0
    handle = RTCSctpTransport._handle_data

    async def count(sctp: RTCSctpTransport, data: bytes) -> None:
        nonlocal handled
        handled += sctp is not viewer.rtc.sctp
        await handle(sctp, data)

    monkeypatch.setattr(RTCSctpTransport, "_handle_data", count)
    async with running_robot(broker) as robot, peer(robot.broker) as viewer:
        viewer.rtc.createDataChannel("status")
        await viewer.offer()
        await viewer.frame()
        began, handled, sctp = time.monotonic(), 0, viewer.rtc.sctp
        assert sctp is not None
        for number in range(FLOOD):
            await sctp.transport._send_data(b"\x13\x88\x13\x88" + bytes(12))
            if number % 10 == 0:
                await asyncio.sleep(0)  # no more at once than the kernel queues
        target = robot.scene.encoded
        async with asyncio.timeout(DEADLINE_S):
            while read_number(grey_of(await viewer.frame())) <= target:
                pass
        allowed = packet_filter.DTLS_BURST + packet_filter.DTLS_PER_S * (time.monotonic() - began)
        assert 0 < handled <= allowed + 10, "and what was under way when the count began"
        assert allowed < FLOOD
        assert robot.viewers == 1
