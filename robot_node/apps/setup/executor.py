"""Executes the actions of setup, on this machine or on a mounted image."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from robot_node.apps.setup.actions import (
    Action,
    AwaitUnit,
    EnableInterface,
    EnableUnit,
    HaltUnit,
    InstallPackages,
    JoinGroups,
    MakeEnvironment,
    MakeFolder,
    MakeLink,
    MakeUser,
    ReloadUnits,
    Remove,
    RemoveUser,
    StartUnit,
    StopUnit,
    SwitchEnvironment,
    WriteFile,
)
from robot_node.apps.setup.image import path_in, refuse_linked_accounts
from robot_node.apps.setup.survey import INTERFACES
from robot_node.core.child_environment import child_environment
from robot_node.errors import SetupError

_COMMAND_TIMEOUT_S = 120.0
_START_TIMEOUT_S = 60.0
_INSTALL_TIMEOUT_S = 3600.0  # a Pi with a slow card and a slow network
_RETRY = "Fix that and run setup again: it continues where it stopped."
_SYSTEM_FOLDERS = ":/usr/sbin:/sbin:/usr/bin:/bin"  # root's PATH after su lacks sbin


class Executor:
    """Executes actions.

    Args:
        root: Root folder of the target machine: ``/``, or the folder where an image is mounted.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.is_image = root != Path("/")
        """The target is a mounted image: nothing runs there."""

    def perform(self, action: Action) -> str:  # noqa: PLR0912  # one line for each kind of action
        """Execute one action.

        Returns:
            A note for the user; usually empty.

        Raises:
            SetupError: It failed; the text names the command or file, and the reason.
        """
        try:
            match action:
                case MakeUser(name, groups, home):
                    extra = ["--groups", ",".join(groups)] if groups else []
                    options = ["--system", "--user-group", "--no-create-home", "--home-dir", home]
                    self.run("useradd", *self._prefix(), *options, "--shell", "/usr/sbin/nologin", *extra, name)
                case JoinGroups(name, groups):
                    self.run("usermod", *self._prefix(), "--append", "--groups", ",".join(groups), name)
                case MakeFolder(path, mode, group):
                    self._make_folder(self._below(path), mode, self._group(group))
                case WriteFile(path, text, mode, group):
                    self._write(self._below(path, follow_last=False), text, mode, self._group(group))
                case MakeLink(path, target):
                    self._link(self._below(path, follow_last=False), target)
                case EnableInterface(name):
                    return self._enable(name)
                case EnableUnit(unit):
                    self.run("systemctl", *self._image_option(), "enable", "--quiet", unit)
                case StartUnit(unit, wait):
                    return self._start(unit, wait=wait)
                case StopUnit(unit):
                    now = [] if self.is_image else ["--now"]
                    self.run("systemctl", *self._image_option(), "disable", "--quiet", *now, unit)
                    if now:
                        self._reset_failed(unit)
                case ReloadUnits():
                    self.run("systemctl", "daemon-reload")
                case Remove(path):
                    self._remove(self._below(path, follow_last=False))
                case RemoveUser(name):
                    self._remove_user(name)
                case MakeEnvironment(path, like):
                    self._make_environment(path, like)
                case InstallPackages(environment, requirements, constraints):
                    limits = ["--constraint", constraints] if constraints else []
                    pip = [
                        f"{environment}/bin/python",
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--disable-pip-version-check",
                    ]
                    self.run(*pip, *limits, *requirements, timeout_s=_INSTALL_TIMEOUT_S)
                case SwitchEnvironment(path, target, keep):
                    self._switch(self._below(path, follow_last=False), target, keep)
                case HaltUnit(unit):
                    self.run("systemctl", "stop", unit)
                case AwaitUnit(unit, limit_s):
                    self.run("systemctl", "start", unit, timeout_s=limit_s)
        except OSError as error:
            raise SetupError(f"Could not {action}: {error.strerror or error}.", remedy=_RETRY) from error
        except subprocess.TimeoutExpired as error:
            reason = f"timeout after {error.timeout:.0f} s"
            raise SetupError(f"Could not {action}: {reason}.", remedy=_RETRY) from error
        return ""

    def _below(self, path: str, *, follow_last: bool = True) -> Path:
        return path_in(self._root, path, follow_last=follow_last)

    def _prefix(self) -> list[str]:
        if not self.is_image:
            return []
        refuse_linked_accounts(self._root)
        return ["--prefix", str(self._root)]

    def _image_option(self) -> list[str]:
        return [f"--root={self._root}"] if self.is_image else []

    def _group(self, name: str) -> int:
        """Return the id of a group on the target machine, which may differ from this machine's."""
        if name == "root":
            return 0
        for line in self._below("/etc/group").read_text(encoding="utf-8").splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2])
        raise SetupError(f"useradd did not create the group {name}.", remedy=f"Create it: groupadd -r {name}")

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
            raise SetupError(f"{path} exists and is not a link of setup.", remedy="Move it to another place.")
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def _make_environment(self, path: str, like: str) -> None:
        configuration = (self._below(like) / "pyvenv.cfg").read_text(encoding="utf-8")
        system = "include-system-site-packages = true" in configuration.lower()
        options = ["--system-site-packages"] if system else []
        self.run(f"{like}/bin/python", "-m", "venv", *options, path, timeout_s=_INSTALL_TIMEOUT_S)

    def _switch(self, path: Path, target: str, keep: str) -> None:
        link = path.with_name(f".{path.name}.new")
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        if not path.is_symlink():
            path.rename(path.with_name(keep))
        link.replace(path)

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _remove_user(self, name: str) -> None:
        self.run("userdel", *self._prefix(), name)
        # userdel also removes the group, except with USERGROUPS_ENAB=no or on an image.
        groups = self._below("/etc/group").read_text(encoding="utf-8")
        if any(line.startswith(f"{name}:") for line in groups.splitlines()):
            self.run("groupdel", *self._prefix(), name)

    def _enable(self, name: str) -> str:
        """Enable a bus; a failure is a note, not an error, since the robot runs without its display too."""
        try:
            self.run("raspi-config", "nonint", f"do_{name}", "0")
            self.run("udevadm", "settle", "--timeout=10")  # the device file appears asynchronously
        except SetupError as error:
            return f"{error.message} Restart the Pi and run setup again: sudo reboot"
        if Path(INTERFACES[name]).exists():
            return ""
        return f"{name.upper()} will be available after a restart of the Pi: sudo reboot"

    def _reset_failed(self, unit: str) -> None:
        """Clear the unit's failed state, else systemctl goes on listing it after its file is removed."""
        with contextlib.suppress(SetupError):  # not loaded any more
            self.run("systemctl", "reset-failed", unit)

    def _start(self, unit: str, *, wait: bool) -> str:
        if not wait:
            self.run("systemctl", "restart", "--no-block", unit)
            return "The robot starts in the background."
        try:
            self.run("systemctl", "restart", unit, timeout_s=_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # systemd continues to start it
            return f"The robot is not ready after {_START_TIMEOUT_S:.0f} s. See its log: journalctl -u {unit}"
        return ""

    def run(
        self,
        command: str,
        *arguments: str,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        accepted: Collection[int] = (0,),
    ) -> str:
        """Run a command, and return what it printed.

        Args:
            command: Its name, or its path.
            arguments: Its arguments.
            timeout_s: Time limit, in seconds.
            accepted: Exit statuses that are no failure.

        Raises:
            SetupError: It is missing, or failed.
            subprocess.TimeoutExpired: It did not end within ``timeout_s`` seconds.
        """
        executable = shutil.which(command, path=os.environ.get("PATH", "") + _SYSTEM_FOLDERS)
        if executable is None:
            raise SetupError(
                f"The command {command} is not installed.", remedy="Setup supports Debian, Ubuntu and Raspberry Pi OS."
            )
        completed = subprocess.run(
            [executable, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=child_environment(),
            umask=0o022,  # the service's user must be able to read what is installed
        )
        if completed.returncode not in accepted:
            reason = " ".join(completed.stderr.split()).rstrip(".") or f"exit status {completed.returncode}"
            raise SetupError(f"{' '.join([command, *arguments])} failed: {reason}.", remedy=_RETRY)
        return completed.stdout
