"""Many cheap viewers in one process: they receive, decrypt and reassemble frames, but do not decode.

Usage: ``python -m benchmarks._watching BROKER_URL``; obeys ``join`` (``robot``, ``count``, ``small``), ``count`` and
``leave``.
Sixteen decoders would fill the machine that is being measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from unittest import mock

from aiortc import rtcrtpreceiver
from aiortc.jitterbuffer import JitterFrame

from benchmarks._processes import Peer, peer, reply, requests
from benchmarks._report import BenchmarkError
from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view

_T = TypeVar("_T")
_FRAME_LIMIT_S = 120.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Delivered:
    """Frames that reached the viewers in an interval.

    Attributes:
        fps: Frames per second, of each viewer.
        kbit_per_s: Video bitrate, of each viewer.
    """

    fps: tuple[float, ...]
    kbit_per_s: tuple[float, ...]


class Viewers:
    """Viewers in a process of their own. Made by :func:`viewers`."""

    def __init__(self, process: Peer) -> None:
        self._process = process

    async def join(self, robot: str, count: int, *, small: bool = False) -> None:
        """Let so many more watch a robot, or its small video; returns when each of them has received a frame."""
        await self._process.ask("join", robot=robot, count=count, small=small)

    async def leave(self) -> None:
        """Let all of them leave."""
        await self._process.ask("leave")

    async def frames(self) -> list[int]:
        """Number of frames that each of them has received since it came."""
        counted: list[int] = (await self._process.ask("count"))["frames"]
        return counted

    async def start_counting(self) -> Counting:
        """Count what reaches them from now on."""
        return Counting(self._process, await self._process.ask("count"))


class Counting:
    """A count that is going on. Made by :meth:`Viewers.start_counting`."""

    def __init__(self, process: Peer, before: dict[str, Any]) -> None:
        self._process = process
        self._before = before

    async def stop(self) -> Delivered:
        """What has reached the viewers since; waits until each of them has received a frame.

        Raises:
            BenchmarkError: one of them receives nothing.
        """
        after = await when_each_has_a_frame(
            lambda: self._process.ask("count"), self._before["frames"], lambda counted: counted["frames"]
        )
        seconds = after["at"] - self._before["at"]
        frames, size = (zip(self._before[what], after[what], strict=True) for what in ("frames", "bytes"))
        return Delivered(
            fps=tuple((now - then) / seconds for then, now in frames),
            kbit_per_s=tuple((now - then) / seconds * 8 / 1000 for then, now in size),
        )


async def when_each_has_a_frame(
    count: Callable[[], Awaitable[_T]], before: Sequence[int], frames: Callable[[_T], Sequence[int]]
) -> _T:
    """Count again and again until each receiver has a frame more than before: without one there is no rate.

    Args:
        count: Counts.
        before: The frames of each receiver before.
        frames: Those of a later count.

    Returns:
        The last count.

    Raises:
        BenchmarkError: A receiver gets no frame.
    """
    try:
        async with asyncio.timeout(_FRAME_LIMIT_S):
            while True:
                counted = await count()
                if all(now > then for then, now in zip(before, frames(counted), strict=True)):
                    return counted
                await asyncio.sleep(_POLL_S)  # another process, which is asked
    except TimeoutError as error:
        raise BenchmarkError(f"A receiver got no frame within {_FRAME_LIMIT_S:g} s.") from error


@contextlib.asynccontextmanager
async def viewers(private: PrivateBroker) -> AsyncIterator[Viewers]:
    """A process for viewers, in which nobody watches yet."""
    async with peer("benchmarks._watching", private.url) as process:
        yield Viewers(process)


class NotDecoding:
    """Replaces a decoder; returns its input."""

    def decode(self, encoded_frame: JitterFrame) -> list[JitterFrame]:
        return [encoded_frame]


@dataclass(slots=True)
class _Watcher:
    frames: int = 0
    bytes: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, broker: Broker, robot: str, *, small: bool) -> None:
        async with view(broker, robot, small=small) as viewing:
            while True:
                received = await viewing.frame()
                self.frames += 1
                self.bytes += len(cast("JitterFrame", received.image).data)
                self.started.set()


async def _obey(broker: Broker) -> None:
    watching: dict[asyncio.Task[None], _Watcher] = {}
    async with asyncio.TaskGroup() as group:
        async for request in requests():
            match request:
                case {"do": "join", "robot": str(robot), "count": int(count), "small": bool(small)}:
                    joining = [_Watcher() for _ in range(count)]
                    watching |= {
                        group.create_task(one.watch(broker, robot, small=small), name="viewer"): one for one in joining
                    }
                    for one in joining:
                        await one.started.wait()
                    reply(len(watching))
                case {"do": "count"}:
                    reply(_counts(list(watching.values())))
                case {"do": "leave"}:
                    await _end(list(watching))
                    watching.clear()
                    reply(0)
        await _end(list(watching))


def _counts(watchers: list[_Watcher]) -> dict[str, Any]:
    return {
        "at": time.monotonic(),
        "frames": [one.frames for one in watchers],
        "bytes": [one.bytes for one in watchers],
    }


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    with mock.patch.object(rtcrtpreceiver, "get_decoder", return_value=NotDecoding()):
        asyncio.run(_obey(Broker.from_url(sys.argv[1])))
