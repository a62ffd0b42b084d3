"""The writer of a clip: the loop never waits, memory is bounded, and a slow disk loses pictures only."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robot_node.robot.recording.library import Library, Limits
from robot_node.robot.recording.ring import Sample
from robot_node.robot.recording.writer import ClipWriter, Saved
from tests.robot.recording.source import GROUP, RATE, Source, numbers_in
from tests.waiting import DEADLINE_S, eventually

NAME = "clip-20261128-120000-000.mp4"


@dataclass
class Disk:
    """A disk that is busy until it is released."""

    writer: ClipWriter
    taken: list[Sample]
    source: Source
    released: threading.Event
    saved: asyncio.Future[Saved]

    def is_behind(self) -> bool:
        """It has lost pictures, and waits for a keyframe."""
        return self.writer.needs_keyframe

    async def add(self, seconds: float) -> list[int]:
        """Hand over the next pictures; returns their numbers."""
        numbers = await self.source.play(seconds)
        for sample in self.taken:
            self.writer.add(sample)
        self.taken.clear()
        return numbers


@asynccontextmanager
async def busy_disk(folder: Path, *, max_waiting_bytes: int) -> AsyncIterator[Disk]:
    released = threading.Event()

    def free_bytes(_: Path) -> int:
        released.wait(DEADLINE_S)
        return 10**12

    library = Library(folder, Limits(10**9, None, 1), free_bytes=free_bytes)
    source, taken = Source(), list[Sample]()
    source.watched = True
    source.set_sink(lambda frame: taken.append(Sample(frame.data, frame.timestamp_us, keyframe=frame.keyframe)))
    saved: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
    writer = ClipWriter(
        library,
        NAME,
        created=datetime.now(UTC),
        samples=(),
        sound=False,
        on_ended=saved.set_result,
        max_waiting_bytes=max_waiting_bytes,
    )
    try:
        yield Disk(writer, taken, source, released, saved)
    finally:
        released.set()
        writer.end()
        await asyncio.wait_for(saved, DEADLINE_S)


@pytest.mark.slow
async def test_a_slow_disk_loses_pictures_up_to_a_keyframe_and_counts_them(tmp_path: Path) -> None:
    async with busy_disk(tmp_path, max_waiting_bytes=20_000) as disk:
        await disk.add(10)
        assert disk.is_behind()
        disk.released.set()
        await eventually((tmp_path / NAME).exists)
        async with asyncio.timeout(DEADLINE_S):
            while disk.is_behind():
                last = await disk.add(GROUP / RATE)
                await asyncio.sleep(0.01)
        disk.writer.end()
        saved = await asyncio.wait_for(asyncio.shield(disk.saved), DEADLINE_S)
    numbers = numbers_in((tmp_path / NAME).read_bytes())
    assert saved.lost_frames == disk.source.number - len(numbers) > 0
    assert numbers == sorted(set(numbers)), "what is there decodes"
    assert set(last[-5:]) <= set(numbers), "it went on"
    gaps = [after for before, after in itertools.pairwise(numbers) if after != before + 1]
    assert all(number % GROUP == 0 for number in gaps), "after each gap comes a keyframe"


async def test_what_was_in_memory_anyway_does_not_count_as_waiting(tmp_path: Path) -> None:
    source, taken = Source(), list[Sample]()
    source.watched = True
    source.set_sink(lambda frame: taken.append(Sample(frame.data, frame.timestamp_us, keyframe=frame.keyframe)))
    await source.play(5)
    saved: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
    writer = ClipWriter(
        Library(tmp_path, Limits(10**9, None, 0)),
        NAME,
        created=datetime.now(UTC),
        samples=taken,
        sound=False,
        on_ended=saved.set_result,
        max_waiting_bytes=1,
    )
    writer.end()
    done = await asyncio.wait_for(saved, DEADLINE_S)
    assert (done.lost_frames, done.seconds, done.error) == (0, 4.9, "")
    assert done.size == (tmp_path / NAME).stat().st_size
    assert len(numbers_in((tmp_path / NAME).read_bytes())) == 5 * RATE
