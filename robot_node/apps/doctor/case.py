"""The subject of all checks, and helpers with which a check neither hangs nor raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from robot_node.apps.doctor.findings import Finding, Report
from robot_node.apps.doctor.machine import Machine, Process
from robot_node.apps.doctor.service import Service
from robot_node.core.pip_hint import run_pip
from robot_node.devices.platform import Platform
from robot_node.devices.worker import DeviceWorker, HangingError
from robot_node.errors import DeviceError
from robot_node.settings.root import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """The robot that is examined.

    Attributes:
        settings: Its settings.
        platform: Access to its hardware.
        machine: The machine it runs on.
        service: The systemd service that runs it.
        report: Called with each finding.
        limit_s: Time limit of a call into a hardware library, in seconds.
        load_limit_s: Time limit for importing a library, in seconds; on a Pi Zero imports are slow.
    """

    settings: Settings
    platform: Platform
    machine: Machine
    service: Service
    report: Report
    limit_s: float = 10.0
    load_limit_s: float = 60.0

    @property
    def on_a_pi(self) -> bool:
        """Whether the machine is a Raspberry Pi."""
        return bool(self.machine.model)

    def package(self, check: str, package: str, *, why: str) -> Finding:
        """Check that a Python package is installed."""
        if version := self.machine.version_of(package):
            return Finding.good(check, f"{package} {version} is installed.")
        detail = f"The Python package {package} is not installed."
        return Finding.bad(check, detail, why=why, remedy=f"Install it: {run_pip(f'install {package}')}")

    async def call(self, name: str, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a blocking function in its own thread.

        Raises:
            HangingError: It took longer than ``limit_s`` seconds.
        """
        worker = DeviceWorker(name)
        try:
            return await worker.run_within(limit_s, function, *args, **kwargs)
        finally:
            worker.close()

    async def load(self, check: str, load: Callable[[], T], *, why: str) -> T | None:
        """Import a library; if that fails, report it and return None."""
        try:
            return await self.call(check, self.load_limit_s, load)
        except HangingError as error:
            remedy = "Restart the machine; if it happens again, see: sudo dmesg | tail."
            self.report(Finding.bad(check, error.message, why=why, remedy=remedy))
        except DeviceError as error:
            self.report(Finding.bad(check, error.message, why=why, remedy=error.remedy))
        except Exception as error:  # noqa: BLE001  # a broken library may raise anything at import
            detail = f"The import fails: {type(error).__name__}: {error}."
            remedy = (
                "Upgrade the system's packages: sudo apt update && sudo apt full-upgrade. Another cause is a second "
                f"numpy in robot-node's own environment; remove it: {run_pip('uninstall numpy')}"
            )
            self.report(Finding.bad(check, detail, why=why, remedy=remedy))
        return None


def in_use(check: str, device: str, users: Sequence[Process], *, why: str) -> Finding | None:
    """Report on the programs that use a device: well if the robot is one of them; None when there are none."""
    if robots := [user for user in users if user.is_robot]:
        return Finding.good(check, f"{device} is in use by the robot itself: {robots[0]}.")
    if not users:
        return None
    names, numbers = ", ".join(map(str, users)), " ".join(str(user.pid) for user in users)
    remedy = f"Stop that program: sudo kill {numbers}"
    return Finding.bad(check, f"{device} is in use by {names}.", why=why, remedy=remedy)
