"""A robot that is observed, and a stranger that sends it what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks._processes import Peer
from benchmarks._report import BenchmarkError, progress
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker, Connection, ConnectOptions, Incoming, Subscription, connect

SETTLE_S = 0.1
ANSWER_S = 30.0

Action = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Kind:
    """What was measured of one kind of input."""

    pauses_ms: dict[str, float] = field(default_factory=dict)
    busy_ms: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0

    def as_result(self) -> dict[str, Any]:
        worst = max(self.busy_ms, key=self.busy_ms.__getitem__)
        return {
            "worst_pause_ms": max(self.pauses_ms.values()),
            "worst_busy_ms": self.busy_ms[worst],
            "memory_mb": round(self.memory_mb, 1),
            "worst": worst,
            "messages": len(self.busy_ms),
        }


class Observed:
    """The robot's process, and what its messages cost it."""

    def __init__(self, process: Peer, rounds: int, step: int) -> None:
        self._process = process
        self._rounds = rounds
        self._step = step
        self.kinds: dict[str, Kind] = {}

    async def ask(self, do: str, **details: Any) -> Any:
        """Have the process do something itself."""
        return await self._process.ask(do, **details)

    async def measure(self, kind: str, cases: Iterable[tuple[str, Action]], handled: Action) -> None:
        """Send each message some times.

        Args:
            kind: What they are.
            cases: Their names, and what sends them.
            handled: Returns once the robot has handled what was sent before.
        """
        measured = self.kinds.setdefault(kind, Kind())
        before = (await self.ask("pause"))["resident_mib"]
        for name, send in tuple(cases)[:: self._step]:
            pauses, busy = [], []
            for _ in range(self._rounds):
                await asyncio.sleep(SETTLE_S)
                await self.ask("pause")
                await send()
                await handled()
                await asyncio.sleep(SETTLE_S)
                figures = await self.ask("pause")
                pauses.append(figures["pause_ms"])
                busy.append(figures["busy_ms"])
                measured.memory_mb = max(measured.memory_mb, figures["resident_mib"] - before)
            measured.pauses_ms[name] = statistics.median(pauses)
            measured.busy_ms[name] = statistics.median(busy)
        shown = measured.as_result()
        progress(
            f"{kind}: {shown['worst_busy_ms']:.1f} ms busy ({shown['worst']}), "
            f"{shown['worst_pause_ms']:.1f} ms late, {shown['memory_mb']:.0f} MB"
        )


class Stranger:
    """An MQTT client that sends what it likes, and hears what is answered."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._answers: asyncio.Queue[Incoming] = asyncio.Queue()
        connection.on_message = self._answers.put_nowait

    def sends(self, topic: str, payload: bytes) -> Action:
        async def send() -> None:
            while not self._answers.empty():
                self._answers.get_nowait()
            await self.connection.publish(topic, payload)

        return send

    async def until(self, wanted: Callable[[bytes], bool]) -> bytes:
        """The first answer that fits.

        Raises:
            BenchmarkError: it doesn't come.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                while not wanted(payload := (await self._answers.get()).payload):
                    pass
        except TimeoutError as error:
            raise BenchmarkError("The robot does not answer any more.") from error
        return payload


@contextlib.asynccontextmanager
async def a_stranger(
    private: PrivateBroker, *topics: str, name: str = "", properties: Iterable[tuple[str, str]] = ()
) -> AsyncIterator[Stranger]:
    client_id = name or f"stranger-{secrets.token_hex(4)}"
    identity = (("MCP-MQTT-CLIENT-ID", client_id),)
    options = ConnectOptions(client_id=client_id, publish_properties=(*identity, *properties))
    async with connect(Broker.from_url(private.url), options) as connection:
        stranger = Stranger(connection)
        if topics:
            await connection.subscribe(*(Subscription(topic, no_local=True) for topic in topics))
        yield stranger
