"""One thread per device: blocking library calls run there, one at a time, never on the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from robot_node.errors import DeviceError

P = ParamSpec("P")
T = TypeVar("T")


class HangingError(DeviceError):
    """A call into a device's library has not returned."""


class DeviceWorker:
    """Runs a device's blocking calls in its own single thread, in the order in which they were asked for.

    The thread is a daemon: a library call that never returns must not keep the process from ending.

    Args:
        name: Name of the thread, e.g. ``"camera"``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in the worker thread and return what it returns.

        A caller that is cancelled stops waiting; the call itself runs to its end, because a library call
        cannot be interrupted half way, and the next one waits for it.

        Raises:
            RuntimeError: The worker was closed.
        """
        if self._closed:
            raise RuntimeError(f"The worker {self._name!r} is closed.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        # In the caller's context: what the library's call logs belongs to the caller's session.
        self._calls.put((functools.partial(contextvars.copy_context().run, function, *args, **kwargs), future))
        return await asyncio.shield(asyncio.wrap_future(future))

    async def run_within(self, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`run`, but wait no longer than that many seconds.

        Raises:
            HangingError: It took longer, and may still be running.
        """
        try:
            async with asyncio.timeout(limit_s):
                return await self.run(function, *args, **kwargs)
        except TimeoutError as error:
            raise HangingError(
                f"The {self._name} does not answer: a call took longer than {limit_s:g} seconds.",
                remedy="Switch it on again; if that fails, restart the robot.",
            ) from error

    def close(self) -> None:
        """Let the thread end after the calls that were asked for; does not wait for them."""
        self._closed = True
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            function, future = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001  # whatever it is belongs to the caller, who gets it
                future.set_exception(error)
            else:
                future.set_result(result)
            del call, function, future  # a thread that waits must not keep a device alive
