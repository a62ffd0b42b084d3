"""What a person types: ``robot-node run | demo | console | robots | call | watch | bridge | face | doctor | setup``."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from robot_node.apps.setup.survey import SETTINGS, is_there
from robot_node.cli.options import BrokerOption, JsonOption, given, own_path, visit
from robot_node.cli.remote import call, robots, watch
from robot_node.cli.setup import setup
from robot_node.core.asyncio_tools import end_process, run_until_signal
from robot_node.core.imports import without_collector
from robot_node.errors import RobotNodeError, SettingsError
from robot_node.logs.reload import reloaded_on_hangup
from robot_node.logs.setup import configure_logging
from robot_node.logs.text import escaped
from robot_node.logs.uncaught import log_uncaught
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings
from robot_node.settings.root import ENV_PREFIX, BrokerSettings, Settings

_STOP_WITHIN_S = 4.5
"""The unit gives the robot 5 s before it is killed (TimeoutStopSec=)."""

app = typer.Typer(
    name="robot-node",
    help="A body for an LLM agent: a Raspberry Pi's camera and face as MCP tools over MQTT, its picture over WebRTC.",
    epilog="Every setting can come from the environment too: ROBOT_NODE_<SECTION>__<KEY>, e.g. ROBOT_NODE_BROKER__URL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: errors that we raise on purpose are one clear line and exit status 1."""
    if sys.stdin is None:  # closed by whoever started us
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # as long as we live
    try:
        app()
    except RobotNodeError as error:
        typer.echo(f"robot-node: {escaped(str(error))}", err=True)  # a robot or a broker may have words in it
        sys.exit(1)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        typer.echo(f"robot-node: {error.strerror}. Make room where the output goes.", err=True)
        os._exit(1)  # else what is left of it would be tried to be written again, and reported as ignored


@app.command()
def run(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML).")] = None,
    broker: BrokerOption = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Run on simulated hardware: no Pi needed.")] = False,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="SCENE",
            help="What the simulated camera sees: a video file, 'webcam', 'clock' (moving, synthetic), or 'auto': "
            "the webcam when there is one, else the clock. Needs --simulated.",
        ),
    ] = None,
    server_id: Annotated[str | None, typer.Option(metavar="ID", help="MQTT client id of the robot.")] = None,
    server_name: Annotated[
        str | None, typer.Option(metavar="A/B", help="Name of the robot, with at least one '/'.")
    ] = None,
) -> None:
    """Run the robot until SIGTERM or Ctrl-C."""
    if scene is not None and not simulated:
        raise SettingsError("--scene is for the simulated camera only.", remedy="Add --simulated.")
    overrides = {
        "broker": {"url": broker},
        "robot": {"server_id": server_id, "server_name": server_name},
        "simulation": {"scene": scene},
    }

    def load() -> Settings:
        return load_settings(config, given(overrides))

    settings = load()
    configure_logging(settings.log)
    log_uncaught()
    running = _run(settings, simulated=simulated, log_settings=lambda: load().log)
    asyncio.run(run_until_signal(running, stop_within_s=_STOP_WITHIN_S))
    end_process()


async def _run(settings: Settings, *, simulated: bool, log_settings: Callable[[], LogSettings]) -> None:
    async with reloaded_on_hangup(log_settings):
        await _run_with_console(settings, simulated=simulated)


async def _run_with_console(settings: Settings, *, simulated: bool) -> None:
    with without_collector():
        from robot_node import daemon, hardware  # --help and a wrong setting need not wait for the SDK

    platform = hardware.choose(settings, simulated=simulated)
    if not settings.console.enabled:
        await daemon.run(settings, platform)
        return
    from robot_node.console.beside import serve_beside_robot  # only robots that are asked load it

    await daemon.run(settings, platform, beside={"console": partial(serve_beside_robot, settings)})


@app.command()
def demo(
    scene: Annotated[
        str, typer.Option(metavar="SCENE", help="A video file, 'webcam', 'clock' or 'auto'.", envvar="SCENE")
    ] = "auto",
) -> None:
    """Try it here: a private broker and a simulated robot.

    Both listen on loopback only. Ctrl-C stops both.
    """
    from robot_node.apps.demo import run_demo

    configure_logging(LogSettings(level="warning"))
    asyncio.run(run_until_signal(run_demo(scene or "auto")))


@app.command()
def console(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML).")] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address of this machine to listen at.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="0 for any free one.  [default: 8088]")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The broker's address for browsers: ws://host:port/path or wss://...  "
            "[default: the page's own host, port 8083, or 8084 for https]",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
) -> None:
    """Serve the console: a web page for the robots of a broker.

    Browsers talk to the broker themselves, by MQTT over WebSocket. Ctrl-C ends it.
    """
    from robot_node.console.beside import console_of, open_browser
    from robot_node.console.server import serve_console

    settings = load_settings(config, given({"console": {"host": host, "port": port, "broker_url": broker}}))
    configure_logging(settings.log)

    def listening(url: str) -> None:
        typer.echo(f"The console is at {url}")
        if open_ and not open_browser(url):
            typer.echo("No browser can be opened from here: open this address yourself.", err=True)

    asyncio.run(run_until_signal(serve_console(console_of(settings), on_listening=listening)))


