"""What is on the machine already."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import robot_node
from robot_node.core.child_environment import child_environment
from robot_node.errors import SetupError

USER = "robot-node"
UNIT = "robot-node.service"
SETTINGS_FOLDER = "/etc/robot-node"
SETTINGS = f"{SETTINGS_FOLDER}/robot-node.toml"
CREDENTIALS = f"{SETTINGS_FOLDER}/credentials"
PASSWORD = f"{CREDENTIALS}/broker-password"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
DROP_INS = f"{UNIT_FILE}.d"
DROP_IN = f"{DROP_INS}/setup.conf"
LINK = "/usr/local/bin/robot-node"
STATE = "/var/lib/robot-node"
PROGRAM_FOLDER = "/opt/robot-node"
PROGRAM = f"{PROGRAM_FOLDER}/.venv/bin/robot-node"
_FIRST_PERSON = 1000
GROUPS = ("video", "render", "i2c", "spi", "gpio", "audio")
"""Groups that own a Pi's devices."""
INTERFACES = {"i2c": "/dev/i2c-1", "spi": "/dev/spidev0.0"}
"""Those that a display may be on; each with the device that is there when it is switched on."""

_PATHS = (
    SETTINGS_FOLDER,
    SETTINGS,
    CREDENTIALS,
    PASSWORD,
    UNIT_FILE,
    DROP_INS,
    DROP_IN,
    LINK,
    STATE,
    PROGRAM_FOLDER,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link.

    Attributes:
        mode: Its permissions.
        owner: Its user's number.
        group: Its group's number.
        text: What is in a file, or where a link points; empty for a folder.
    """

    mode: int
    owner: int
    group: int
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Machine:
    """What setup must know of a machine.

    Attributes:
        entries: By path, what is there of what setup makes.
        groups: All groups, with their numbers.
        users: All users, with their numbers.
        members: The groups that our user has been added to.
        interfaces: Which of ``"i2c"`` and ``"spi"`` can be switched on, and are off.
        enabled: Whether the unit starts with the machine.
        active: Whether it runs now.
        outdated: Whether it runs with other settings, credentials, unit or program than are there now.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    interfaces: frozenset[str] = frozenset()
    enabled: bool = False
    active: bool = False
    outdated: bool = False

    @property
    def user_is_a_person(self) -> bool:
        """Whether somebody is called like our user: on Debian, people have numbers from 1000 on."""
        return self.users.get(USER, 0) >= _FIRST_PERSON

    @property
    def password(self) -> str | None:
        """The broker's password that is stored. The line feed that echo or an editor leaves belongs to none."""
        return (self.text(PASSWORD) or "").removesuffix("\n") or None

    def text(self, path: str) -> str | None:
        """What is in a file, or None when it isn't there."""
        entry = self.entries.get(path)
        return None if entry is None else entry.text


def carried(name: str) -> str:
    """A file that comes with the package: ``robot-node.toml`` or ``robot-node.service``."""
    return (resources.files("robot_node.apps.setup") / "carried" / name).read_text(encoding="utf-8")


def is_there(file: Path) -> bool:
    """Whether a file is there; one that we may not even look at is."""
    try:
        file.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def runs_systemd() -> bool:
    """Whether systemd is this machine's service manager (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def survey(root: Path) -> Machine:
    """Look at a machine; changes nothing.

    Args:
        root: Its root folder: ``/``, or where an image is mounted, of which nothing runs.

    Raises:
        SetupError: we may not read what is there.
    """
    try:
        entries = {path: entry for path in _PATHS if (entry := _entry(_below(root, path))) is not None}
        group_lines = _table(root / "etc/group")
        users = {line[0]: int(line[2]) for line in _table(root / "etc/passwd")}
    except PermissionError as error:
        raise SetupError(f"{error.filename} cannot be read.", remedy="Run setup as root, with sudo.") from error
    started = _started_at() if root == Path("/") else None
    return Machine(
        entries=entries,
        groups={line[0]: int(line[2]) for line in group_lines},
        users=users,
        members=frozenset(line[0] for line in group_lines if USER in line[3].split(",")),
        interfaces=_interfaces_off() if root == Path("/") else frozenset(),
        enabled=(_below(root, "/etc/systemd/system/multi-user.target.wants") / UNIT).is_symlink(),
        active=started is not None,
        outdated=started is not None and _changed_at() > started,
    )


def _interfaces_off() -> frozenset[str]:
    if shutil.which("raspi-config") is None:
        return frozenset()
    return frozenset(name for name, device in INTERFACES.items() if not Path(device).exists())


def _started_at() -> float | None:
    """When the service was started that runs now, in seconds since the epoch; None when none runs."""
    if (systemctl := shutil.which("systemctl")) is None:
        return None
    # A Pi has no clock of its own: what it showed when the service started may have been wrong by days.
    asked = [systemctl, "show", "--property=ActiveState,ExecMainStartTimestampMonotonic", UNIT]
    said = subprocess.run(
        asked, check=False, capture_output=True, text=True, timeout=30, env=child_environment()
    ).stdout
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if shown.get("ActiveState") != "active":
        return None
    return time.time() - (time.monotonic() - int(shown["ExecMainStartTimestampMonotonic"]) / 1e6)


def _changed_at() -> float:
    """When the latest change was made to what a service that starts now would use, in seconds since the epoch."""
    files = [Path(path) for path in (SETTINGS, UNIT_FILE, DROP_IN, robot_node.__file__)]
    return max(path.stat().st_mtime for path in (*files, *Path(CREDENTIALS).glob("*")) if path.exists())


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _entry(path: Path) -> Entry | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        text = os.readlink(path)  # noqa: PTH115  # as it was written, not as a path
    elif stat.S_ISREG(status.st_mode):
        text = path.read_text(encoding="utf-8", errors="replace")  # whoever needs every letter reads it himself
    else:
        text = ""
    return Entry(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, text)


def _table(path: Path) -> list[list[str]]:
    """passwd(5) or group(5); an image without one has no users yet."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    fields = [line.split(":") for line in text.splitlines()]
    return [entry for entry in fields if len(entry) > 3 and entry[2].isdecimal()]  # NIS has "+::::::"
