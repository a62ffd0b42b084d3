"""The command that makes a service of robot-node: ``robot-node setup``."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_node.apps.bridge import snippets
from robot_node.apps.setup import plan, questions, survey
from robot_node.apps.setup.answers import Answers
from robot_node.apps.setup.doing import Doer
from robot_node.cli.options import given, own_path
from robot_node.errors import BrokerError, SettingsError, SetupError
from robot_node.logs.setup import configure_logging
from robot_node.mqtt import Broker, ConnectOptions, connect
from robot_node.settings.credentials import read_credentials
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings
from robot_node.settings.root import ENV_PREFIX, Settings

_THIS_MACHINE = Path("/")
_AGENT = "YOUR_AGENT"


def setup(
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the robot is called.  [default: the host's name]")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="mqtt[s]://host:port or ws[s]://host:port/path.  [default: mqtt://127.0.0.1:1883]"
        ),
    ] = None,
    username: Annotated[
        str | None, typer.Option(metavar="USER", help="The robot's user at the broker; 'none' for nobody.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where that user's password stands; '-' for stdin. Else the environment: ROBOT_NODE_BROKER__PASSWORD.",
        ),
    ] = None,
    display: Annotated[
        str | None, typer.Option(metavar="DRIVER", help="ssd1306, sh1106 or none.  [default: ssd1306]")
    ] = None,
    interface: Annotated[
        str | None, typer.Option(metavar="BUS", help="How the display is wired: i2c or spi.  [default: i2c]")
    ] = None,
    camera: Annotated[
        int | None, typer.Option(metavar="N", help="As 'rpicam-hello --list-cameras' numbers it.  [default: 0]")
    ] = None,
    upside_down: Annotated[
        bool | None,
        typer.Option(
            "--upside-down/--upright", help="How the camera is mounted.  [default: upright]", show_default=False
        ),
    ] = None,
    non_interactive: Annotated[
        bool,
        typer.Option(
            "--non-interactive",
            help="Ask nothing: options, environment (ROBOT_NODE_<SECTION>__<KEY>) and the present settings answer.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    root: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Set up the system image that is mounted there; nothing is started.")
    ] = _THIS_MACHINE,
    agent: Annotated[
        str,
        typer.Option(
            metavar="PROGRAM", help="Whose settings to print at the end: claude-desktop, claude-code, cursor or vscode."
        ),
    ] = "claude-code",
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Stop the service, and remove all that setup has made.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Make a service of robot-node on this machine.

    Asks for name, broker, display and camera; writes the settings, the user and the systemd unit; starts the robot.
    Run it again to change an answer: what you changed in the settings by hand stays.
    """
    configure_logging(LogSettings(level="error"))
    root = root.resolve()
    _refuse_impossible(root, dry_run=dry_run)
    machine = survey.survey(root)
    doer = Doer(root)
    if uninstall:
        removal = plan.removal(machine, program=_program(root), running=root == _THIS_MACHINE)
        if _agreed(removal, "Remove all this?", dry_run=dry_run, ask=not (yes or non_interactive)):
            _carry_out(removal, doer)
            typer.echo("robot-node is gone. What apt installed, I2C or SPI and the journal are left as they are.")
        return
    desktop = snippets.desktop(agent)
    options: dict[str, dict[str, Any]] = {
        "broker": {"url": broker},
        "camera": {"number": camera, "rotate": None if upside_down is None else 180 if upside_down else 0},
        "display": {"driver": display, "interface": interface},
    }
    file = root / survey.SETTINGS.lstrip("/")
    known = file if file.exists() else None
    answers = Answers.of(
        load_settings(known, given(options)),
        password=_password(password_file),
        kept_password=machine.password,
    )
    if username is not None:
        answers = answers.known_as(None if username == "none" else username, answers.password)
    if name is not None and name != answers.name:
        answers = answers.named(name)
    if not non_interactive:
        answers = _asked(answers)
    settings = _settings(known, answers)
    _say_what_is_not_written(answers)
    reachable = root != _THIS_MACHINE or _is_reachable(_as_handed_over(settings.broker))
    installation = plan.installation(
        answers,
        machine,
        template=survey.carried("robot-node.toml"),
        unit=survey.carried(survey.UNIT),
        program=_program(root),
        start=root == _THIS_MACHINE,
        wait=reachable,
    )
    if _agreed(installation, "Do this?", dry_run=dry_run, ask=not non_interactive):
        _carry_out(installation, doer)
        _say_what_next(settings, desktop)


def _asked(known: Answers) -> Answers:
    try:
        return questions.ask(known)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo()
        raise SetupError(
            "There is nobody to answer the questions.",
            remedy="--non-interactive asks none: see --help for what answers them.",
        ) from None


