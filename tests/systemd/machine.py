"""A machine with a real systemd as PID 1, on which the shipped unit is installed; made of this machine's own root."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Self

from tests.waiting import DEADLINE_S, eventually

REPOSITORY = Path(__file__).parents[2]
UNIT = REPOSITORY / "systemd" / "robot-node.service"
_BOOT = Path(__file__).with_name("boot.sh")
_GROUPS = ("video", "render", "i2c", "spi", "gpio", "audio")
"""Those that Raspberry Pi OS has."""

_DROP_IN = """
[Service]
# The unit's own command, with simulated hardware, and the packages where these tests find them.
ExecStart=
ExecStart=/opt/python/bin/python3 -m robot_node run --simulated --config /etc/robot-node/{name}.toml
Environment=LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/robot-node:/opt/packages
# Several robots on one machine.
StateDirectory=
StateDirectory={name}
WorkingDirectory=/var/lib/{name}
{further}
"""


class Machine:
    """Boots on entering, and is gone with everything that ran on it on leaving. Needs root.

    Args:
        folder: An empty folder, for its root and its log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "systemd.log"
        self._boot: subprocess.Popen[bytes] | None = None
        self._systemd = 0

    @property
    def root(self) -> Path:
        """Its root, as seen from here."""
        return Path(f"/proc/{self._systemd}/root")

    def __enter__(self) -> Self:
        assert os.geteuid() == 0, "A real systemd can be run by root only: sudo make test."
        work = self._folder / "boot"
        work.mkdir()
        folders = (REPOSITORY, sys.base_prefix, sysconfig.get_path("purelib"))
        with self._log.open("wb") as log:
            self._boot = subprocess.Popen(
                # It does not outlive these tests, however they end.
                ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", _BOOT, work, *folders],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            asyncio.run(eventually(self._is_up, "systemd is up"))
            for group in _GROUPS:
                self.run("groupadd", "--force", "--system", group)
            self.run("useradd", "--system", "--groups", ",".join(_GROUPS), "robot-node")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._boot is not None
        if self._systemd:
            # All other processes of its PID namespace are killed by the kernel.
            os.kill(self._systemd, 9)
        elif self._boot.poll() is None:
            self._boot.kill()
        self._boot.wait(DEADLINE_S)

    def _is_up(self) -> bool:
        assert self._boot is not None
        if self._boot.poll() is not None:
            raise AssertionError(f"systemd cannot be run here: {self._log.read_text()}")
        pid_file = self._folder / "boot" / "pid"
        if not self._systemd:
            if not pid_file.exists() or not (said := pid_file.read_text().strip()):
                return False
            self._systemd = int(said)
        up = self._inside("systemctl", "is-active", "tests.target")
        return up.returncode == 0

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        namespaces = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
        return subprocess.run(
            ["nsenter", "--target", str(self._systemd), *namespaces, "--", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )

    def run(self, *command: str) -> str:
        """Run a command there as root; return what it printed."""
        done = self._inside(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self._log.read_text()}"
        return done.stdout


class Service:
    """The shipped unit, installed under a name of its own.

    Args:
        machine: Where.
        name: Of the unit, and of the folder in which the service keeps its state.
        settings: Its settings file.
        further: Further lines for a drop-in.
    """

    def __init__(self, machine: Machine, name: str, settings: str, *, further: str = "") -> None:
        self._machine = machine
        self.name = name
        units = machine.root / "etc/systemd/system"
        settings_file = machine.root / "etc/robot-node" / f"{name}.toml"
        for folder in (units / f"{name}.service.d", settings_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (units / f"{name}.service").write_text(UNIT.read_text())
        settings_file.write_text(settings)
        (units / f"{name}.service.d/tests.conf").write_text(_DROP_IN.format(name=name, further=further))
        machine.run("systemctl", "daemon-reload")

    @property
    def state_folder(self) -> Path:
        """Where it keeps its state, as seen from here."""
        return self._machine.root / "var/lib" / self.name

    @property
    def log(self) -> str:
        """What it has said."""
        return self._machine.run("journalctl", "--no-pager", "--output=cat", f"--unit={self.name}")

    def systemctl(self, verb: str, *options: str) -> None:
        """Run systemctl on it; returns when systemd says that it is done."""
        try:
            self._machine.run("systemctl", verb, *options, self.name)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from error

    def show(self, name: str) -> str:
        """One of its properties, as systemd tells it."""
        return self._machine.run("systemctl", "show", "--value", f"--property={name}", self.name).strip()

    def kill(self, number: int) -> None:
        """Send a signal to its main process."""
        self._machine.run("kill", f"-{number}", self.show("MainPID"))

    def wait_until_restarted(self) -> None:
        """Wait until systemd has restarted it and it is ready."""

        def restarted() -> bool:
            said = self._machine.run("systemctl", "show", "--property=NRestarts,ActiveState", self.name).split()
            return "ActiveState=active" in said and "NRestarts=0" not in said

        try:
            asyncio.run(eventually(restarted, f"{self.name} is restarted", deadline_s=2 * DEADLINE_S))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from error
