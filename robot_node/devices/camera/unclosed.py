"""A camera that could not be closed in time: closed as soon as the call returns that holds it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from robot_node.devices.camera.states import Action, refusal
from robot_node.devices.operation_queue import OperationQueue
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import DeviceError

logger = logging.getLogger(__name__)


class HeldError(DeviceError):
    """The robot itself still holds the camera: a call that was given up has not returned within the time to wait."""


@dataclass(frozen=True, slots=True)
class _Session:
    worker: DeviceWorker
    close: Callable[[], None]


class UnclosedCamera:
    """The session that could not be closed, if there is one. Used from the event loop only.

    Args:
        operations: Where closing goes on.
        limit_s: How long :meth:`wait_until_closed` waits, in seconds.
        on_closed: Called when the session is closed at last.
    """

    def __init__(self, operations: OperationQueue, limit_s: float, on_closed: Callable[[], Awaitable[None]]) -> None:
        self._operations = operations
        self._limit_s = limit_s
        self._on_closed = on_closed
        self._session: _Session | None = None
        self._closing: asyncio.Task[None] | None = None
        self._interrupted = asyncio.Event()

    @property
    def exists(self) -> bool:
        """There is one: it may still be capturing."""
        return self._session is not None

    def take_over(self, worker: DeviceWorker, close: Callable[[], None], *, hangs: bool) -> None:
        """Take over a session with its thread.

        Args:
            worker: Its thread.
            close: Closes it; blocks.
            hangs: A call runs in the thread: the session is closed when that returns, if ever. Else closing has failed,
                and is tried again by :meth:`wait_until_closed`.
        """
        assert self._session is None, "the next session begins after this one is closed"
        self._session = _Session(worker, close)
        if hangs:
            self._closing = self._close_soon(self._session)

    async def wait_until_closed(self) -> None:
        """Wait until it is closed, for a limited time. Does nothing when there is none.

        Raises:
            HeldError: A call that was given up has not returned.
            DeviceError: It cannot be closed.
        """
        if self._session is None:
            return
        if self._closing is None:
            self._closing = self._close_soon(self._session)
        self._interrupted.clear()
        interrupted = asyncio.create_task(self._interrupted.wait(), name="camera closes no more")
        try:
            await asyncio.wait({self._closing, interrupted}, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            interrupted.cancel()
        if self._is_closing():
            raise HeldError(
                "The camera is not free yet: the robot itself holds it, because a call to the camera's library has "
                "been given up and has not returned.",
                remedy="Try again in a few seconds. If that lasts, restart the robot: the kernel then closes the "
                "camera.",
            )
        if self.exists and (error := refusal(Action.REFUSE_NOT_CLOSED)) is not None:
            raise error

    def interrupt(self) -> None:
        """End :meth:`wait_until_closed`, as if its time had passed."""
        self._interrupted.set()

    def shut_down(self) -> None:
        """Let its thread end after what it does now."""
        if self._session is not None:
            self._session.worker.close()

    def _is_closing(self) -> bool:
        return self._closing is not None

    def _close_soon(self, session: _Session) -> asyncio.Task[None]:
        return self._operations.spawn("close camera late", self._close(session))

    async def _close(self, session: _Session) -> None:
        try:
            await session.worker.run(session.close)
        except DeviceError as error:
            logger.error("%s", error)
        else:
            self._session = None
            session.worker.close()
            await self._on_closed()
        finally:
            self._closing = None
