"""Writes one clip, in a thread of its own: the event loop hands samples over and never waits for the disk."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from robot_node.core.threads import NO_THREAD_REMEDY, started
from robot_node.errors import DeviceError
from robot_node.robot.recording.library import Library, NoSpaceError
from robot_node.robot.recording.ring import Sample

if TYPE_CHECKING:  # PyAV takes seconds to load on a Pi: the writer's thread loads it
    from robot_node.robot.recording.fragments import Fragments

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES = 8 * 1024 * 1024
_ROOM_EVERY_BYTES = 16 * 1024 * 1024
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """A clip that is complete on the disk.

    Attributes:
        name: Its file.
        seconds: From its first to its last picture.
        size: In bytes.
        lost_frames: Pictures that are missing, because the disk was too slow.
        error: Why it ended before its time; empty: it did not. What was written before plays.
    """

    name: str
    seconds: float
    size: int
    lost_frames: int = 0
    error: str = ""


class ClipWriter:
    """One clip on its way to the disk. Its public methods are called on the event loop and return at once.

    Samples wait in memory while the disk is busy. When more wait than ``max_waiting_bytes``, further ones are lost up
    to the next keyframe: a decoder cannot use those between.

    Args:
        library: Where it is stored.
        name: Its file.
        created: When its first picture was captured, with time zone.
        cause: What caused the recording; stored in the file.
        samples: What it begins with, a keyframe first. They are in memory anyway, and don't count as waiting.
        sound: It has a track for sound.
        on_ended: Called on the event loop when the file is complete, or writing failed.
        max_waiting_bytes: How much may wait.

    Raises:
        DeviceError: The system permits no further thread.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        *,
        created: datetime,
        cause: str = "",
        samples: Iterable[Sample],
        sound: bool,
        on_ended: Callable[[Saved], None],
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.name = name
        self._library = library
        self._created = created
        self._cause = cause
        self._has_sound = sound
        self._loop = asyncio.get_running_loop()
        self._on_ended = on_ended
        self._max_waiting_bytes = max_waiting_bytes
        self._samples = deque(samples)
        self._waiting = 0
        self._uncounted = len(self._samples)
        self._arrived = threading.Condition()
        self._ending = False
        self.needs_keyframe = False
        self._lost = 0
        # A daemon: a disk that hangs must not keep the process from ending.
        if not started(threading.Thread(target=self._run, name="clip writer", daemon=True)):
            raise DeviceError(
                "The recording cannot be written: the system permits no further thread.", remedy=NO_THREAD_REMEDY
            )

    def add(self, sample: Sample) -> None:
        """Hand over the next sample; it is lost when too much waits already."""
        with self._arrived:
            has_room = self._waiting + len(sample.data) <= self._max_waiting_bytes
            if sample.keyframe and has_room:
                self.needs_keyframe = False
            elif sample.video and (self.needs_keyframe or not has_room):
                self.needs_keyframe = True
                self._lost += 1
                return
            elif not has_room:
                return
            self._samples.append(sample)
            self._waiting += len(sample.data)
            self._arrived.notify()

    def end(self) -> None:
        """Complete the file with what was handed over."""
        with self._arrived:
            self._ending = True
            self._arrived.notify()

    # In the thread.

    def _run(self) -> None:
        file = _ClipFile(self._library, self.name)
        error = ""
        try:
            self._write(file)
        except (OSError, ValueError) as failure:
            error = str(failure) if isinstance(failure, DeviceError | ValueError) else _reason(failure)
            logger.error("%s ends early: %s", self.name, error)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            logger.exception("%s ends early", self.name)
        file.close()
        saved = Saved(self.name, file.seconds, file.size, self._lost, error)
        try:
            self._loop.call_soon_threadsafe(self._on_ended, saved)
        except RuntimeError:
            logger.debug("The event loop was closed before %s was complete", self.name)

    def _write(self, file: _ClipFile) -> None:
        self._library.make_room()
        muxer: Fragments | None = None
        while (sample := self._next()) is not None:
            if muxer is None:
                muxer = _muxer(sample, sound=self._has_sound, created=self._created, cause=self._cause)
                file.create()
            file.append(muxer.add(sample), sample)
        if muxer is not None:
            file.append(muxer.end(), None)

    def _next(self) -> Sample | None:
        with self._arrived:
            while not self._samples:
                if self._ending:
                    return None
                self._arrived.wait()
            sample = self._samples.popleft()
            if self._uncounted:
                self._uncounted -= 1
            else:
                self._waiting -= len(sample.data)
            return sample


class _ClipFile:
    """The file: whole fragments only, each synchronised to the disk."""

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self._name = name
        self._descriptor: int | None = None
        self._since_room = 0
        self._first_us: int | None = None
        self.seconds = 0.0
        self.size = 0

    def create(self) -> None:
        self._descriptor = self._library.create(self._name)

    def append(self, data: bytes, sample: Sample | None) -> None:
        if data:
            self._append(data)
        if sample is not None and sample.video:
            self._first_us = sample.time_us if self._first_us is None else self._first_us
            self.seconds = round((sample.time_us - self._first_us) / _MICROSECONDS, 3)

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        self._since_room += len(data)
        try:
            self._library.check_space()
        except NoSpaceError:
            self._make_room()
        if self._since_room >= _ROOM_EVERY_BYTES:
            self._make_room()
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]
            # A power cut then loses what follows only.
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)  # half a fragment is of no use
            raise
        self.size += len(data)

    def _make_room(self) -> None:
        self._library.make_room(keep=self._name)
        self._since_room = 0

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _muxer(first: Sample, *, sound: bool, created: datetime, cause: str) -> Fragments:
    from robot_node.robot.recording.fragments import Fragments  # noqa: PLC0415  # PyAV takes seconds to load on a Pi

    return Fragments(first, sound=sound, created=created, cause=cause)


def _reason(error: OSError) -> str:
    return f"The disk cannot be written to: {error.strerror or error}."
