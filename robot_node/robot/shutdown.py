"""Shutdown: closes the robot's devices, the last opened first, without waiting for one that hangs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import ParamSpec, TypeVar

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class DeviceStack(AsyncExitStack):
    """An exit stack whose asynchronous callbacks have a limited time, counted from the first one.

    A service manager kills a process that takes too long: one device that hangs must not keep the others open.

    Args:
        limit_s: Limit for all together, in seconds.
        least_s: What each has at least, in seconds, even after the limit.
    """

    def __init__(self, *, limit_s: float = 2.0, least_s: float = 0.2) -> None:
        super().__init__()
        self._limit_s = limit_s
        self._least_s = least_s
        self._deadline: float | None = None

    def push_async_callback(
        self, callback: Callable[P, Awaitable[T]], /, *args: P.args, **kwds: P.kwargs
    ) -> Callable[P, Awaitable[T]]:
        """Call ``callback`` at the end; when it takes too long it is cancelled, and the next one is called."""

        async def close() -> None:
            now = asyncio.get_running_loop().time()
            if self._deadline is None:
                self._deadline = now + self._limit_s
            try:
                async with asyncio.timeout_at(max(self._deadline, now + self._least_s)):
                    await callback(*args, **kwds)
            except TimeoutError:
                logger.error("%s did not finish in time; continuing without it.", _name(callback, args))

        super().push_async_callback(close)
        return callback


def _name(callback: Callable[..., object], arguments: tuple[object, ...]) -> str:
    """Return the callback's name and its text arguments, such as a device's name."""
    words = (argument for argument in arguments if isinstance(argument, str))
    return " ".join((getattr(callback, "__qualname__", type(callback).__name__), *words))
