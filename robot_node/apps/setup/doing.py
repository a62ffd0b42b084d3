"""Carries out what setup has planned, on this machine or on an image that is mounted somewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from robot_node.apps.setup.actions import (
    Action,
    EnableInterface,
    EnableUnit,
    JoinGroups,
    MakeFolder,
    MakeLink,
    MakeUser,
    ReloadUnits,
    Remove,
    RemoveUser,
    StartUnit,
    StopUnit,
    WriteFile,
)
from robot_node.apps.setup.survey import INTERFACES
from robot_node.core.child_environment import child_environment
from robot_node.errors import SetupError

_COMMAND_TIMEOUT_S = 120.0
_START_TIMEOUT_S = 60.0
_AGAIN = "Mend that, and run setup again: it goes on where it stopped."
_SYSTEM_FOLDERS = ":/usr/sbin:/sbin:/usr/bin:/bin"  # su leaves a root without sbin


class Doer:
    """Carries out actions.

    Args:
        root: The machine's root folder: ``/``, or where an image is mounted.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_image = root != Path("/")

    def perform(self, action: Action) -> str:  # noqa: PLR0912  # one line for each kind of action
        """Carry out one action.

        Returns:
            What a person should know of how it went; empty when there is nothing.

        Raises:
            SetupError: it failed; says which command or file, and why.
        """
        try:
            match action:
                case MakeUser(name, groups, home):
                    extra = ["--groups", ",".join(groups)] if groups else []
                    options = ["--system", "--user-group", "--no-create-home", "--home-dir", home]
                    self._run("useradd", *self._prefix(), *options, "--shell", "/usr/sbin/nologin", *extra, name)
                case JoinGroups(name, groups):
                    self._run("usermod", *self._prefix(), "--append", "--groups", ",".join(groups), name)
                case MakeFolder(path, mode, group):
                    self._make_folder(self._below(path), mode, self._group(group))
                case WriteFile(path, text, mode, group):
                    self._write(self._below(path), text, mode, self._group(group))
                case MakeLink(path, target):
                    self._link(self._below(path), target)
                case EnableInterface(name):
                    return self._enable(name)
                case EnableUnit(unit):
                    self._run("systemctl", *self._image_option(), "enable", "--quiet", unit)
                case StartUnit(unit, wait):
                    return self._start(unit, wait=wait)
                case StopUnit(unit):
                    now = [] if self._is_image else ["--now"]
                    self._run("systemctl", *self._image_option(), "disable", "--quiet", *now, unit)
                    if now:
                        self._forget_failure(unit)
                case ReloadUnits():
                    self._run("systemctl", "daemon-reload")
                case Remove(path):
                    self._remove(self._below(path))
                case RemoveUser(name):
                    self._remove_user(name)
        except OSError as error:
            raise SetupError(f"Could not {action}: {error.strerror or error}.", remedy=_AGAIN) from error
        except subprocess.TimeoutExpired as error:
            reason = f"it did not end within {error.timeout:.0f} s"
            raise SetupError(f"Could not {action}: {reason}.", remedy=_AGAIN) from error
        return ""

    def _below(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _prefix(self) -> list[str]:
        return ["--prefix", str(self._root)] if self._is_image else []

    def _image_option(self) -> list[str]:
        return [f"--root={self._root}"] if self._is_image else []

    def _group(self, name: str) -> int:
        """A group's number on that machine, which need not be ours."""
        if name == "root":
            return 0
        for line in self._below("/etc/group").read_text(encoding="utf-8").splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2])
        raise SetupError(f"There is no group {name} after its user was made.", remedy=f"Make it: groupadd -r {name}")

    def _make_folder(self, path: Path, mode: int, group: int) -> None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, 0, group)
        path.chmod(mode)

    def _write(self, path: Path, text: str, mode: int, group: int) -> None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchown(file.fileno(), 0, group)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _link(self, path: Path, target: str) -> None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.exists() and not path.is_symlink():
            raise SetupError(f"{path} is a file of somebody else's.", remedy="Move it out of the way.")
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _remove_user(self, name: str) -> None:
        self._run("userdel", *self._prefix(), name)
        # userdel takes the group along, unless USERGROUPS_ENAB says otherwise, or it works on an image.
        groups = self._below("/etc/group").read_text(encoding="utf-8")
        if any(line.startswith(f"{name}:") for line in groups.splitlines()):
            self._run("groupdel", *self._prefix(), name)

    def _enable(self, name: str) -> str:
        """A bus that cannot be switched on now is no reason to be without a robot, only without its display."""
        try:
            self._run("raspi-config", "nonint", f"do_{name}", "0")
            self._run("udevadm", "settle", "--timeout=10")  # the device appears in the end
        except SetupError as error:
            return f"{error.message} Restart the Pi, and run setup again: sudo reboot"
        if Path(INTERFACES[name]).exists():
            return ""
        return f"{name.upper()} will be there when the Pi has restarted: sudo reboot"

    def _forget_failure(self, unit: str) -> None:
        """A unit that did not stop well would stay in systemctl's lists, although its file is gone."""
        with contextlib.suppress(SetupError):  # it is forgotten already: not loaded
            self._run("systemctl", "reset-failed", unit)

    def _start(self, unit: str, *, wait: bool) -> str:
        if not wait:
            self._run("systemctl", "restart", "--no-block", unit)
            return "It starts in the background."
        try:
            self._run("systemctl", "restart", unit, timeout_s=_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # only our waiting ends
            return f"It is not ready after {_START_TIMEOUT_S:.0f} s. See what it says: journalctl -u {unit}"
        return ""

    def _run(self, command: str, *arguments: str, timeout_s: float = _COMMAND_TIMEOUT_S) -> None:
        """Run a command of the system.

        Raises:
            SetupError: it is missing or failed.
            subprocess.TimeoutExpired: it takes too long.
        """
        executable = shutil.which(command, path=os.environ.get("PATH", "") + _SYSTEM_FOLDERS)
        if executable is None:
            raise SetupError(
                f"The command {command} is missing.", remedy="Setup is for Debian, Ubuntu and Raspberry Pi OS."
            )
        said = subprocess.run(
            [executable, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=child_environment(),
        )
        if said.returncode:
            reason = " ".join(said.stderr.split()).rstrip(".") or f"exit status {said.returncode}"
            raise SetupError(f"{' '.join([command, *arguments])} failed: {reason}.", remedy=_AGAIN)
