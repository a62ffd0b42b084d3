"""The systemd service of the robot with its user and groups; without a service, the current user."""

from __future__ import annotations

import re
from dataclasses import dataclass

from robot_node.apps.doctor.machine import Machine

UNIT = "robot-node.service"
_UNIT_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Service:
    """The service that runs the robot.

    Attributes:
        is_installed: Whether there is a unit.
        user: Name of its user.
        uid: Id of that user; None if it does not exist.
        groups: Names of its groups, with those of the unit.
        state_folder: Folder of its saved state, relative to the root.
    """

    is_installed: bool
    user: str
    uid: int | None
    groups: frozenset[str]
    state_folder: str

    @property
    def is_root(self) -> bool:
        """Whether it runs as root."""
        return self.uid == 0


def service_of(machine: Machine) -> Service:
    """Read the unit and its user's groups."""
    unit = next((text for folder in _UNIT_FOLDERS if (text := machine.text(f"{folder}/{UNIT}"))), "")
    for drop_in in sorted(machine.path(f"etc/systemd/system/{UNIT}.d").glob("*.conf")):
        unit += "\n" + machine.text(str(drop_in.relative_to(machine.root)))
    user = (_values(unit, "User") or ["root"])[-1] if unit else machine.current_user
    uid, gid = _ids(machine, user)
    named = {name for value in _values(unit, "SupplementaryGroups") for name in value.split()}
    groups = frozenset(
        name for name, number, members in _groups(machine) if number == gid or user in members or name in named
    )
    state = (_values(unit, "StateDirectory") or ["robot-node"])[-1].split()[0]
    return Service(bool(unit), user, uid, groups, f"var/lib/{state}")


def _values(unit: str, key: str) -> list[str]:
    return [value.strip() for value in re.findall(rf"^{key}=(.+)$", unit, re.MULTILINE)]


def _ids(machine: Machine, user: str) -> tuple[int | None, int | None]:
    for line in machine.text("etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == user and fields[2].isdigit() and fields[3].isdigit():
            return int(fields[2]), int(fields[3])
    return None, None


def _groups(machine: Machine) -> list[tuple[str, int, set[str]]]:
    lines = (line.split(":") for line in machine.text("etc/group").splitlines())
    return [(f[0], int(f[2]), set(f[3].split(","))) for f in lines if len(f) > 3 and f[2].isdigit()]
