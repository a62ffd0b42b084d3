"""Pins whose opening takes too long: they are free again as soon as the call returns."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hw_mocks.platform import simulated_platform
from robot_node.devices.pins import PinBoard
from robot_node.devices.worker import HangingError
from tests.waiting import DEADLINE_S

_LED = "The indicator LED on GPIO17"


async def made_at_last(board: PinBoard, build: Callable[[Any, Any], Any]) -> Any:
    """Try again as long as a busy machine is too slow; any other error is one."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await board.make(_LED, build)
            except HangingError:
                await asyncio.sleep(0.05)


async def test_a_pin_that_was_opened_too_late_can_be_opened_again() -> None:
    pi, returns = simulated_platform(), threading.Event()

    def build(gpiozero: Any, factory: Any) -> Any:
        made = gpiozero.LED(17, pin_factory=factory)
        returns.wait(DEADLINE_S)
        return made

    board = PinBoard(pi.platform, limit_s=0.2)
    try:
        with pytest.raises(HangingError):
            await board.make(_LED, build)
        returns.set()
        led = await made_at_last(board, build)
        await board.call(_LED, led.on)
        assert pi.gpio.level(17) == 1
    finally:
        await board.close()
    assert pi.gpio.level(17) == 0


async def test_loading_the_pin_library_may_take_longer_than_a_call() -> None:
    pi = simulated_platform()

    def slow_factory() -> Any:
        time.sleep(1.5)  # longer than a call
        return pi.pins

    board = PinBoard(replace(pi.platform, pin_factory=slow_factory), limit_s=1.0)
    try:
        await board.make(_LED, lambda gpiozero, factory: gpiozero.LED(17, pin_factory=factory))
    finally:
        await board.close()