for _command in (robots, call, watch, setup):
    app.command()(_command)


@app.command()
def bridge(
    broker: BrokerOption = None,
    robot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME_OR_ID", help="Offer this robot only; may be repeated.  [default: all]", show_default=False
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve MCP over streamable HTTP at http://HOST:PORT/mcp, not on stdio."),
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="The bridge's MQTT client id, for the robots' and broker's rules: the user name."
        ),
    ] = None,
    print_config: Annotated[
        str | None,
        typer.Option(
            metavar="PROGRAM",
            help="Print what to paste into the settings of claude-desktop, claude-code, cursor or vscode, and end.",
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help="debug, info, warning or error; to stderr.")
    ] = "warning",
) -> None:
    """Give a desktop agent all robots of a broker, as one MCP server.

    A desktop agent starts this itself and speaks MCP with it on stdin and stdout. Robots may come and go, and so may
    the broker.
    """
    from robot_node.apps.bridge import run as bridge_run
    from robot_node.apps.bridge.http import HttpAddress

    given_settings = load_settings(None, given({"broker": {"url": broker}, "log": {"level": log_level}}))
    settings: BrokerSettings = given_settings.broker
    address = None if http is None else HttpAddress.parse(http)
    if print_config is not None:
        options = [word for name in robot or () for word in ("--robot", name)]
        options += ["--client-id", client_id] if client_id else []
        _print_snippet(print_config, settings, options, None if address is None else address.url())
        return
    configure_logging(given_settings.log)
    asyncio.run(
        run_until_signal(
            bridge_run.run_bridge(
                settings,
                wanted=robot or (),
                http=address,
                client_id=client_id,
                backoff=settings.backoff(),
            )
        )
    )


def _print_snippet(program: str, settings: BrokerSettings, options: list[str], url: str | None) -> None:
    from robot_node.apps.bridge import snippets

    desktop = snippets.desktop(program)
    if url is None:
        snippet = snippets.stdio_snippet(desktop, own_path(), settings, options)
    else:
        snippet = snippets.http_snippet(desktop, url)
    typer.echo(snippet.advice, err=True)
    typer.echo(snippet.text)


@app.command()
def face(
    emotion: Annotated[str, typer.Argument(metavar="EMOTION", help="What it shows.")] = "neutral",
    gallery: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw all expressions into a file instead.")
    ] = None,
    gif: Annotated[
        tuple[str, Path] | None, typer.Option(metavar="EMOTION FILE.gif", help="Film one into a file instead.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Stop after so long; default: until Ctrl-C.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file: its display and expressions.")
    ] = None,
) -> None:
    """Show the robot's face here, in the terminal."""
    from robot_node.cli import face as face_command

    configure_logging(LogSettings(level="warning"))
    settings = load_settings(config)
    size = (settings.display.width, settings.display.height)
    expressions = settings.face.known(settings.display)
    if gallery is not None:
        face_command.save_gallery(gallery, expressions=expressions, size=size)
    if gif is not None:
        face_command.save_gif(*gif, expressions=expressions, size=size)
    if gallery is None and gif is None:
        asyncio.run(run_until_signal(face_command.play(emotion, expressions=expressions, size=size, seconds=seconds)))


@app.command()
def doctor(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"Settings file (TOML).  [default: {SETTINGS}, if there is one and no broker is named]",
        ),
    ] = None,
    broker: BrokerOption = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Check the simulated hardware.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check broker, hardware and machine: what is wrong, why it matters, and what to do.

    Changes nothing. Each line begins with "ok", "note" (worth knowing), "not ok" or "n/a" (does not apply). The exit
    status is 1 when something is not ok.
    """
    from robot_node import hardware
    from robot_node.apps.doctor.examination import examine
    from robot_node.apps.doctor.findings import Finding
    from robot_node.apps.doctor.secrets import use_credentials

    configure_logging(LogSettings(level="error"))
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            typer.echo(str(finding))

    async def check() -> list[Finding]:
        await examine(settings, platform, tell, has_robot=config is not None)
        return findings

    # A --broker with a password is in the environment by now: see robot_node/cli/hide_passwords.py.
    broker_alone = broker is not None or f"{ENV_PREFIX}BROKER__URL" in os.environ
    if config is None and not broker_alone and is_there(Path(SETTINGS)):
        config = Path(SETTINGS)
    if config is not None and (kept := use_credentials(config, os.environ)) is not None:
        tell(kept)
    try:
        settings = load_settings(config, given({"broker": {"url": broker}}))
        platform = hardware.choose(settings, simulated=simulated)
    except SettingsError as error:
        kept_from_us = isinstance(error.__cause__, PermissionError)
        why = "What is to be checked is not known." if kept_from_us else "The robot does not start."
        tell(Finding.bad("settings", error.message, why=why, remedy=error.remedy))
    else:
        visit(check())
    if as_json:
        typer.echo(json.dumps([finding.as_json() for finding in findings]))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("robot-node"))
