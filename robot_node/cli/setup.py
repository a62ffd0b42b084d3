"""``robot-node setup``: install robot-node as a systemd service."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_node.apps.bridge import snippets
from robot_node.apps.doctor.machine import Machine
from robot_node.apps.setup import plan, questions, survey
from robot_node.apps.setup import update as updates
from robot_node.apps.setup.answers import Answers, camera_values
from robot_node.apps.setup.executor import Executor
from robot_node.apps.setup.image import path_in
from robot_node.cli.options import executable_path, read_secret, without_none
from robot_node.cli.output import print_line, print_lines
from robot_node.devices.platform import raspberry_pi
from robot_node.errors import BrokerError, SetupError
from robot_node.logs.setup import configure_logging
from robot_node.mqtt import Broker, ConnectOptions, connect
from robot_node.settings.credentials import read_credentials
from robot_node.settings.devices import DisplaySettings
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings
from robot_node.settings.root import ENV_PREFIX, Settings

_THIS_MACHINE = Path("/")
_AGENT = "YOUR_AGENT"


def setup(
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the robot.  [default: the host name]")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Broker: mqtt[s]://host:port or ws[s]://host:port/path.  [default: mqtt://127.0.0.1:1883]",
        ),
    ] = None,
    username: Annotated[str | None, typer.Option(metavar="USER", help="User name for the broker, or 'none'.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the password, or '-' for stdin (default: $ROBOT_NODE_BROKER__PASSWORD).",
        ),
    ] = None,
    display: Annotated[
        str | None, typer.Option(metavar="DRIVER", help="Display: ssd1306, sh1106 or none.  [default: ssd1306]")
    ] = None,
    interface: Annotated[
        str | None, typer.Option(metavar="BUS", help="Bus of the display: i2c or spi.  [default: i2c]")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="CAMERA",
            help="Camera: its number in 'rpicam-hello --list-cameras', usb, or a device as /dev/video0.  [default: 0]",
        ),
    ] = None,
    upside_down: Annotated[
        bool | None,
        typer.Option(
            "--upside-down/--upright", help="Orientation of the camera.  [default: upright]", show_default=False
        ),
    ] = None,
    non_interactive: Annotated[
        bool,
        typer.Option(
            "--non-interactive",
            help="Ask no questions: use options, environment (ROBOT_NODE_<SECTION>__<KEY>) and the existing settings.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the planned actions without performing them.")
    ] = False,
    root: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Set up the system image mounted at FOLDER; starts nothing.")
    ] = _THIS_MACHINE,
    agent: Annotated[
        str,
        typer.Option(
            metavar="PROGRAM",
            help="Agent to print the bridge configuration for: claude-desktop, claude-code, cursor or vscode.",
        ),
    ] = "claude-code",
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Stop the service and remove everything that setup installed.")
    ] = False,
    update: Annotated[
        Path | None,
        typer.Option(
            metavar="WHEEL",
            help="Install this version of robot-node, and return to the present one if the robot does not come online.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --uninstall or --update: do not ask for confirmation.")
    ] = False,
) -> None:
    """Install robot-node as a systemd service.

    Asks for name, broker, display and camera; creates settings, user and systemd unit; starts the robot. Run it again
    to change an answer: manual changes of the settings file are kept.
    """
    # Ctrl-C must not leave a terminal that hides what is typed, or half a file.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    configure_logging(LogSettings(level="error"))
    root = root.resolve()
    _refuse_impossible(root, dry_run=dry_run)
    machine = survey.survey(root)
    executor = Executor(root)
    if update is not None:
        _update(update, machine, executor, dry_run=dry_run, ask=not (yes or non_interactive))
        return
    if uninstall:
        removal = plan.removal(machine, program=_program(root), running=root == _THIS_MACHINE)
        if _confirm(removal, "Remove all this?", dry_run=dry_run, ask=not (yes or non_interactive)):
            _execute(removal, executor)
            print_line("robot-node is uninstalled. Packages from apt, I2C, SPI and the journal are unchanged.")
        return
    desktop = snippets.desktop(agent)
    file = path_in(root, survey.SETTINGS)
    existing = file if file.exists() else None
    if display is None and interface != "spi" and existing is None and root == _THIS_MACHINE:
        display = _find_display()
    if camera is None and existing is None and root == _THIS_MACHINE:
        camera = _find_camera()
    options: dict[str, dict[str, Any]] = {
        "broker": {"url": broker},
        "camera": {
            **({} if camera is None else camera_values(camera)),
            "rotate": None if upside_down is None else 180 if upside_down else 0,
        },
        "display": {"driver": display, "interface": interface},
    }
    answers = Answers.from_settings(
        load_settings(existing, without_none(options)),
        password=_read_password(password_file),
        stored_password=machine.password,
    )
    if username is not None:
        answers = answers.with_credentials(None if username == "none" else username, answers.password)
    if name is not None and name != answers.name:
        answers = answers.with_name(name)
    if not non_interactive:
        answers = _ask_questions(answers)
    settings = _validated_settings(existing, answers)
    _warn_of_unsaved_environment(answers)
    reachable = root != _THIS_MACHINE or _is_reachable(_with_service_credentials(settings.broker))
    installation = plan.installation(
        answers,
        machine,
        template=survey.read_template("robot-node.toml"),
        unit=survey.read_template(survey.UNIT),
        program=_program(root),
        start=root == _THIS_MACHINE,
        wait=reachable,
    )
    if _confirm(installation, "Continue?", dry_run=dry_run, ask=not non_interactive):
        _execute(installation, executor)
        _print_next_steps(settings, desktop)


def _update(wheel: Path, machine: survey.Machine, executor: Executor, *, dry_run: bool, ask: bool) -> None:
    if executor.is_image:
        raise SetupError("--update needs the running robot.", remedy="Install the wheel in the image instead.")
    planned = updates.plan_update(updates.service_program(machine), wheel)
    todo = plan.Plan(planned.actions())
    if _confirm(todo, "Continue?", dry_run=dry_run, ask=ask):
        updates.run_update(planned, executor, print_lines)
        print_line("If its release notes say that the service has changed, then: sudo robot-node setup")


def _find_display() -> str | None:
    """Return the driver of the connected display, and say which it is; None if there is none that tells."""
    defaults = DisplaySettings()
    found = survey.find_controller(raspberry_pi(), defaults)
    if found is not None:
        print_line(f"Found a display at 0x{defaults.address:02x}: {found.upper()}.")
    return found


def _find_camera() -> str | None:
    """Say which USB cameras are connected; return the first on a machine that is no Pi, which can have no other."""
    found = survey.find_cameras(raspberry_pi())
    for device, name in found:
        print_line(f"Found a USB camera: {device}: {name}.")
    return found[0][0] if found and not Machine().model else None


def _ask_questions(defaults: Answers) -> Answers:
    try:
        return questions.ask(defaults)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        print_line("")
        raise SetupError(
            "The questions cannot be asked: stdin is not a terminal.",
            remedy="Use --non-interactive, which takes the answers from options, environment and settings.",
        ) from None


def _refuse_impossible(root: Path, *, dry_run: bool) -> None:
    """Raise a SetupError for what cannot succeed, before any question is asked."""
    if not root.is_dir():
        raise SetupError(f"There is no folder {root}.", remedy="Give --root the folder where an image is mounted.")
    if root == _THIS_MACHINE and not survey.runs_systemd():
        raise SetupError(
            "A service requires systemd, which does not run on this machine.",
            remedy="Start the robot with robot-node run, or set up a mounted image with --root FOLDER.",
        )
    if os.geteuid() != 0 and not dry_run:
        raise SetupError(
            "Installing a service requires root.",
            remedy=f"Run sudo {executable_path()} setup, or use --dry-run.",
        )


def _program(root: Path) -> str:
    """Return the path of robot-node on the target machine."""
    program = updates.linked_program(Path(executable_path()))
    if program.is_relative_to(root):
        return "/" + str(program.relative_to(root))
    return survey.PROGRAM


def _read_password(file: Path | None) -> str | None:
    """Read a new password: from a file, else from the environment."""
    if file is None:
        return os.environ.get(f"{ENV_PREFIX}BROKER__PASSWORD")
    return read_secret(file, "password")


def _validated_settings(file: Path | None, answers: Answers) -> Settings:
    """Load the settings that the robot will have; answers that contradict the rest of the file raise SettingsError."""
    overrides: dict[str, dict[str, Any]] = {"broker": {"password": answers.password}}
    for (section, key), value in answers.values().items():
        if (section, key) != ("broker", "password"):
            overrides.setdefault(section, {})[key] = value
    return load_settings(file, overrides)


def _warn_of_unsaved_environment(answers: Answers) -> None:
    """Warn of settings in this environment that are not saved: the service has its own environment."""
    written = {f"{ENV_PREFIX}{section}__{key}".upper() for section, key in answers.values()}
    for name in sorted(os.environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in written:
            print_line(
                f"Warning: {name} applies to this command only. For the robot, write it to {survey.SETTINGS}.",
                err=True,
            )


def _with_service_credentials(broker: Broker) -> Broker:
    """Add the key of the client certificate, which systemd passes to the service (docs/tls.md)."""
    credentials = read_credentials({"CREDENTIALS_DIRECTORY": survey.CREDENTIALS}).get("broker", {})
    key: dict[str, Any] = {"key_password": credentials["key_password"]} if "key_password" in credentials else {}
    if "key_file" in credentials:
        key["key_file"] = Path(str(credentials["key_file"]))
    return replace(broker, **key) if broker.cert_file else broker


def _is_reachable(broker: Broker) -> bool:
    """Try to connect to the broker; print a warning if that fails."""

    async def try_to_connect() -> None:
        async with connect(broker, ConnectOptions(client_id=f"setup-{secrets.token_hex(4)}"), lambda _: None):
            pass

    try:
        asyncio.run(try_to_connect())
    except BrokerError as error:
        print_line(f"Warning: {error} The robot will keep trying.", err=True)
        return False
    return True


def _confirm(todo: plan.Plan, question: str, *, dry_run: bool, ask: bool) -> bool:
    """Print a plan; return whether to execute it.

    Raises:
        typer.Abort: The user declined.
    """
    if not todo.actions:
        print_line("Nothing is installed." if todo.removes else "Nothing to do: everything is up to date.")
        return not (dry_run or todo.removes)
    if todo.changes:
        print_line("Changed settings; the rest of the file is kept:")
        for change in todo.changes:
            print_lines(f"  {change}")
    print_line("Planned actions (dry run):" if dry_run else "Planned actions:")
    for action in todo.actions:
        print_lines(f"  {action}")
    if dry_run:
        return False
    if ask and not typer.confirm(question, default=not todo.removes):
        raise typer.Abort
    return True


def _execute(todo: plan.Plan, executor: Executor) -> None:
    for action in todo.actions:
        if note := executor.perform(action):
            print_lines(note)


def _print_next_steps(settings: Settings, desktop: snippets.Desktop) -> None:
    # An agent must not use the robot's account: it has other rights, and only root can read the robot's password.
    has_account = settings.broker.username is not None or settings.broker.cert_file is not None
    broker = replace(settings.broker, username=None, password=None, password_file=None, cert_file=None, key_file=None)
    options: tuple[str, ...] = ()
    account = ""
    if has_account:
        broker = replace(broker, username=_AGENT, password="is not printed")  # noqa: S106  # a placeholder
        options = ("--client-id", _AGENT)
        account = f"Replace {_AGENT} with the agent's own account at the broker: docs/access.md, docs/tls.md.\n"
    snippet = snippets.stdio_snippet(desktop, survey.LINK, broker, options)
    print_lines(f"""
{settings.robot.server_id} ({settings.robot.server_name}) is installed, with the broker {settings.broker}.
Settings:       {survey.SETTINGS}; after a change: sudo systemctl restart robot-node
Log:            journalctl -u robot-node -f
Online robots:  robot-node robots --broker {settings.broker}
Self-check:     sudo robot-node doctor

For an agent on this machine: {snippet.advice}
{account}For an agent on another machine: robot-node bridge --print-config, see docs/bridge.md.
{snippet.text}""")
