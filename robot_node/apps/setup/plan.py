"""From answers, and what is on the machine already, to what must be done. Pure.

Whatever is there as it should be is left alone, so that setup may run again at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from robot_node.apps.setup import settings_text, survey
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
from robot_node.apps.setup.answers import Answers
from robot_node.apps.setup.survey import Entry, Machine
from robot_node.errors import SetupError

# ProtectHome= and PrivateTmp= of the unit hide these from the service.
_HIDDEN = tuple(PurePosixPath(folder) for folder in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108  # named, not used


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be done.

    Attributes:
        actions: In this order.
        changes: What becomes of a settings file that is there already.
        removes: Whether it takes things away that a person may want to keep.
    """

    actions: tuple[Action, ...]
    changes: tuple[settings_text.Change, ...] = ()
    removes: bool = False


def installation(
    answers: Answers, machine: Machine, *, template: str, unit: str, program: str, start: bool, wait: bool
) -> Plan:
    """What makes a service of robot-node.

    Args:
        answers: What the person wants.
        machine: What is there.
        template: The settings file that comes with the package.
        unit: The service unit that comes with the package.
        program: Where the command robot-node is, on that machine.
        start: Whether to start the service: an image has none that runs.
        wait: Whether to wait until the robot is on its broker.

    Raises:
        SetupError: the service could not read the program where it is, or its user is a person already.
        SettingsError: the settings file that is there is no TOML.
    """
    if any(folder in PurePosixPath(program).parents for folder in _HIDDEN):
        raise SetupError(
            f"robot-node is installed as {program}, which its service may not see: homes are hidden from it.",
            remedy=f"Install it into {survey.PROGRAM_FOLDER}, as docs/get-started.md shows, and run setup from there.",
        )
    if machine.user_is_a_person:
        raise SetupError(
            f"There is a person called {survey.USER} on this machine: the service needs that name for its own user.",
            remedy="Rename the person and his group, logged in as somebody else: "
            f"sudo usermod -l NEW {survey.USER}; sudo groupmod -n NEW {survey.USER}",
        )
    before = machine.text(survey.SETTINGS)
    text = template if before is None else before
    settings = settings_text.edited(text, answers.values())
    kept = [
        *_user(machine),
        *_folder(machine, MakeFolder(survey.SETTINGS_FOLDER, 0o750, survey.USER)),
        *_file(machine, WriteFile(survey.SETTINGS, settings, 0o640, survey.USER)),
        *_folder(machine, MakeFolder(survey.CREDENTIALS, 0o700)),
        *_password(machine, answers.password),
        *_interfaces(answers, machine),
    ]
    units = [
        *_file(machine, WriteFile(survey.UNIT_FILE, unit, 0o644)),
        *_drop_in(machine, unit, program),
    ]
    actions: list[Action] = [*kept, *units]
    if machine.text(survey.LINK) != program and program != survey.LINK:
        actions.append(MakeLink(survey.LINK, program))
    if start and (units or machine.outdated):
        actions.append(ReloadUnits())
    if not machine.enabled:
        actions.append(EnableUnit(survey.UNIT))
    if start and (kept or units or machine.outdated or not machine.active):
        actions.append(StartUnit(survey.UNIT, wait=wait))
    return Plan(tuple(actions), () if before is None else tuple(settings_text.changes(before, answers.values())))


def removal(machine: Machine, *, program: str, running: bool) -> Plan:
    """What takes away all that :func:`installation` has made, and the program itself if it is where it belongs.

    Args:
        machine: What is there.
        program: Where the command robot-node is, on that machine.
        running: Whether systemd runs there: an image has nothing to stop.
    """
    actions: list[Action] = []
    if survey.UNIT_FILE in machine.entries:
        actions.append(StopUnit(survey.UNIT))
    units = [Remove(path) for path in (survey.UNIT_FILE, survey.DROP_INS) if path in machine.entries]
    actions += units
    if units and running:
        actions.append(ReloadUnits())
    if (target := machine.text(survey.LINK)) is not None and target.endswith("/bin/robot-node"):
        actions.append(Remove(survey.LINK))
    actions += [Remove(path) for path in (survey.SETTINGS_FOLDER, survey.STATE) if path in machine.entries]
    if survey.USER in machine.users and not machine.user_is_a_person:
        actions.append(RemoveUser(survey.USER))
    if program.startswith(f"{survey.PROGRAM_FOLDER}/") and survey.PROGRAM_FOLDER in machine.entries:
        actions.append(Remove(survey.PROGRAM_FOLDER))
    return Plan(tuple(actions), removes=True)


def _user(machine: Machine) -> list[Action]:
    groups = tuple(name for name in survey.GROUPS if name in machine.groups)
    if survey.USER not in machine.users:
        return [MakeUser(survey.USER, groups, survey.STATE)]
    missing = tuple(name for name in groups if name not in machine.members)
    return [JoinGroups(survey.USER, missing)] if missing else []


def _folder(machine: Machine, wanted: MakeFolder) -> list[Action]:
    return [] if _is_as_wanted(machine, machine.entries.get(wanted.path), wanted) else [wanted]


def _file(machine: Machine, wanted: WriteFile) -> list[Action]:
    entry = machine.entries.get(wanted.path)
    right = entry is not None and entry.text == wanted.text and _is_as_wanted(machine, entry, wanted)
    return [] if right else [wanted]


def _is_as_wanted(machine: Machine, entry: Entry | None, wanted: MakeFolder | WriteFile) -> bool:
    group = machine.groups.get(wanted.group, 0 if wanted.group == "root" else None)
    return entry is not None and (entry.mode, entry.owner, entry.group) == (wanted.mode, 0, group)


def _password(machine: Machine, password: str | None) -> list[Action]:
    if password is not None:
        text = machine.text(survey.PASSWORD) if password == machine.password else password
        return _file(machine, WriteFile(survey.PASSWORD, text or password, 0o600))
    return [Remove(survey.PASSWORD)] if survey.PASSWORD in machine.entries else []


def _interfaces(answers: Answers, machine: Machine) -> list[Action]:
    needed = {"i2c": answers.has_i2c_display, "spi": answers.has_spi_display}
    return [EnableInterface(name) for name, needs in needed.items() if needs and name in machine.interfaces]


def _drop_in(machine: Machine, unit: str, program: str) -> list[Action]:
    """What differs from the unit on this machine; nothing on a Pi that was set up as the guide says.

    systemd refuses to start a service that is to be in a group which isn't there.
    """
    lines = []
    if (start := re.search(r"^ExecStart=(\S+)(.*)$", unit, re.MULTILINE)) and start[1] != program:
        lines += ["ExecStart=", f"ExecStart={program}{start[2]}"]
    groups = " ".join(re.findall(r"^SupplementaryGroups=(.*)$", unit, re.MULTILINE)).split()
    if any(name not in machine.groups for name in groups):
        there = " ".join(name for name in groups if name in machine.groups)
        lines += ["SupplementaryGroups=", f"SupplementaryGroups={there}"]
    if not lines:
        return [Remove(survey.DROP_IN)] if survey.DROP_IN in machine.entries else []
    head = "# Written by 'robot-node setup', and written anew by it. Changes of your own: systemctl edit robot-node"
    text = "\n".join([head, "[Service]", *lines, ""])
    return [
        *_folder(machine, MakeFolder(survey.DROP_INS, 0o755)),
        *_file(machine, WriteFile(survey.DROP_IN, text, 0o644)),
    ]
