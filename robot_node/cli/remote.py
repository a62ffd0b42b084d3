"""Commands that talk to a running robot: ``robot-node robots | tools | events | call``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from robot_node.cli import completion, fleet
from robot_node.cli.options import (
    BrokerOption,
    ClientIdOption,
    JsonOption,
    NamesOption,
    ParallelOption,
    RobotArgument,
    TimeoutOption,
    WhereOption,
    broker_from_url,
    run_command,
)
from robot_node.cli.output import confirm, print_json, print_line, print_progress
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.errors import SettingsError
from robot_node.logs.setup import configure_logging
from robot_node.mqtt import Broker
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
    name: NamesOption = None,
    where: WhereOption = None,
    parallel: ParallelOption = 16,
    timeout: TimeoutOption = 60.0,
    client_id: ClientIdOption = None,
) -> None:
    """List the robots that are online, or those of them that match.

    With --where, a robot is asked for its status unless its presence decides; the exit status is 1 when one did not
    answer.
    """
    names, conditions, address = name or [], where or [], broker_from_url(broker)
    if watch_:
        if conditions:
            raise SettingsError("--watch does not follow --where.", remedy="Use --name, or ask again and again.")
        configure_logging(LogSettings(level="error"))
        _watch_robots(address, names, as_json=as_json)
        return
    from robot_node.apps.fleet import Limits

    configure_logging(LogSettings(level="warning"))
    limits = Limits(parallel, timeout)
    selection = fleet.select(address, names, conditions, limits=limits, client_id=client_id)
    if as_json or selection.robots:
        fleet.print_robots(selection, as_json=as_json)
    else:
        print_line(f"No robot {'matches' if names or conditions else 'is online'} at {address}.")
    if selection.unknown:
        raise typer.Exit(1)


def _watch_robots(broker: Broker, names: Sequence[str], *, as_json: bool) -> None:
    from robot_node.apps import conditions, remote

    def show(change: remote.PresenceChange) -> None:
        if not conditions.name_matches(names, change.robot):
            return
        at = datetime.now().astimezone()
        if as_json:
            print_json(remote.change_as_json(change, at))
        else:
            print_line(remote.change_as_text(change, at))

    asyncio.run(run_until_signal(remote.follow(broker, show=show, log=print_progress)))


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
    robot: Annotated[
        str | None,
        typer.Argument(
            metavar="ROBOT",
            help="The robot's server id or server name, as 'robot-node robots' lists it; not with --all, --name or "
            "--where.",
            autocompletion=completion.robots,
            show_default=False,
        ),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Argument(
            metavar="TOOL",
            help="Name of the tool, e.g. take_photo.",
            show_default=False,
            autocompletion=completion.tools,
        ),
    ] = None,
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
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a single JSON document on stdout; of several robots, one line for each."),
    ] = False,
    everyone: Annotated[
        bool, typer.Option("--all", help="Call the tool of all robots that are online; ROBOT is left out.")
    ] = False,
    name: NamesOption = None,
    where: WhereOption = None,
    parallel: ParallelOption = 16,
    timeout: TimeoutOption = 60.0,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before several robots act: what only reads is never asked.")
    ] = False,
) -> None:
    """Call a tool of a robot, or of several: 'robot-node tools ROBOT' lists them.

    With --all, --name or --where the arguments are TOOL [ARGUMENT]... without ROBOT. The exit status is 0 when all
    succeeded, 1 when one failed or did not answer, 3 when no robot matches.

    What drives a motor stays until the motor stops, since it stops with this command.
    """
    from robot_node.apps import remote, tool_help, tool_results

    configure_logging(LogSettings(level="error"))  # what is wrong with a message is the error
    several = everyone or bool(name) or bool(where)
    if robot is None or not (tool or several):  # TOOL has the place of ROBOT when there are several
        missing = "TOOL is missing" if several or robot else "ROBOT and TOOL are missing"
        raise typer.BadParameter(f"{missing}; with --all, --name or --where, ROBOT is left out.")
    if several:
        if output is not None:
            raise SettingsError("--output saves the image of one robot.", remedy="Name a single ROBOT.")
        from robot_node.apps.fleet import Limits

        parsed = tool_help.parse_arguments([*([] if tool is None else [tool]), *(arguments or [])])
        address, limits = broker_from_url(broker), Limits(parallel, timeout)
        found = fleet.select(address, name or [], where or [], limits=limits, client_id=client_id)
        fleet.call(address, found, robot, parsed, limits=limits, client_id=client_id, as_json=as_json, yes=yes)
        return
    assert tool is not None
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
