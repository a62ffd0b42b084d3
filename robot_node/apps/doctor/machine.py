"""Read-only access to the machine: files, clock, free space, installed packages, processes."""

from __future__ import annotations

import ctypes
import getpass
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 1024
"""More than the size of ``struct timex`` on any Linux."""


def _now() -> datetime:
    return datetime.now(UTC)


def _clock_is_synchronised() -> bool | None:
    """Return the kernel's flag, which timesyncd, chrony or ntpd set; None if it cannot be read."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    # All zeros: modes = 0 only reads.
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Process:
    """A running program.

    Attributes:
        pid: Process id.
        command: Command line.
    """

    pid: int
    command: str

    @property
    def is_robot(self) -> bool:
        """Whether it is a robot-node robot."""
        words = self.command.split()
        return "run" in words and any(word.endswith(("robot-node", "robot_node")) for word in words)

    def __str__(self) -> str:
        # Without the arguments, which may contain secrets of other programs.
        return f"{Path(self.command.partition(' ')[0]).name} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that is examined.

    Attributes:
        root: Root folder, with ``dev``, ``etc``, ``proc``, ``sys`` and ``var``.
        now: Returns the current time, with its zone.
        clock_is_synchronised: Returns whether the clock is synchronised; None if unknown.
        version_of: Returns the version of an installed Python package; None if it is not installed.
        requirements: Returns the requirements of robot-node's package (PEP 508).
        free_bytes: Returns the free space of the file system of a folder.
        find_program: Returns the path of a program; None if it is not installed.
        python: Version of Python.
        user: Name of the user who runs the doctor; empty for the current one.
    """

    root: Path = Path("/")
    now: Callable[[], datetime] = _now
    clock_is_synchronised: Callable[[], bool | None] = _clock_is_synchronised
    version_of: Callable[[str], str | None] = _version_of
    requirements: Callable[[], list[str]] = lambda: metadata.requires("robot-node") or []
    free_bytes: Callable[[Path], int] = _free_bytes
    find_program: Callable[[str], str | None] = shutil.which
    python: str = platform.python_version()
    user: str = ""

    @property
    def current_user(self) -> str:
        """Name of the user who runs the doctor."""
        return self.user or getpass.getuser()

    def path(self, name: str) -> Path:
        """Return the path of ``/name``."""
        return self.root / name

    def text(self, name: str) -> str:
        """Return the content of ``/name``; empty if it does not exist or cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return ""

    @property
    def model(self) -> str:
        """Model of the Raspberry Pi; empty for another machine."""
        model = self.text("proc/device-tree/model")
        return model if model.startswith("Raspberry Pi") else ""

    @property
    def is_pi_5(self) -> bool:
        """Whether it is a Pi 5 or one of its variants, which have no hardware encoder for H.264."""
        return any(name in self.model for name in ("Raspberry Pi 5", "Compute Module 5", "Raspberry Pi 500"))

    def processes(self) -> Iterator[Process]:
        """Yield all processes except this one."""
        for folder in self.path("proc").glob("[0-9]*"):
            command = self.text(f"proc/{folder.name}/cmdline").replace("\0", " ")
            if command and int(folder.name) != os.getpid():
                yield Process(int(folder.name), command)

    def users_of(self, *devices: str) -> list[Process]:
        """Return the processes that have a device open whose path begins with one of ``devices``, as far as visible."""
        return [process for process, opened in self._opened() if any(name.startswith(devices) for name in opened)]

    def holders_of(self, device: str) -> list[Process]:
        """Return the processes that have one device open, as far as visible."""
        return [process for process, opened in self._opened() if device in opened]

    def _opened(self) -> Iterator[tuple[Process, list[str]]]:
        for process in self.processes():
            try:
                opened = [str(file.readlink()) for file in self.path(f"proc/{process.pid}/fd").iterdir()]
            except OSError:  # of another user, or it has ended
                continue
            yield process, opened
