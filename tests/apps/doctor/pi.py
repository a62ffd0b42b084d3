"""A Raspberry Pi in good health, to be made ill: simulated hardware, and a folder with the files of its Linux."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from hw_mocks.platform import SimulatedPi, simulated_platform
from hw_mocks.v4l2 import v4l2_library
from robot_node.apps.doctor.findings import Finding
from robot_node.apps.doctor.machine import Machine
from robot_node.devices.platform import Platform
from robot_node.settings.root import Settings

_DPKG = """\
Package: {name}
Status: install ok installed
Source: {source}
Version: {version}
Description: text
"""
_FILES = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\n',
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nrobot-node:x:990:990::/:/bin/false\npi:x:1000:1000::/home/pi:/bin/sh\n",
    "etc/group": "root:x:0:\nrobot-node:x:990:\nvideo:x:44:robot-node\nrender:x:106:\ni2c:x:994:\naudio:x:29:\n"
    "spi:x:995:\ngpio:x:993:\n",
    "etc/systemd/system/robot-node.service": "[Service]\nUser=robot-node\nStateDirectory=robot-node\n"
    "SupplementaryGroups=video render i2c gpio audio\n",
    "sys/class/video4linux/video11/name": "bcm2835-codec-encode\n",
    "dev/i2c-1": "",
    "dev/spidev0.0": "",
}


def package(name: str, version: str = "0.5.2+rpt1", source: str = "libcamera") -> str:
    """What dpkg notes down of an installed package."""
    return _DPKG.format(name=name, version=version, source=source)


@dataclass
class Pi:
    """The machine, its hardware, and the settings of its robot."""

    hardware: SimulatedPi
    machine: Machine
    settings: Settings
    platform: Platform

    @classmethod
    def in_good_health(cls, root: Path, **settings: Any) -> Self:
        """Everything is as it should be."""
        for name, text in _FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "var/lib/dpkg").mkdir(parents=True)
        (root / "var/lib/dpkg/status").write_text(f"{package('libcamera0.5')}\n{package('python3-libcamera')}\n")
        hardware = simulated_platform()
        machine = Machine(
            root=root,
            now=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC),
            clock_is_synchronised=lambda: True,
            free_bytes=lambda _: 10 * 1024**3,
            find_program=lambda name: f"/usr/bin/{name}",
            user="pi",
        )
        return cls(hardware, machine, Settings(**settings), hardware.platform)

    def write(self, name: str, text: str) -> None:
        """Put a file where the machine has it."""
        (self.machine.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.machine.root / name).write_text(text)

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.machine.root / name).unlink()

    def run_program(self, pid: int, command: str, *opened: str) -> None:
        """Let a program run that has devices open."""
        self.write(f"proc/{pid}/cmdline", command.replace(" ", "\0"))
        for number, device in enumerate(opened):
            descriptor = self.machine.root / f"proc/{pid}/fd/{number}"
            descriptor.parent.mkdir(exist_ok=True)
            descriptor.symlink_to(device)

    def use_encoder(self, name: str) -> None:
        """Give the board a video encoder for V4L2, under PyAV's name for it."""
        for camera in self.hardware.usb_cameras:
            camera.encoder = True
        library = v4l2_library(*self.hardware.usb_cameras, hardware_encoder=name)
        self.platform = replace(self.platform, v4l2=lambda: library)

    def changed(self, **what: Any) -> None:
        """Make something else true of the machine."""
        self.machine = replace(self.machine, **what)


def by_check(found: list[Finding]) -> dict[str, Finding]:
    """The findings by what was checked, of which each is once there; whatever is wrong has a reason and a remedy."""
    checks = {finding.check: finding for finding in found}
    assert len(checks) == len(found)
    assert all(finding.why and finding.remedy for finding in found if finding.why or not finding.ok)
    return checks
