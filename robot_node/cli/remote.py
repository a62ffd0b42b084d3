"""Commands that talk to a running robot: ``robot-node robots | tools | events | call | watch``."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_node.cli import completion
from robot_node.cli.options import BrokerOption, ClientIdOption, JsonOption, RobotArgument, broker_from_url, run_command
from robot_node.cli.output import confirm, print_json, print_line, print_progress
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.logs.setup import configure_logging
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings


def robots(
    broker: BrokerOption = None,
    watch_: Annotated[
        bool,
        typer.Option(
            "--watch", "-w", help="Print a line for each robot that comes online (+) or goes offline (-), until Ctrl-C."
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a single JSON document on stdout; with --watch, one JSON object per line "
            'with "event": "online" or "offline".',
        ),
    ] = False,
) -> None:
    """List the robots that are online."""
    from robot_node.apps import remote

    if watch_:
        configure_logging(LogSettings(level="error"))
        _watch_robots(broker_from_url(broker), as_json=as_json)
        return
    configure_logging(LogSettings(level="warning"))
    found = run_command(remote.online(broker_from_url(broker)))
    if as_json:
        print_json([remote.as_json(robot) for robot in found])
    elif found:
        _print_table(found)
    else:
        print_line(f"No robot is online at {broker_from_url(broker)}.")


def _watch_robots(broker: Broker, *, as_json: bool) -> None:
    from robot_node.apps import remote

    def show(change: remote.PresenceChange) -> None:
        at = datetime.now().astimezone()
        if as_json:
            print_json(remote.change_as_json(change, at))
        else:
            print_line(remote.change_as_text(change, at))

    asyncio.run(run_until_signal(remote.follow(broker, show=show, log=print_progress)))


def _print_table(found: tuple[Any, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from robot_node.apps import remote

    table = Table("SERVER ID", "SERVER NAME", "DESCRIPTION", box=None, pad_edge=False)
    for robot in found:
        table.add_row(*map(Text, remote.table_row(robot)))  # a text has no markup
    console = Console()
    # Not a terminal: never wrap, so that grep and cut get one robot per line.
    console.print(table) if console.is_terminal else Console(width=1000).print(table)


def tools(
    robot: RobotArgument,
    tool: Annotated[
        str | None,
        typer.Argument(
            metavar="TOOL",
            help="Only this tool, with what its arguments may be and an example.",
            autocompletion=completion.tools,
        ),
    ] = None,
    broker: BrokerOption = None,
    client_id: ClientIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tools of a robot, or describe one."""
    from robot_node.apps import remote, tool_help

    configure_logging(LogSettings(level="error"))
    found = run_command(remote.tools(broker_from_url(broker), robot, client_id=client_id))
    lines = list(tool_help.list_lines(found) if tool is None else tool_help.tool_lines(found, tool, robot))
    if as_json:
        print_json(found if tool is None else next(each for each in found if each["name"] == tool))
        return
    for line in lines:
        print_line(line)


def events(
    robot: RobotArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print events as they happen, until Ctrl-C, through restarts.")
    ] = False,
    kinds: Annotated[
        str,
        typer.Option(metavar="KINDS", help="Only events of these kinds, e.g. input,heard,chat.", show_default=False),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=200, help="Of the latest.")] = 20,
    broker: BrokerOption = None,
    client_id: ClientIdOption = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print a single JSON document on stdout; with --follow, one JSON object per line and event."
        ),
    ] = False,
) -> None:
    """Print what happened at a robot.

    Buttons, sensors, words that somebody said or typed, viewers, faults: the latest, and with --follow those to come.
    """
    from robot_node.apps import remote_events

    configure_logging(LogSettings(level="error"))
    address, wanted = broker_from_url(broker), [kind.strip() for kind in kinds.split(",") if kind.strip()]

    def show(page: remote_events.Page) -> None:
        if as_json:
            for each in [{"missed": page["missed"]}] if page.get("missed") else []:
                print_json(each)
            for event in page["events"]:
                print_json(event)
        else:
            for line in remote_events.as_lines(page):
                print_line(line)

    if follow:
        following = remote_events.follow(
            address, robot, show=show, log=print_progress, kinds=wanted, limit=limit, client_id=client_id
        )
        asyncio.run(run_until_signal(following))
        return
    page = run_command(remote_events.latest(address, robot, kinds=wanted, limit=limit, client_id=client_id))
    print_json(page) if as_json else show(page)


def call(
    robot: RobotArgument,
    tool: Annotated[
        str,
        typer.Argument(metavar="TOOL", help="Name of the tool, e.g. take_photo.", autocompletion=completion.tools),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENT",
            help="The tool's arguments: NAME=TEXT or NAME:=JSON, e.g. emotion=happy duration:=3; or all in one as "
            "JSON, e.g. '{\"enabled\": true}'.",
            show_default=False,
        ),
    ] = None,
    broker: BrokerOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Save the image of the result to this file.")
    ] = None,
    client_id: ClientIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a tool of a robot: 'robot-node tools ROBOT' lists them.

    What drives a motor stays until the motor stops, since it stops with this command.
    """
    from robot_node.apps import remote, tool_help, tool_results

    configure_logging(LogSettings(level="error"))  # what is wrong with a message is the error
    parsed = tool_help.parse_arguments(arguments or [])
    ask = confirm if sys.stdin.isatty() and not as_json else None

    def stays(seconds: float) -> None:
        print_progress(f"The motor runs for {seconds:g} s. Ctrl-C stops it.")

    result = run_command(
        remote.call(broker_from_url(broker), robot, tool, parsed, client_id=client_id, ask=ask, on_stay=stays)
    )
    if as_json:  # before saving: the result is printed even if the file cannot be written
        print_json(tool_results.as_json(result))
    saved = tool_results.save_image(result, robot, output) if output and not result.is_error else None
    if not as_json:
        for line in tool_results.as_lines(result, robot, saved):
            print_line(line, err=result.is_error)
    if result.is_error:
        raise typer.Exit(1)


def watch(
    robot: RobotArgument,
    broker: BrokerOption = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after N decoded frames.  [default: until Ctrl-C]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.mp4", help="Save the video to this file.")
    ] = None,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="STUN or TURN server, e.g. stun:host:3478 or turn:user:password@host:3478; repeatable.  "
            "[default: ROBOT_NODE_WEBRTC__ICE_SERVERS]",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        bool, typer.Option("--on", help="Switch the camera on for it, and off again, unless it is on already.")
    ] = False,
    camera: Annotated[str, typer.Option(metavar="NAME", help="Which camera of several.  [default: the first]")] = "",
    client_id: ClientIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch a robot's camera over WebRTC.

    Prints time to first frame, picture size and frame rate.
    """
    from robot_node.apps import watch as app

    configure_logging(LogSettings(level="warning"))
    report = run_command(
        (app.watch_switched_on if on else app.watch)(
            broker_from_url(broker),
            robot,
            frames=frames,
            output=output,
            ice_servers=ice_server or load_settings().webrtc.ice_servers,
            log=print_progress,
            client_id=client_id,
            camera=camera,
        )
    )
    if as_json:
        print_json(app.report_as_json(report))
    else:
        print_line(
            f"first frame after {report.first_frame_ms:.0f} ms, {report.frames} frames of "
            f"{report.width}x{report.height} at {report.fps:.1f} frames/s"
        )
