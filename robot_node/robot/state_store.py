"""State that survives a restart, stored in a file; a robot whose file cannot be written runs on without."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from robot_node.core.atomic_file import read_small, write_atomically
from robot_node.core.changes import Changes
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.core.threads import started
from robot_node.errors import StateFileError
from robot_node.robot import systemd
from robot_node.robot.saved_state import MAX_BYTES, SavedState, WriteSchedule, dump, parse

logger = logging.getLogger(__name__)

FAULT = "state file"
"""Name of its fault in the robot's state."""

_NAME = "state.json"
_SHUTDOWN_LIMIT_S = 2.0
_SLOW = "The disk does not respond."

P = ParamSpec("P")
T = TypeVar("T")


def state_file(setting: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the path of the state file; None: nothing is saved.

    Args:
        setting: ``robot.state_file``.
        environment: Tells the folder of a systemd service.
    """
    if setting is not None:
        return setting
    folder = systemd.state_directory(environment)
    return None if folder is None else folder / _NAME


class StateStore:
    """Loads saved state, and saves it as it changes. Used from the event loop only; a thread does the disk's work.

    Args:
        path: The file.
        state: What is saved, and where a failure is reported.
        schedule: When it is written.
        limit_s: How long one read or write may take, in seconds.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        path: Path,
        state: RobotState,
        *,
        schedule: WriteSchedule | None = None,
        limit_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._state = state
        self._schedule = schedule or WriteSchedule()
        self._limit_s = limit_s
        self._clock = clock
        self._under_way: asyncio.Future[Any] | None = None
        self._defaults: RobotSnapshot = state.snapshot
        self._written: SavedState | None = SavedState()
        self._reported = ""

    async def load(self) -> SavedState:
        """Return the saved state; if the file cannot be read: that the camera is to stay off.

        The robot's state of this moment is the default; from now on what differs from it is saved.
        """
        self._defaults = self._state.snapshot
        try:
            data = await self._on_disk(read_small, self._path, MAX_BYTES)
            self._written = SavedState() if data is None else parse(data)
        except (OSError, StateFileError) as error:
            self._written = None
            logger.warning(
                "The saved state cannot be read from %s: %s The camera stays off until somebody switches it on.",
                self._path,
                _reason(error),
            )
            cameras = self._defaults.every_camera if self._defaults.cameras else ()
            return SavedState(camera=False, cameras=dict.fromkeys(cameras, False))
        return self._written

    async def run(self) -> None:
        """Write changes until cancelled; then write what is not written yet.

        All services are cancelled together: the state is safe before anything else has had time to shut down.
        """
        with Changes(self._state.listen) as changes:
            try:
                while True:
                    due = self._due()
                    wait_s = None if due is None else max(0.0, due - self._clock())
                    if wait_s == 0.0:
                        await self._save()
                    else:
                        await changes.wait(longest_s=wait_s)
            finally:
                await self.close()

    async def close(self) -> None:
        """Write what is not written yet, after a write that is under way; gives up after 2 s."""
        try:
            async with asyncio.timeout(min(self._limit_s, _SHUTDOWN_LIMIT_S)):
                if self._under_way is not None:  # it may lack the latest change
                    await asyncio.wait([self._under_way])
                if self._current != self._written:
                    await self._save()
        except TimeoutError:
            self._report_failure(_SLOW)

    @property
    def _current(self) -> SavedState:
        return SavedState.of(self._state.snapshot, defaults=self._defaults)

    def _due(self) -> float | None:
        due = self._schedule.due(self._clock(), current=self._current, written=self._written)
        if due is None:  # the file again holds what it should
            self._report_success()
        return due

    async def _save(self) -> None:
        current = self._current
        try:
            await self._on_disk(write_atomically, self._path, dump(current))
        except (OSError, StateFileError) as error:
            self._schedule.record_attempt(self._clock(), failed=True)
            self._report_failure(_reason(error))
            return
        self._written = current
        self._schedule.record_attempt(self._clock(), failed=False)
        self._report_success()

    async def _on_disk(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._under_way is not None and not self._under_way.done():  # one thread at most waits for a disk that hangs
            raise StateFileError(_SLOW)
        done: Future[T | Exception] = Future()

        def call() -> None:
            try:
                done.set_result(function(*args, **kwargs))
            except Exception as error:  # noqa: BLE001  # for the caller, who may have given up
                done.set_result(error)

        self._under_way = asyncio.wrap_future(done)
        # A thread of its own, and a daemon: a disk that hangs must hold up neither other work nor the end.
        if not started(threading.Thread(target=call, name="state file", daemon=True)):
            self._under_way = None
            raise StateFileError("The system permits no further thread.")
        try:
            async with asyncio.timeout(self._limit_s):
                result: T | Exception = await asyncio.shield(self._under_way)
        except TimeoutError as error:
            raise StateFileError(_SLOW) from error
        if isinstance(result, Exception):
            raise result
        return result

    def _report_failure(self, reason: str) -> None:
        text = f"The state cannot be saved to {self._path}: {reason}"
        if text != self._reported:
            logger.warning("%s Next attempt in %g s.", text, self._schedule.retry_s)
        self._reported = text
        self._state.set_fault(FAULT, text)

    def _report_success(self) -> None:
        if self._reported:
            logger.info("The state is saved to %s again.", self._path)
            self._reported = ""
            self._state.set_fault(FAULT, "")


def _reason(error: Exception) -> str:
    return f"{error.strerror}." if isinstance(error, OSError) and error.strerror else str(error)
