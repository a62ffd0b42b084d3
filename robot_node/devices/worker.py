"""One thread per device: blocking library calls run there, one at a time, never on the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

from robot_node.core.threads import NO_THREAD_REMEDY, started
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


_LIMIT_S = 30.0
"""Default limit of a call: the first one into a library imports it, which takes seconds on a Pi."""


class HangingError(DeviceError):
    """A call into a device's library has not returned."""


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A blocking call into a device's library.

    Attributes:
        device: Name of the device's worker.
        since: When it began, or gave its last heartbeat; in seconds of the worker's clock.
        limit_s: How long it may take, in seconds.
    """

    device: str
    since: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], Any]
    future: Future[Any]
    limit_s: float


class _WorkerThread(threading.Thread):
    """A worker's thread, with the call that it runs. One whose call hangs outlives its worker."""

    call: RunningCall | None = None


def running_calls() -> list[RunningCall]:
    """The calls that run now in the workers of all devices, including those whose caller has given up."""
    threads = [thread for thread in threading.enumerate() if isinstance(thread, _WorkerThread)]
    return [call for thread in threads if (call := thread.call) is not None]


def as_device_error(error: Exception, what: str) -> DeviceError:
    """Return a DeviceError as it is; wrap any other error, a bug of ours or of a library, and log its traceback.

    Args:
        error: The error.
        what: The device, e.g. ``"display"``.
    """
    if isinstance(error, DeviceError):
        return error
    logger.error("The %s's driver crashed", what, exc_info=error)
    return DeviceError(f"The {what}'s driver crashed: {type(error).__name__}: {str(error).rstrip('.')}.")


class DeviceWorker:
    """Runs a device's blocking calls in its own single thread, in the order in which they were made.

    The thread is a daemon: a library call that never returns must not keep the process from ending.

    Args:
        name: Name of the thread, e.g. ``"camera"``.
        clock: Monotonic time in seconds.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: _WorkerThread | None = None
        self._closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in the worker thread and return what it returns.

        A caller that is cancelled stops waiting; the call itself runs to its end, because a library call
        cannot be interrupted half way, and the next one waits for it.

        Raises:
            RuntimeError: The worker was closed.
            DeviceError: The system permits no further thread.
        """
        future = self._submit(_LIMIT_S, functools.partial(function, *args, **kwargs))
        return await asyncio.shield(asyncio.wrap_future(future))

    async def run_within(self, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`run`, but wait no longer than that many seconds.

        Raises:
            HangingError: It took longer, and may still be running.
        """
        return await self._within(limit_s, self._submit(limit_s, functools.partial(function, *args, **kwargs)))

    async def open_within(self, limit_s: float, make: Callable[[], T], close: Callable[[T], object]) -> T:
        """As :meth:`run_within`, for a call that opens something.

        What it returns after its caller has given up, or was cancelled, is closed at once: before the next call, which
        may open the same again.

        Args:
            limit_s: How long to wait, in seconds.
            make: Opens it.
            close: Closes it, in the worker's thread. Its errors are logged.

        Raises:
            HangingError: It took longer, and may still be running.
        """
        future = self._submit(limit_s, make)
        try:
            return await self._within(limit_s, future)
        except (HangingError, asyncio.CancelledError):
            future.add_done_callback(functools.partial(self._close_unwanted, close))
            raise

    def _close_unwanted(self, close: Callable[[T], object], future: Future[T]) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # it opened nothing

        def close_it() -> None:
            try:
                close(future.result())
            except Exception:
                logger.exception("What a late call of the %s has opened cannot be closed", self._name)

        closing = _Call(close_it, Future(), _LIMIT_S)
        if threading.current_thread() is self._thread:
            self._execute(self._thread, closing)
        else:  # the call had ended already
            self._calls.put(closing)

    async def _within(self, limit_s: float, future: Future[T]) -> T:
        waiting = asyncio.shield(asyncio.wrap_future(future))
        try:
            async with asyncio.timeout(limit_s):
                return await waiting
        except TimeoutError as error:
            if future.done():  # in time, or nearly so: the event loop was late, and not the library
                return future.result()
            raise HangingError(
                f"The {self._name} does not answer: a call took longer than {limit_s:g} seconds.",
                remedy="Switch it on again; if that fails, restart the robot.",
            ) from error

    def heartbeat(self) -> None:
        """Report, from within a call that lasts as long as its device is in use, that the call does not hang."""
        thread = self._thread
        if thread is not None and thread.call is not None:
            thread.call = replace(thread.call, since=self._clock())

    def close(self) -> None:
        """Let the thread end after the calls that were made; does not wait for them."""
        self._closed = True
        self._calls.put(None)

    def _submit(self, limit_s: float, function: Callable[[], T]) -> Future[T]:
        if self._closed:
            raise RuntimeError(f"The worker {self._name!r} is closed.")
        if self._thread is None:
            self._thread = _WorkerThread(target=self._work, name=self._name, daemon=True)
            if not started(self._thread):
                self._thread = None
                raise DeviceError(
                    f"The {self._name} cannot be used: the system permits no further thread.", remedy=NO_THREAD_REMEDY
                )
        future: Future[T] = Future()
        # In the caller's context: what the library's call logs belongs to the caller's session.
        self._calls.put(_Call(functools.partial(contextvars.copy_context().run, function), future, limit_s))
        return future

    def _work(self) -> None:
        thread = self._thread
        assert thread is not None, "this runs in it"
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                self._execute(thread, call)
            del call  # a thread that waits must not keep a device alive

    def _execute(self, thread: _WorkerThread, call: _Call) -> None:
        thread.call = RunningCall(self._name, self._clock(), call.limit_s)
        try:
            result = call.function()
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to the caller, who gets it
            thread.call = None
            call.future.set_exception(error)
        else:
            thread.call = None
            call.future.set_result(result)
