"""Length and cause of a recording, as its file says them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from robot_node.robot.recording.contents import Contents, contents_of
from robot_node.robot.recording.fragments import Fragments
from tests.robot.recording.source import RATE
from tests.robot.recording.test_fragments import NOW, first_picture, samples


async def recorded(seconds: int, cause: str, *, sound: bool = False) -> bytes:
    """A complete file."""
    taken = await samples(seconds=seconds, sound=sound)
    muxer = Fragments(first_picture(taken), sound=sound, created=NOW, cause=cause)
    return b"".join([*map(muxer.add, taken), muxer.end()])


def contents(folder: Path, data: bytes) -> Contents:
    """What a file of this content says."""
    path = folder / "file.mp4"
    path.write_bytes(data)
    with path.open("rb") as file:
        return contents_of(file)


@pytest.mark.parametrize(("seconds", "sound"), [(1, False), (5, False), (5, True)])
async def test_a_complete_file_says_both(tmp_path: Path, seconds: int, sound: bool) -> None:
    found = contents(tmp_path, await recorded(seconds, "by Käthe’s agent", sound=sound))  # noqa: RUF001  # any id
    assert found.cause == "by Käthe’s agent"  # noqa: RUF001  # any id
    assert found.seconds == pytest.approx(seconds, abs=1.5 / RATE)


async def test_a_file_whose_end_was_lost_says_its_cause(tmp_path: Path) -> None:
    data = await recorded(3, "when motion door")
    assert contents(tmp_path, data[:-400]) == Contents(None, "when motion door")
    assert contents(tmp_path, await recorded(3, "")).cause == ""
    assert contents(tmp_path, b"") == Contents(None, "")


async def test_whatever_is_in_a_file_is_no_error(tmp_path: Path) -> None:
    data, chance = await recorded(2, "by x", sound=True), random.Random(1)  # bytes of a test
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 40)):
            broken[chance.choice((chance.randrange(len(data)), len(data) - chance.randint(1, 400)))] = chance.randrange(
                256
            )
        contents(tmp_path, bytes(broken))
        contents(tmp_path, bytes(broken[chance.randrange(len(data)) :]))
