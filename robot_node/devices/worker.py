"""One thread per device: blocking library calls run there, one at a time, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DeviceWorker:
    """Runs a device's blocking calls in its own single thread, in the order in which they were asked for.

    Args:
        name: Name of the thread, e.g. ``"camera"``.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in the worker thread and return what it returns.

        A caller that is cancelled stops waiting; the call itself runs to its end, because a library call
        cannot be interrupted half way, and the next one waits for it.
        """
        future = self._executor.submit(function, *args, **kwargs)
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Let the thread end after the call that it is in; does not wait for it."""
        self._executor.shutdown(wait=False, cancel_futures=True)
