"""What is examined, and how a check is kept from hanging or from raising."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from robot_node.apps.doctor.findings import Finding, Tell
from robot_node.apps.doctor.machine import Machine
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
    """What is examined.

    Attributes:
        settings: The robot's.
        platform: What its hardware is reached through.
        machine: What it runs on.
        service: Who runs it.
        tell: Given each finding.
        limit_s: How long a call into a library of the hardware may take, in seconds.
        load_limit_s: How long loading a library may take, in seconds; on a Pi Zero that is long.
    """

    settings: Settings
    platform: Platform
    machine: Machine
    service: Service
    tell: Tell
    limit_s: float = 10.0
    load_limit_s: float = 60.0

    @property
    def on_a_pi(self) -> bool:
        """Whether files of a Raspberry Pi can be looked for."""
        return bool(self.machine.model)

    async def call(self, name: str, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what may block, in a thread of its own.

        Raises:
            HangingError: it took longer than ``limit_s`` seconds.
        """
        worker = DeviceWorker(name)
        try:
            return await worker.run_within(limit_s, function, *args, **kwargs)
        finally:
            worker.close()

    async def load(self, check: str, load: Callable[[], T], *, why: str) -> T | None:
        """Load a library; what is wrong with it is told, and the result None."""
        try:
            return await self.call(check, self.load_limit_s, load)
        except HangingError as error:
            remedy = "Restart the machine; if it happens again, see: sudo dmesg | tail."
            self.tell(Finding.bad(check, error.message, why=why, remedy=remedy))
        except DeviceError as error:
            self.tell(Finding.bad(check, error.message, why=why, remedy=error.remedy))
        except Exception as error:  # noqa: BLE001  # a library that is broken may raise anything while it is loaded
            detail = f"It fails while it is loaded: {type(error).__name__}: {error}."
            remedy = (
                "Bring the system's packages to one level: sudo apt update && sudo apt full-upgrade. A second numpy in "
                f"robot-node's own environment is another cause; this removes it: {run_pip('uninstall numpy')}"
            )
            self.tell(Finding.bad(check, detail, why=why, remedy=remedy))
        return None
