"""The command ``robot-node watch``: a robot's video through its broker, or that of a WHEP endpoint."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_node.cli import completion
from robot_node.cli.options import (
    BrokerOption,
    ClientIdOption,
    JsonOption,
    broker_from_url,
    read_secret,
    run_command,
)
from robot_node.cli.output import print_json, print_line, print_progress
from robot_node.errors import SettingsError
from robot_node.logs.setup import configure_logging
from robot_node.settings.loading import load_settings
from robot_node.settings.logs import LogSettings


def watch(
    robot: Annotated[
        str | None,
        typer.Argument(
            metavar="ROBOT",
            help="The robot's server id or server name, as 'robot-node robots' lists it; not with --whep.",
            autocompletion=completion.robots,
            show_default=False,
        ),
    ] = None,
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
    whep: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Watch by WHEP what a media server, or the robot's HTTP server, sends there; without a broker.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --whep: file with the token, or '-' for stdin (default: $WHEP_TOKEN, if any)."
        ),
    ] = None,
    client_id: ClientIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch a robot's camera over WebRTC.

    Prints time to first frame, picture size and frame rate.
    """
    from robot_node.apps import watch as app

    configure_logging(LogSettings(level="warning"))
    _check_arguments(
        whep,
        only_whep={"--token-file": token_file},
        not_whep={"ROBOT": robot, "--on": on, "--camera": camera, "--broker": broker, "--client-id": client_id},
    )
    ice_servers = ice_server or load_settings().webrtc.ice_servers
    watching: Coroutine[Any, Any, Any]
    if whep is not None:
        token = os.environ.get("WHEP_TOKEN", "") if token_file is None else read_secret(token_file, "token")
        watching = app.watch_whep(
            whep, token=token, frames=frames, output=output, ice_servers=ice_servers, log=print_progress
        )
    else:
        assert robot is not None
        watching = (app.watch_switched_on if on else app.watch)(
            broker_from_url(broker),
            robot,
            frames=frames,
            output=output,
            ice_servers=ice_servers,
            log=print_progress,
            client_id=client_id,
            camera=camera,
        )
    report = run_command(watching)
    if as_json:
        print_json(app.report_as_json(report))
    else:
        print_line(
            f"first frame after {report.first_frame_ms:.0f} ms, {report.frames} frames of "
            f"{report.width}x{report.height} at {report.fps:.1f} frames/s"
        )


def _check_arguments(whep: str | None, *, only_whep: Mapping[str, object], not_whep: Mapping[str, object]) -> None:
    """Refuse arguments that belong to the other of the two ways to watch.

    Raises:
        SettingsError: There are such, or neither a robot nor an endpoint is named.
    """
    if whep is None and not not_whep["ROBOT"]:
        raise SettingsError("No robot is named.", remedy="Name one, or an endpoint: --whep URL.")
    for name, value in (only_whep if whep is None else not_whep).items():
        if value and whep is None:
            raise SettingsError(f"{name} is an option of --whep.", remedy="Add --whep URL.")
        if value:
            raise SettingsError(f"{name} cannot be used with --whep.", remedy="The endpoint sends what it sends.")
