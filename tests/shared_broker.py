"""One mosquitto for all tests of a process that do not stop theirs; each finds it as if it were new."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import aiomqtt

from robot_node.apps.private_broker import PrivateBroker
from tests.waiting import eventually

# "#" matches no topic that begins with "$".
_EVERYTHING = ("#", *(f"${name}/#" for name in ("mcp-server", "mcp-client", "mcp-rpc", "webrtc", "message")))
_END = "tests/everything-retained-came-before-this"
_ESTABLISHED, _CLOSE_WAIT = "01", "08"


def shared_broker() -> Iterator[PrivateBroker]:
    """Start the broker; stop it at the end."""
    broker = PrivateBroker(websocket_port=0)
    asyncio.run(broker.start())
    try:
        yield broker
    finally:
        asyncio.run(broker.stop())
        broker.close()


async def tidy(broker: PrivateBroker) -> None:
    """Wait until everybody has left, and remove what the broker and its log have kept."""
    ports = {broker.port, broker.websocket_port}
    await eventually(lambda: not ports & _ports_in_use(), "all clients have left the broker: they have to be closed")
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe([(topics, 0) for topics in _EVERYTHING])
        await client.publish(_END)
        async for message in client.messages:
            if message.topic.value == _END:
                break
            await client.publish(message.topic.value, b"", qos=1, retain=True)
    os.truncate(broker.directory / "log", 0)  # mosquitto appends


def _ports_in_use() -> set[int]:
    """The ports on this machine to which somebody is connected."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    sockets = (line.split()[1:4:2] for line in lines)
    return {int(local.rpartition(":")[2], 16) for local, state in sockets if state in {_ESTABLISHED, _CLOSE_WAIT}}
