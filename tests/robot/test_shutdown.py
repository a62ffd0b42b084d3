"""What is opened is closed, the last first, and nothing that hangs keeps the others from it."""

from __future__ import annotations

import asyncio

import pytest

from robot_node.robot.shutdown import DeviceStack


async def test_one_that_hangs_does_not_cost_the_others_their_turn(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)

    async def hang(name: str) -> None:
        del name
        await asyncio.Event().wait()

    async with DeviceStack(limit_s=0.0, least_s=0.1) as devices:
        devices.push_async_callback(close, "display")
        devices.push_async_callback(hang, "pump")
        devices.push_async_callback(close, "camera")
    assert closed == ["camera", "display"]
    assert "hang pump did not finish in time" in caplog.text


async def test_an_error_at_closing_one_leaves_none_open() -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)

    async def fail() -> None:
        raise OSError("unplugged")

    devices = DeviceStack()
    devices.push_async_callback(close, "display")
    devices.push_async_callback(fail)
    with pytest.raises(OSError, match="unplugged"):
        await devices.aclose()
    assert closed == ["display"]
