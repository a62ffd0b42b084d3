"""One mosquitto for all tests of a process that do not stop theirs; each finds it as if it were new."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import aiomqtt

from robot_node.apps.private_broker import PrivateBroker
from tests.waiting import DEADLINE_S, eventually

# "#" matches no topic that begins with "$".
_EVERYTHING = ("#", *(f"${name}/#" for name in ("mcp-server", "mcp-client", "mcp-rpc", "webrtc", "message")))
_END = "tests/everything-retained-came-before-this"
_ESTABLISHED, _CLOSE_WAIT = "01", "08"


@contextlib.contextmanager
def lone_broker() -> Iterator[PrivateBroker]:
    """A mosquitto of one's own, where no event loop runs."""
    shared = SharedBroker()
    try:
        yield asyncio.run(shared.ready())
    finally:
        asyncio.run(shared.close())


class SharedBroker:
    """A mosquitto that is tidied up after each test; where that fails, the next test gets another one.

    Args:
        patience_s: How long to wait for a test's clients to leave, in seconds.
    """

    def __init__(self, patience_s: float = DEADLINE_S) -> None:
        self._patience_s = patience_s
        self._broker: PrivateBroker | None = None

    async def ready(self) -> PrivateBroker:
        """Return it as if it were new."""
        if self._broker is None:
            self._broker = PrivateBroker(websocket_port=0)
            await self._broker.start()
        return self._broker

    async def tidy(self) -> None:
        """Wait until everybody has left, and remove what the broker and its log have kept.

        Raises:
            AssertionError: A client stays. It loses its connection, and no other test will meet it.
        """
        try:
            await _tidy(await self.ready(), self._patience_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop it."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.stop()
            broker.close()


async def _tidy(broker: PrivateBroker, patience_s: float) -> None:
    ports = {broker.port, broker.websocket_port}
    await eventually(
        lambda: not ports & _ports_in_use(),
        "all clients have left the broker: they have to be closed",
        deadline_s=patience_s,
    )
    async with (
        asyncio.timeout(DEADLINE_S),
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
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
