"""The command line ``robot-node``: its commands, each with what it does in its own module."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robot_node.apps.setup.survey import SETTINGS, exists
from robot_node.cli.bridge import bridge
from robot_node.cli.confirm import confirm
from robot_node.cli.options import BrokerOption, JsonOption, read_secret, run_command, without_none
from robot_node.cli.output import print_json, print_line
from robot_node.cli.remote import call, events, robots, tools
from robot_node.cli.setup import setup
from robot_node.cli.speech_model import speech_model
from robot_node.cli.voices import voices
from robot_node.cli.watch import watch
from robot_node.core.asyncio_tools import end_process, run_until_signal
from robot_node.core.imports import without_collector
from robot_node.errors import RobotNodeError, SettingsError
from robot_node.logs.reload import reloaded_on_hangup
from robot_node.logs.setup import configure_logging
from robot_node.logs.uncaught import log_uncaught
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings
from robot_node.settings.root import ENV_PREFIX, Settings

if TYPE_CHECKING:  # starlette takes its time to load
    from starlette.routing import BaseRoute

_STOP_WITHIN_S = 4.5
"""systemd kills the service after 5 s (TimeoutStopSec= of the unit)."""

app = typer.Typer(
    name="robot-node",
    help="A body for an LLM agent: a Raspberry Pi's camera and face as MCP tools over MQTT, live video over WebRTC.",
    epilog="Each setting is also an environment variable: ROBOT_NODE_<SECTION>__<KEY>, e.g. ROBOT_NODE_BROKER__URL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: print a known error without a traceback and exit with status 1."""
    if sys.stdin is None:  # the parent process closed it
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # until the process ends
    try:
        app(prog_name=app.info.name)  # else it would depend on how Python was started
    except RobotNodeError as error:
        first, *more = error.lines()
        for line in (f"robot-node: {first}", *more):
            print_line(line, err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        print_line(f"robot-node: {error.strerror}. Free some space where the output is written.", err=True)
        os._exit(1)  # a normal exit would flush the buffer again and report the same error as ignored


@app.command()
def run(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML).")] = None,
    broker: BrokerOption = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Run on simulated hardware: no Pi needed.")] = False,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="SCENE",
            help="Picture of the simulated camera: a video file, 'webcam', 'clock' (synthetic, moving), or 'auto': "
            "the webcam if there is one, else the clock. Requires --simulated.",
        ),
    ] = None,
    server_id: Annotated[str | None, typer.Option(metavar="ID", help="MQTT client id of the robot.")] = None,
    server_name: Annotated[
        str | None, typer.Option(metavar="A/B", help="MCP server name of the robot, with at least one '/'.")
    ] = None,
) -> None:
    """Run the robot until SIGTERM or Ctrl-C."""
    if scene is not None and not simulated:
        raise SettingsError("--scene is an option of the simulated camera.", remedy="Add --simulated.")
    overrides = {
        "broker": {"url": broker},
        "robot": {"server_id": server_id, "server_name": server_name},
        "simulation": {"scene": scene},
    }

    def load() -> Settings:
        return load_settings(config, without_none(overrides))

    settings = load()
    configure_logging(settings.log)
    log_uncaught()
    with without_collector():  # late: --help and an invalid setting need not wait for the MCP SDK
        # Not on the event loop, where a signal would wait for it: until there is something to close, it just kills.
        import robot_node.daemon
        import robot_node.hardware  # noqa: F401  # for _run_with_console
    running = _run(settings, simulated=simulated, log_settings=lambda: load().log)
    asyncio.run(run_until_signal(running, stop_within_s=_STOP_WITHIN_S))
    end_process()


async def _run(settings: Settings, *, simulated: bool, log_settings: Callable[[], LogSettings]) -> None:
    async with reloaded_on_hangup(log_settings):
        await _run_with_console(settings, simulated=simulated)


async def _run_with_console(settings: Settings, *, simulated: bool) -> None:
    from robot_node import daemon, hardware

    platform = hardware.choose(settings, simulated=simulated)
    console = {"console": partial(_serve_console, settings)} if settings.console.enabled else {}
    await daemon.run(settings, platform, extra_services=console, page=partial(_page_routes, settings))


async def _serve_console(settings: Settings) -> None:
    from robot_node.console.server import serve_with_robot  # imported only if enabled: starlette takes its time

    await serve_with_robot(settings)


def _page_routes(settings: Settings) -> Sequence[BaseRoute]:
    from robot_node.console.server import http_routes  # likewise

    return http_routes(settings)


