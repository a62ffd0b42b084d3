"""The lines of stdin, as the bridge reads them."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from robot_node.apps.bridge.stdio import stdin_lines
from tests.waiting import DEADLINE_S

LONGEST = 4 * 1024 * 1024


async def lines_of(data: bytes) -> list[str]:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=write).start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            return [line async for line in stdin_lines(reading)]
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a\n", "b\n"]),
        (b"a\n\nb", ["a\n", "\n", "b"]),
        ("\u4e2d\n".encode(), ["\u4e2d\n"]),
        (b"\xff\n", ["\ufffd\n"]),
        (b"x" * 200_000 + b"\ny", ["x" * 200_000 + "\n", "y"]),
    ],
)
async def test_lines_come_whole_however_they_are_cut_on_the_way(data: bytes, lines: list[str]) -> None:
    assert await lines_of(data) == lines


async def test_a_line_that_has_no_end_is_cut_off_and_the_next_one_comes() -> None:
    endless, following = await lines_of(b"x" * (20 * LONGEST) + b"\nnext\n")
    assert endless == "x" * LONGEST + "\n"
    assert following == "next\n"
