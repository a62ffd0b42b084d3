"""Subscribers of a Janus in one process: they receive, decrypt and reassemble frames, but do not decode.

Usage: ``python -m benchmarks._subscribing FOLDER FEED``; obeys ``join`` (``count``) and ``count``.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from unittest import mock

from aiortc import MediaStreamTrack, rtcrtpreceiver
from aiortc.jitterbuffer import JitterFrame

from benchmarks._processes import reply, requests
from benchmarks._watching import NotDecoding
from tests.janus import session_of


class _Subscriber:
    def __init__(self, video: MediaStreamTrack) -> None:
        self._video = video
        self.frames = 0
        self.bytes = 0
        self.started = asyncio.Event()

    async def receive(self) -> None:
        """Count what comes."""
        while True:
            frame: Any = await self._video.recv()
            self.frames += 1
            self.bytes += len(cast("JitterFrame", frame).data)
            self.started.set()


async def _obey(folder: Path, feed: int) -> None:
    subscribers: list[_Subscriber] = []
    receiving: list[asyncio.Task[None]] = []
    async with session_of(folder) as janus, AsyncExitStack() as watching:
        async for request in requests():
            match request:
                case {"do": "join", "count": int(count)}:
                    for _ in range(count):
                        one = _Subscriber(await watching.enter_async_context(janus.watching(feed)))
                        receiving.append(asyncio.create_task(one.receive(), name="subscriber"))
                        subscribers.append(one)
                        await one.started.wait()
                    reply(len(subscribers))
                case {"do": "count"}:
                    reply([one.frames for one in subscribers])
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)


if __name__ == "__main__":
    with mock.patch.object(rtcrtpreceiver, "get_decoder", return_value=NotDecoding()):
        asyncio.run(_obey(Path(sys.argv[1]), int(sys.argv[2])))
