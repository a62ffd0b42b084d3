"""Plans the actions of setup, from the answers and the state of the machine. Pure.

Everything that is up to date is left alone, so that setup is idempotent.
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
_HIDDEN = tuple(PurePosixPath(folder) for folder in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108  # nothing is written there


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions to execute.

    Attributes:
        actions: In the order of execution.
        changes: Changes of an existing settings file.
        removes: Whether it is an uninstallation.
    """

    actions: tuple[Action, ...]
    changes: tuple[settings_text.Change, ...] = ()
    removes: bool = False


def installation(
    answers: Answers, machine: Machine, *, template: str, unit: str, program: str, start: bool, wait: bool
) -> Plan:
    """Plan the installation as a service.

    Args:
        answers: The user's answers.
        machine: State of the machine.
        template: The packaged settings file.
        unit: The packaged service unit.
        program: Path of the command robot-node on the target machine.
        start: Whether to start the service; False for an image.
        wait: Whether to wait until the robot is connected to its broker.

    Raises:
        SetupError: The service cannot access the program there, or its user name belongs to a login user.
        SettingsError: The existing settings file is not valid TOML.
    """
    if any(folder in PurePosixPath(program).parents for folder in _HIDDEN):
        raise SetupError(
            f"robot-node is installed as {program}, where a service cannot access it (ProtectHome=, PrivateTmp=).",
            remedy=f"Install it into {survey.PROGRAM_FOLDER}, as docs/get-started.md shows, and run setup from there.",
        )
    if machine.is_login_user:
        raise SetupError(
            f"The login user {survey.USER} exists: the service needs that name for its system user.",
            remedy="Rename that user and its group, logged in as another user: "
            f"sudo usermod -l NEW {survey.USER}; sudo groupmod -n NEW {survey.USER}",
        )
    before = machine.text(survey.SETTINGS)
    text = template if before is None else before
    settings = settings_text.edited(text, answers.values())
    configuration = [
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
    actions: list[Action] = [*configuration, *units]
    if machine.text(survey.LINK) != program and program != survey.LINK:
        actions.append(MakeLink(survey.LINK, program))
    if start and (units or machine.outdated):
        actions.append(ReloadUnits())
    if not machine.enabled:
        actions.append(EnableUnit(survey.UNIT))
    if start and (configuration or units or machine.outdated or not machine.active):
        actions.append(StartUnit(survey.UNIT, wait=wait))
    return Plan(tuple(actions), () if before is None else tuple(settings_text.changes(before, answers.values())))


def removal(machine: Machine, *, program: str, running: bool) -> Plan:
    """Plan the removal of everything that :func:`installation` creates, and of the program in its default folder.

    Args:
        machine: State of the machine.
        program: Path of the command robot-node on the target machine.
        running: Whether systemd runs there; False for an image.
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
    if survey.USER in machine.users and not machine.is_login_user:
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


def _folder(machine: Machine, action: MakeFolder) -> list[Action]:
    return [] if _has_permissions(machine, machine.entries.get(action.path), action) else [action]


def _file(machine: Machine, action: WriteFile) -> list[Action]:
    entry = machine.entries.get(action.path)
    up_to_date = entry is not None and entry.text == action.text and _has_permissions(machine, entry, action)
    return [] if up_to_date else [action]


def _has_permissions(machine: Machine, entry: Entry | None, action: MakeFolder | WriteFile) -> bool:
    group = machine.groups.get(action.group, 0 if action.group == "root" else None)
    return entry is not None and (entry.mode, entry.owner, entry.group) == (action.mode, 0, group)


def _password(machine: Machine, password: str | None) -> list[Action]:
    if password is not None:
        text = machine.text(survey.PASSWORD) if password == machine.password else password
        return _file(machine, WriteFile(survey.PASSWORD, text or password, 0o600))
    return [Remove(survey.PASSWORD)] if survey.PASSWORD in machine.entries else []


def _interfaces(answers: Answers, machine: Machine) -> list[Action]:
    needed = {"i2c": answers.has_i2c_display, "spi": answers.has_spi_display}
    return [EnableInterface(name) for name, needs in needed.items() if needs and name in machine.interfaces]


def _drop_in(machine: Machine, unit: str, program: str) -> list[Action]:
    """Plan the drop-in with this machine's differences from the unit; a Pi set up as documented needs none.

    systemd refuses to start a service with a supplementary group that does not exist.
    """
    lines = []
    if (start := re.search(r"^ExecStart=(\S+)(.*)$", unit, re.MULTILINE)) and start[1] != program:
        lines += ["ExecStart=", f"ExecStart={program}{start[2]}"]
    groups = " ".join(re.findall(r"^SupplementaryGroups=(.*)$", unit, re.MULTILINE)).split()
    if any(name not in machine.groups for name in groups):
        existing = " ".join(name for name in groups if name in machine.groups)
        lines += ["SupplementaryGroups=", f"SupplementaryGroups={existing}"]
    if not lines:
        return [Remove(survey.DROP_IN)] if survey.DROP_IN in machine.entries else []
    header = "# Written by 'robot-node setup', which overwrites it. For your own changes: systemctl edit robot-node"
    text = "\n".join([header, "[Service]", *lines, ""])
    return [
        *_folder(machine, MakeFolder(survey.DROP_INS, 0o755)),
        *_file(machine, WriteFile(survey.DROP_IN, text, 0o644)),
    ]
