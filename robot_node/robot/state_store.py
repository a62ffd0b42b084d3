"""Keeps what a robot is to remember in a file; without one that can be written the robot runs on all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

from robot_node.core.atomic_file import read_small, write_atomically
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.audio import Loudspeaker
from robot_node.devices.face import Face
from robot_node.errors import SettingsError, StateFileError
from robot_node.robot.saved_state import LARGEST_BYTES, Kept, Schedule, dump, parse

logger = logging.getLogger(__name__)

FAULT = "state file"
"""Its name among the robot's faults."""

_NAME = "state.json"
_GOODBYE_LIMIT_S = 2.0
_SLOW = "The disk does not answer."

P = ParamSpec("P")
T = TypeVar("T")


def state_file(setting: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where to keep what is remembered; None for nowhere.

    Args:
        setting: ``robot.state_file``.
        environment: Its ``STATE_DIRECTORY`` is the folder that systemd has made for a service (systemd.exec(5)).
    """
    if setting is not None:
        return setting
    folder = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(folder) / _NAME if folder else None


class Keeper:
    """Remembers a robot's state over a restart. Used from the event loop only; the disk is left to a thread.

    Args:
        path: The file; None: nothing is remembered.
        state: What is remembered, and told when that cannot be done.
        schedule: When it is written.
        limit_s: How long the disk may take, in seconds.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        state: RobotState,
        *,
        schedule: Schedule | None = None,
        limit_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._state = state
        self._schedule = schedule or Schedule()
        self._limit_s = limit_s
        self._clock = clock
        self._busy = threading.Event()
        self._by_settings: RobotSnapshot = state.snapshot
        self._written: Kept | None = Kept()
        self._told = ""

    async def load(self) -> Kept:
        """Return what is remembered. Of a file that cannot be read, only that the camera is to stay off."""
        if self._path is None:
            return Kept()
        try:
            data = await self._within_limit(read_small, self._path, LARGEST_BYTES)
            self._written = Kept() if data is None else parse(data)
        except (OSError, StateFileError) as error:
            self._written = None
            logger.warning(
                "What the robot remembers cannot be read from %s: %s The camera stays off until somebody switches it "
                "on.",
                self._path,
                _reason(error),
            )
            return Kept(camera=False)
        return self._written

    async def restore(self, face: Face, loudspeaker: Loudspeaker | None) -> Kept:
        """Bring back what is remembered; returns it. Whether the camera comes on is not decided here.

        Args:
            face: As the settings say, and so is the loudspeaker.
            loudspeaker: None without one.
        """
        kept = await self.load()
        self._by_settings = self._state.snapshot
        self._state.update(camera_wanted=kept.camera)
        if kept.emotion is not None:
            try:
                face.show_emotion(kept.emotion)
            except SettingsError as error:
                logger.info("The face does not show what it showed before: %s", error)
        if loudspeaker is not None and (kept.volume, kept.muted) != (None, None):
            loudspeaker.begin_with(kept.volume, muted=kept.muted)
        return kept

    async def run(self) -> None:
        """Write down whatever changes, until cancelled."""
        if self._path is None:
            return
        changed = asyncio.Event()
        stop = self._state.listen(lambda _: changed.set())
        try:
            while True:
                changed.clear()
                due = self._due()
                wait_s = None if due is None else max(0.0, due - self._clock())
                if wait_s == 0.0:
                    await self._save(self._path)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await changed.wait()
        finally:
            stop()

    async def close(self) -> None:
        """Write down what is not written yet."""
        self._limit_s = min(self._limit_s, _GOODBYE_LIMIT_S)
        if self._path is not None and self._wanted != self._written:
            await self._save(self._path)

    @property
    def _wanted(self) -> Kept:
        return Kept.of(self._state.snapshot, by_settings=self._by_settings)

    def _due(self) -> float | None:
        due = self._schedule.due(self._clock(), wanted=self._wanted, written=self._written)
        if due is None and self._told:  # the file holds again what it should
            self._has_worked()
        return due

    async def _save(self, path: Path) -> None:
        wanted = self._wanted
        try:
            await self._within_limit(write_atomically, path, dump(wanted))
        except (OSError, StateFileError) as error:
            self._schedule.tried(self._clock(), failed=True)
            self._has_failed(path, _reason(error))
            return
        self._written = wanted
        self._schedule.tried(self._clock(), failed=False)
        self._has_worked()

    async def _within_limit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._busy.is_set():  # one thread at most waits for a disk that hangs
            raise StateFileError(_SLOW)
        self._busy.set()
        done: Future[T | Exception] = Future()

        def call() -> None:
            try:
                result: T | Exception = function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  # it belongs to whoever waits, and nobody may
                result = error
            self._busy.clear()
            done.set_result(result)

        # A thread of its own, and a daemon: a disk that hangs must hold up neither the others' work nor the end.
        threading.Thread(target=call, name="state file", daemon=True).start()
        try:
            async with asyncio.timeout(self._limit_s):
                result = await asyncio.shield(asyncio.wrap_future(done))
        except TimeoutError as error:
            raise StateFileError(_SLOW) from error
        if isinstance(result, Exception):
            raise result
        return result

    def _has_failed(self, path: Path, reason: str) -> None:
        text = f"What the robot remembers cannot be written to {path}: {reason}"
        if text != self._told:
            logger.warning("%s It is tried again every %g s.", text, self._schedule.retry_s)
        self._told = text
        self._state.set_fault(FAULT, text)

    def _has_worked(self) -> None:
        if self._told:
            logger.info("What the robot remembers is written to %s again.", self._path)
        self._told = ""
        self._state.set_fault(FAULT, "")


def _reason(error: Exception) -> str:
    return f"{error.strerror}." if isinstance(error, OSError) and error.strerror else str(error)