@app.command()
def demo(
    scene: Annotated[
        str,
        typer.Option(
            metavar="SCENE", help="Picture of the camera: a video file, 'webcam', 'clock' or 'auto'.", envvar="SCENE"
        ),
    ] = "auto",
) -> None:
    """Run a demo: a local broker and a simulated robot.

    Both listen on loopback only. Ctrl-C stops them.
    """
    from robot_node.apps.demo import run_demo

    configure_logging(LogSettings(level="warning"))
    asyncio.run(run_until_signal(run_demo(scene or "auto")))


@app.command()
def console(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML).")] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address of this machine to listen on.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="TCP port; 0 for any free one.  [default: 8088]"),
    ] = None,
    broker: BrokerOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the token that visitors need, or '-' for stdin; required if HOST is beyond this machine. "
            "[default: $ROBOT_NODE_CONSOLE__TOKEN, if any]",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve the console: a web page for the robots of a broker.

    Their MQTT is passed on to the broker, with the user names and passwords that people sign in with. Ctrl-C stops the
    server.
    """
    from robot_node.console.server import Console, open_browser, serve_console

    token = None if token_file is None else read_secret(token_file, "token")
    # A broker on the command line is meant, even if the settings name another one for browsers.
    options = {"host": host, "port": port, "token": token, "broker_url": None if broker is None else ""}
    settings = load_settings(config, without_none({"console": options, "broker": {"url": broker}}))
    configure_logging(settings.log)

    def listening(url: str) -> None:
        print_line(f"The console is at {url}")
        if open_ and not open_browser(url):
            print_line("No browser can be opened here. Open this address in one.", err=True)

    asyncio.run(run_until_signal(serve_console(Console.from_settings(settings), on_listening=listening)))


def _print_version(requested: bool) -> None:
    if requested:
        print_line(metadata.version("robot-node"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # handled by the callback


for _command in (robots, tools, events, call, watch, confirm, setup, voices):
    app.command()(_command)
app.command("speech-model")(speech_model)
app.command(short_help="Run an MCP server for desktop agents: all robots of a broker.")(bridge)


@app.command()
def face(
    emotion: Annotated[str, typer.Argument(metavar="EMOTION", help="Expression to show.")] = "neutral",
    gallery: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Save a picture of all expressions to a file.")
    ] = None,
    gif: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="EMOTION FILE.gif", help="Save an animation of one expression to a file."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Duration in seconds.  [default: until Ctrl-C]")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="Settings file with the display's size and custom expressions."
        ),
    ] = None,
) -> None:
    """Show the robot's face in the terminal."""
    from robot_node.cli import face as face_command

    configure_logging(LogSettings(level="warning"))
    settings = load_settings(config)
    size = (settings.display.width, settings.display.height)
    expressions = settings.face.all_expressions(settings.display)
    if gallery is not None:
        face_command.save_gallery(gallery, expressions=expressions, size=size)
    if gif is not None:
        face_command.save_gif(*gif, expressions=expressions, size=size)
    if gallery is None and gif is None:
        asyncio.run(run_until_signal(face_command.play(emotion, expressions=expressions, size=size, seconds=seconds)))


@app.command(short_help="Check broker, hardware and machine.")
def doctor(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"Settings file (TOML).  [default: {SETTINGS}, if it exists and there is no --broker]",
        ),
    ] = None,
    broker: BrokerOption = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Check the simulated hardware.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check broker, hardware and machine: what is wrong, why it matters, and how to fix it.

    Changes nothing. Each line begins with "ok", "note" (worth knowing), "not ok" or "n/a" (not applicable). The exit
    status is 1 if anything is not ok.
    """
    from robot_node import hardware
    from robot_node.apps.doctor.examination import examine
    from robot_node.apps.doctor.findings import Finding
    from robot_node.apps.doctor.secrets import use_credentials

    configure_logging(LogSettings(level="error"))
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            print_line(str(finding))

    async def check() -> list[Finding]:
        await examine(settings, platform, report, has_robot=config is not None)
        return findings

    # robot_node/cli/hide_passwords.py has moved a --broker with a password to the environment.
    has_broker_option = broker is not None or f"{ENV_PREFIX}BROKER__URL" in os.environ
    if config is None and not has_broker_option and exists(Path(SETTINGS)):
        config = Path(SETTINGS)
    if config is not None and (unreadable := use_credentials(config, os.environ)) is not None:
        report(unreadable)
    try:
        settings = load_settings(config, without_none({"broker": {"url": broker}}))
        platform = hardware.choose(settings, simulated=simulated)
    except SettingsError as error:
        no_permission = isinstance(error.__cause__, PermissionError)
        why = "Without the settings the robot cannot be checked." if no_permission else "The robot does not start."
        for problem in error.details or (error.message,):
            report(Finding.bad("settings", problem, why=why, remedy=error.remedy))
    else:
        run_command(check())
    if as_json:
        print_json([finding.as_json() for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    print_line(metadata.version("robot-node"))