def _refuse_impossible(root: Path, *, dry_run: bool) -> None:
    """Refuse what must fail, before a question is asked."""
    if not root.is_dir():
        raise SetupError(f"There is no folder {root}.", remedy="--root names where an image is mounted.")
    if root == _THIS_MACHINE and not survey.runs_systemd():
        raise SetupError(
            "This machine does not run systemd, so that there can be no service.",
            remedy="Start the robot yourself: robot-node run. Or set up a mounted image: --root FOLDER.",
        )
    if os.geteuid() != 0 and not dry_run:
        raise SetupError(
            "Setting up a service takes the rights of root.", remedy=f"Type: sudo {own_path()} setup. Or try --dry-run."
        )


def _program(root: Path) -> str:
    """Where the command is on the machine that is set up."""
    program = Path(own_path())
    if program.is_relative_to(root):
        return "/" + str(program.relative_to(root))
    return survey.PROGRAM


def _password(file: Path | None) -> str | None:
    """A password that is new: from a file, else from the environment."""
    if file is None:
        return os.environ.get(f"{ENV_PREFIX}BROKER__PASSWORD")
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"The password file {file} cannot be read: {reason}.", remedy="Name one that you may read, or '-'."
        ) from error
    return text.rstrip("\n")


def _settings(file: Path | None, answers: Answers) -> Settings:
    """The settings that the robot will have: refuses answers that do not go together with the rest of the file."""
    overrides: dict[str, dict[str, Any]] = {"broker": {"password": answers.password}}
    for (section, key), value in answers.values().items():
        if (section, key) != ("broker", "password"):
            overrides.setdefault(section, {})[key] = value
    return load_settings(file, overrides)


def _say_what_is_not_written(answers: Answers) -> None:
    """The service has an environment of its own: what only ours says would be missed, and nobody would know why."""
    written = {f"{ENV_PREFIX}{section}__{key}".upper() for section, key in answers.values()}
    for name in sorted(os.environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in written:
            typer.echo(
                f"Warning: {name} holds for this command only. For the robot, write it into {survey.SETTINGS}.",
                err=True,
            )


def _as_handed_over(broker: Broker) -> Broker:
    """The broker as the service sees it, which systemd hands the key of a client certificate (docs/tls.md)."""
    handed = read_credentials({"CREDENTIALS_DIRECTORY": survey.CREDENTIALS}).get("broker", {})
    key: dict[str, Any] = {"key_password": handed["key_password"]} if "key_password" in handed else {}
    if "key_file" in handed:
        key["key_file"] = Path(str(handed["key_file"]))
    return replace(broker, **key) if broker.cert_file else broker


def _is_reachable(broker: Broker) -> bool:
    """Try the broker; what is wrong with it is said, and is no reason to stop."""

    async def visit() -> None:
        async with connect(broker, ConnectOptions(client_id=f"setup-{secrets.token_hex(4)}"), lambda _: None):
            pass

    try:
        asyncio.run(visit())
    except BrokerError as error:
        typer.echo(f"Warning: {error} The robot will keep trying.", err=True)
        return False
    return True


def _agreed(todo: plan.Plan, question: str, *, dry_run: bool, ask: bool) -> bool:
    """Show a plan; whether it is to be carried out."""
    if not todo.actions:
        typer.echo("Nothing is installed." if todo.removes else "Nothing is to be done: all is as it should be.")
        return not (dry_run or todo.removes)
    if todo.changes:
        typer.echo("Settings that change; all else in the file stays as it is:")
        for change in todo.changes:
            typer.echo(f"  {change}")
    typer.echo("This would be done:" if dry_run else "This will be done:")
    for action in todo.actions:
        typer.echo(f"  {action}")
    if dry_run:
        return False
    if ask and not typer.confirm(question, default=not todo.removes):
        raise typer.Abort
    return True


def _carry_out(todo: plan.Plan, doer: Doer) -> None:
    for action in todo.actions:
        if said := doer.perform(action):
            typer.echo(said)


def _say_what_next(settings: Settings, desktop: snippets.Desktop) -> None:
    # The robot's account is the robot's alone: it must not do what others do, and root alone can read its secrets.
    locked = settings.broker.username is not None or settings.broker.cert_file is not None
    way = replace(settings.broker, username=None, password=None, password_file=None, cert_file=None, key_file=None)
    options: tuple[str, ...] = ()
    account = ""
    if locked:
        way = replace(way, username=_AGENT, password="is not printed")  # noqa: S106  # says only that there is one
        options = ("--client-id", _AGENT)
        account = f"It needs an account of its own at the broker, in place of {_AGENT}: docs/access.md, docs/tls.md.\n"
    snippet = snippets.stdio_snippet(desktop, survey.LINK, way, options)
    typer.echo(f"""
{settings.robot.server_id} ({settings.robot.server_name}) is set up, for the broker {settings.broker}.
Its settings: {survey.SETTINGS}; after a change: sudo systemctl restart robot-node
What it says: journalctl -u robot-node -f
Is it online? robot-node robots --broker {settings.broker}
Is all well?  sudo robot-node doctor

For an agent on this machine. {snippet.advice}
{account}On another one: robot-node bridge --print-config, see docs/bridge.md.
{snippet.text}""")
