"""``robot-node setup --update``: install a version next to the running one, switch to it, and go back when it fails.

The service starts from a path that is a link after the first update. Environments cannot be moved: each stays in a
folder of its own, next to that link, and the one before the last switch is kept.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from robot_node.apps.setup import survey
from robot_node.apps.setup.actions import (
    Action,
    AwaitUnit,
    HaltUnit,
    InstallPackages,
    MakeEnvironment,
    Remove,
    SwitchEnvironment,
)
from robot_node.apps.setup.executor import Executor
from robot_node.core.temporary_folder import TemporaryFolder
from robot_node.errors import SetupError

ONLINE_LIMIT_S = 180.0
"""A Pi Zero 2 W takes a minute to start while its card is busy."""

_PREFIX = "robot-node-"
_DOCTOR_TIMEOUT_S = 300.0
_CONSTRAINTS = "robot_node/constraints.txt"
_NOT_CARRIED_OVER = frozenset({"robot-node", "pip", "setuptools", "wheel"})


@dataclass(frozen=True, slots=True)
class Update:
    """An update: where things are, and what is done, in this order.

    Attributes:
        version: The version that is installed.
        current: Folder of the environment that the service has now.
        environment: Path from which the service starts: that folder, or a link to it.
        new: Folder of the new version's environment.
        wheel: The wheel.
        limit_s: Seconds within which the robot must be online.
        settings: The robot's settings file, for the doctor.
    """

    version: str
    current: Path
    environment: Path
    new: Path
    wheel: Path
    limit_s: float
    settings: str

    @property
    def kept(self) -> Path:
        """Folder of the present environment after the switch."""
        return self.current if self.environment.is_symlink() else self.environment.with_name(f"{_PREFIX}previous")

    def actions(self) -> tuple[Action, ...]:
        """The actions, for people to read; the tested versions come from the wheel."""
        return (
            MakeEnvironment(str(self.new), str(self.environment)),
            InstallPackages(str(self.new), (str(self.wheel),)),
            HaltUnit(survey.UNIT),
            SwitchEnvironment(str(self.environment), self.new.name, self.kept.name),
            AwaitUnit(survey.UNIT, self.limit_s),
        )


def service_program(machine: survey.Machine) -> str:
    """Return the path of the program that the installed service starts.

    Raises:
        SetupError: It is not installed.
    """
    for path in (survey.DROP_IN, survey.UNIT_FILE):
        if found := re.findall(r"^ExecStart=(\S+)", machine.text(path) or "", re.MULTILINE):
            return str(found[-1])
    raise SetupError("robot-node is not installed as a service.", remedy="Run robot-node setup first.")


def linked_program(program: Path) -> Path:
    """Return the path of a program through the link that updates switch; the same path if there is none."""
    environment = program.parents[1]
    for link in sorted(environment.parent.glob("*")) + sorted(environment.parent.glob(".*")):
        if link.is_symlink() and link.resolve() == environment:
            return link / "bin" / program.name
    return program


def plan_update(
    program: str, wheel: Path, *, limit_s: float = ONLINE_LIMIT_S, settings: str = survey.SETTINGS
) -> Update:
    """Plan an update.

    Args:
        program: Path of the program that the service starts.
        wheel: A wheel of robot-node.
        limit_s: Seconds within which the robot must be online.
        settings: The robot's settings file.

    Raises:
        SetupError: The wheel is not one of robot-node, or the program is not in a virtual environment.
    """
    try:
        name, version, *_ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        name = canonicalize_name("")
    if name != "robot-node" or not zipfile.is_zipfile(wheel):
        raise SetupError(f"{wheel} is not a wheel of robot-node.", remedy="Name a file robot_node-VERSION-*.whl.")
    environment = Path(program).parents[1]
    if not (environment / "pyvenv.cfg").is_file():
        raise SetupError(
            f"{program} is not in a virtual environment.",
            remedy=f"Install robot-node into {survey.PROGRAM_FOLDER}/.venv, and run setup from there, once.",
        )
    new = environment.with_name(f"{_PREFIX}{version}")
    number = 2
    while new.exists():
        new = environment.with_name(f"{_PREFIX}{version}-{number}")
        number += 1
    return Update(str(version), environment.resolve(), environment, new, wheel.resolve(), limit_s, settings)


def run_update(update: Update, executor: Executor, report: Callable[[str], None]) -> None:
    """Install, check, switch and restart; go back when the robot does not come online.

    Args:
        update: The plan.
        executor: Runs the commands.
        report: Called with each step, as a line.

    Raises:
        SetupError: The version is not in use: it could not be installed, the doctor finds faults that the present one
            does not have, or the robot did not come online.
    """
    if executor.run("systemctl", "is-active", survey.UNIT, accepted=range(256)).strip() != "active":
        raise SetupError(
            "The robot is not online now: whether another version comes online would say nothing.",
            remedy="See sudo robot-node doctor, and repair that first.",
        )
    try:
        _install(update, executor, report)
        _compare_doctors(update, executor, report)
    except BaseException:
        executor.perform(Remove(str(update.new)))
        raise
    kept = update.kept
    report(f"Switching to {update.version} ...")
    try:
        executor.perform(HaltUnit(survey.UNIT))
        executor.perform(SwitchEnvironment(str(update.environment), update.new.name, kept.name))
        executor.perform(AwaitUnit(survey.UNIT, update.limit_s))
    except BaseException as error:
        try:
            _go_back(update, kept, executor)
        except SetupError as failure:
            raise SetupError(
                f"Version {update.version} did not come online ({error}), and the previous one does not start either: "
                f"{failure.message}",
                remedy=f"Their log: journalctl -u {survey.UNIT} --since -15min",
            ) from error
        if isinstance(error, SetupError):
            raise SetupError(
                f"Version {update.version} did not come online; the previous version runs again. {error.message}",
                remedy=f"Its log: journalctl -u {survey.UNIT} --since -15min",
            ) from error
        raise
    for folder in sorted(update.environment.parent.glob(f"{_PREFIX}*")):
        if folder not in {update.new, kept} and (folder / "pyvenv.cfg").is_file():
            executor.perform(Remove(str(folder)))
    report(f"Version {update.version} is online. The previous one is kept in {kept}.")


def _install(update: Update, executor: Executor, report: Callable[[str], None]) -> None:
    report(f"Installing {update.version} into {update.new} ...")
    executor.perform(MakeEnvironment(str(update.new), str(update.environment)))
    with TemporaryFolder("robot-node-update-") as folder:
        constraints = _constraints(update.wheel, folder.path)
        executor.perform(InstallPackages(str(update.new), (str(update.wheel),), str(constraints or "")))
        # What was added by hand: sound, recognisers, devices of other packages.
        before, after = (_packages(each, executor) for each in (update.environment, update.new))
        tested = _tested(constraints)
        more = [
            name if name in tested else before[name]
            for name in sorted(before.keys() - after.keys() - _NOT_CARRIED_OVER)
        ]
        if more:
            report(f"Installing what was added to it, too: {', '.join(more)} ...")
            executor.perform(InstallPackages(str(update.new), tuple(more), str(constraints or "")))


def _constraints(wheel: Path, folder: Path) -> Path | None:
    """Extract the tested versions; None without, and on 32-bit, for which there are no wheels of some."""
    with zipfile.ZipFile(wheel) as archive:
        if sys.maxsize < 2**32 or _CONSTRAINTS not in archive.namelist():
            return None
        return Path(archive.extract(_CONSTRAINTS, folder))


def _tested(constraints: Path | None) -> set[str]:
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints else []
    return {canonicalize_name(line.partition("==")[0].strip()) for line in lines if "==" in line}


def _packages(environment: Path, executor: Executor) -> dict[str, str]:
    """Return the requirement of each package in an environment, by name; editable ones are left out."""
    options = ("--local", "--exclude-editable", "--disable-pip-version-check")
    lines = executor.run(f"{environment}/bin/python", "-m", "pip", "freeze", *options).splitlines()
    names = [re.split(r"==| @ ", line, maxsplit=1)[0] for line in lines]
    return {canonicalize_name(name): line for name, line in zip(names, lines, strict=True)}


def _compare_doctors(update: Update, executor: Executor, report: Callable[[str], None]) -> None:
    report("Checking it with the doctor ...")
    before, after = (_faults(each, update.settings, executor) for each in (update.environment, update.new))
    if new := {check: detail for check, detail in after.items() if check not in before}:
        raise SetupError(
            f"The doctor of {update.version} finds what the present version's does not: "
            + " ".join(f"{check}: {detail}" for check, detail in new.items()),
            remedy="Nothing was changed. Repair that, or keep the present version.",
        )


def _faults(environment: Path, settings: str, executor: Executor) -> dict[str, str]:
    command = (f"{environment}/bin/robot-node", "doctor", "--json", "--config", settings)
    output = executor.run(*command, timeout_s=_DOCTOR_TIMEOUT_S, accepted=(0, 1))
    try:
        return {finding["check"]: finding["detail"] for finding in json.loads(output) if not finding["ok"]}
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(
            f"The doctor in {environment} does not run.", remedy=f"Run it: sudo {' '.join(command)}"
        ) from error


def _go_back(update: Update, kept: Path, executor: Executor) -> None:
    """Start the previous version again, whatever was done of the switch."""
    executor.perform(HaltUnit(survey.UNIT))
    if update.environment.resolve() == update.new:
        executor.perform(SwitchEnvironment(str(update.environment), kept.name, update.new.name))
    elif not update.environment.exists():  # renamed, not yet linked
        kept.rename(update.environment)
    executor.perform(AwaitUnit(survey.UNIT, update.limit_s))
    executor.perform(Remove(str(update.new)))
