"""Reads the state of the machine before an installation."""

from __future__ import annotations

import contextlib
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
from robot_node.apps.setup.image import path_in
from robot_node.core.child_environment import child_environment
from robot_node.devices import oled
from robot_node.devices.camera.v4l2_choice import cameras
from robot_node.devices.camera.v4l2_ioctl import video_devices
from robot_node.devices.platform import Platform
from robot_node.errors import DeviceError, SetupError
from robot_node.settings.devices import DisplaySettings

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
_FIRST_LOGIN_UID = 1000
"""First user id of login users on Debian."""
GROUPS = ("video", "render", "i2c", "spi", "gpio", "audio")
"""Groups that own a Pi's devices."""
INTERFACES = {"i2c": "/dev/i2c-1", "spi": "/dev/spidev0.0"}
"""Buses of a display, each with the device file that exists when it is enabled."""

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
        mode: Permission bits.
        owner: User id of the owner.
        group: Group id.
        text: Content of a file, or target of a link; empty for a folder.
    """

    mode: int
    owner: int
    group: int
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Machine:
    """State of a machine.

    Attributes:
        entries: Existing files, folders and links of an installation, by path.
        groups: All groups, with their ids.
        users: All users, with their ids.
        members: Groups that the service's user is a member of.
        interfaces: Which of ``"i2c"`` and ``"spi"`` are disabled and can be enabled.
        enabled: Whether the unit starts at boot.
        active: Whether the unit is running.
        outdated: Whether settings, credentials, unit or program have changed since the unit was started.
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
    def is_login_user(self) -> bool:
        """Whether the name of the service's user belongs to a login user."""
        return self.users.get(USER, 0) >= _FIRST_LOGIN_UID

    @property
    def password(self) -> str | None:
        """The stored password for the broker, without the line feed that echo or an editor adds."""
        return (self.text(PASSWORD) or "").removesuffix("\n") or None

    def text(self, path: str) -> str | None:
        """Return the content of a file, or None if it does not exist."""
        entry = self.entries.get(path)
        return None if entry is None else entry.text


def read_template(name: str) -> str:
    """Return the content of a packaged file: ``robot-node.toml`` or ``robot-node.service``."""
    return (resources.files("robot_node.apps.setup") / "templates" / name).read_text(encoding="utf-8")


def exists(file: Path) -> bool:
    """Whether a file exists; True as well if there is no permission to look."""
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
    """Read the state of a machine; changes nothing.

    Args:
        root: Root folder: ``/``, or the folder where an image is mounted.

    Raises:
        SetupError: There is no permission to read it.
    """
    try:
        entries = {
            path: entry for path in _PATHS if (entry := _entry(path_in(root, path, follow_last=False))) is not None
        }
        group_lines = _table(path_in(root, "/etc/group"))
        users = {line[0]: int(line[2]) for line in _table(path_in(root, "/etc/passwd"))}
    except PermissionError as error:
        raise SetupError(f"{error.filename} cannot be read.", remedy="Run setup as root, with sudo.") from error
    except OSError as error:
        reason = f"{error.filename} cannot be read: {error.strerror}."
        raise SetupError(reason, remedy="Repair it, and run setup again.") from error
    started = _started_at() if root == Path("/") else None
    return Machine(
        entries=entries,
        groups={line[0]: int(line[2]) for line in group_lines},
        users=users,
        members=frozenset(line[0] for line in group_lines if USER in line[3].split(",")),
        interfaces=_disabled_interfaces() if root == Path("/") else frozenset(),
        enabled=(path_in(root, "/etc/systemd/system/multi-user.target.wants") / UNIT).is_symlink(),
        active=started is not None,
        outdated=started is not None and _changed_at() > started,
    )


def find_controller(platform: Platform, settings: DisplaySettings) -> oled.Controller | None:
    """Return the controller of a connected I2C display; None without one, or when its status byte does not tell."""
    with contextlib.suppress(DeviceError, OSError):
        serial = platform.i2c(settings.bus, settings.address)
        try:
            return oled.controller_of(serial)
        finally:
            serial.cleanup()
    return None


def find_cameras(platform: Platform, links: Path = Path("/dev/v4l/by-id")) -> list[tuple[str, str]]:
    """Return file and name of each connected camera that V4L2 can drive; the file's name stays the same if possible.

    Args:
        platform: Gives the video devices.
        links: Folder with a link to each, under a name that stays the same.
    """
    try:
        devices = cameras(video_devices(platform.v4l2()))
        lasting = {str(link.resolve()): str(link) for link in sorted(links.glob("*"), reverse=True)}
    except (DeviceError, OSError):
        return []
    return [(lasting.get(device.path, device.path), device.name) for device in devices]


def _disabled_interfaces() -> frozenset[str]:
    if shutil.which("raspi-config") is None:
        return frozenset()
    return frozenset(name for name, device in INTERFACES.items() if not Path(device).exists())


def _started_at() -> float | None:
    """Return when the running service was started, in seconds since the epoch; None if it is not running."""
    if (systemctl := shutil.which("systemctl")) is None:
        return None
    # Monotonic: a Pi without a real-time clock may have been wrong by days when the service was started.
    command = [systemctl, "show", "--property=ActiveState,ExecMainStartTimestampMonotonic", UNIT]
    output = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30, env=child_environment()
    ).stdout
    properties = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if properties.get("ActiveState") != "active":
        return None
    return time.time() - (time.monotonic() - int(properties["ExecMainStartTimestampMonotonic"]) / 1e6)


def _changed_at() -> float:
    """Return when settings, credentials, unit or program changed last, in seconds since the epoch."""
    files = [Path(path) for path in (SETTINGS, UNIT_FILE, DROP_IN, robot_node.__file__)]
    return max(path.stat().st_mtime for path in (*files, *Path(CREDENTIALS).glob("*")) if path.exists())


def _entry(path: Path) -> Entry | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        text = os.readlink(path)  # noqa: PTH115  # unchanged, where Path would normalise it
    elif stat.S_ISREG(status.st_mode):
        text = path.read_text(encoding="utf-8", errors="replace")
    else:
        text = ""
    return Entry(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, text)


def _table(path: Path) -> list[list[str]]:
    """Parse passwd(5) or group(5); a missing file has no entries."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    fields = [line.split(":") for line in text.splitlines()]
    return [entry for entry in fields if len(entry) > 3 and entry[2].isdecimal()]  # NIS adds "+::::::"
