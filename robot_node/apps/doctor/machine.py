"""What the doctor may know of the machine: files below a root, the clock, free space, installed packages. Read only."""

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
"""More than ``struct timex`` has on any Linux."""


def _now() -> datetime:
    return datetime.now(UTC)


def _clock_is_synchronised() -> bool | None:
    """What the kernel was told by whoever sets its clock (timesyncd, chrony, ntpd); None where it cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    # Zeros: modes = 0, which sets nothing.
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
    """A program that runs.

    Attributes:
        pid: Its number.
        command: How it was started.
    """

    pid: int
    command: str

    @property
    def is_robot(self) -> bool:
        """Whether it is a robot of ours."""
        words = self.command.split()
        return "run" in words and any(word.endswith(("robot-node", "robot_node")) for word in words)

    def __str__(self) -> str:
        # Options may hold secrets of other programs.
        return f"{Path(self.command.partition(' ')[0]).name} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that is examined.

    Attributes:
        root: Below it are ``dev``, ``etc``, ``proc``, ``sys`` and ``var``.
        now: The time, with its zone.
        clock_is_synchronised: Whether somebody keeps the clock right; None if that cannot be known.
        version_of: The version of an installed Python package; None if it is not installed.
        requirements: What robot-node's package requires, as PEP 508 has it.
        free_bytes: Free space of the file system that a folder is on.
        find_program: Where a program is; None if there is none of that name.
        python: Version of Python.
        user: Who runs the doctor.
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
    def user_in_question(self) -> str:
        """Who runs the doctor."""
        return self.user or getpass.getuser()

    def path(self, name: str) -> Path:
        """Where ``/name`` is."""
        return self.root / name

    def text(self, name: str) -> str:
        """What ``/name`` holds; empty when there is no such file, or it may not be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return ""

    @property
    def model(self) -> str:
        """Which Raspberry Pi it is; empty for another machine."""
        model = self.text("proc/device-tree/model")
        return model if model.startswith("Raspberry Pi") else ""

    @property
    def is_pi_5(self) -> bool:
        """Whether it is a Pi without a hardware encoder for H.264."""
        return any(name in self.model for name in ("Raspberry Pi 5", "Compute Module 5", "Raspberry Pi 500"))

    def processes(self) -> Iterator[Process]:
        """Whatever runs, but for ourselves."""
        for folder in self.path("proc").glob("[0-9]*"):
            command = self.text(f"proc/{folder.name}/cmdline").replace("\0", " ")
            if command and int(folder.name) != os.getpid():
                yield Process(int(folder.name), command)

    def users_of(self, *devices: str) -> list[Process]:
        """Who has a device open whose path begins with one of ``devices``, as far as we may see it."""
        using = []
        for process in self.processes():
            try:
                opened = [str(file.readlink()) for file in self.path(f"proc/{process.pid}/fd").iterdir()]
            except OSError:  # somebody else's, or it has ended meanwhile
                continue
            if any(name.startswith(devices) for name in opened):
                using.append(process)
        return using
