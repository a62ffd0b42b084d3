"""The command ``robot-node bridge``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from robot_node.cli.options import BrokerOption, executable_path, without_none
from robot_node.cli.output import print_line, print_lines
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.errors import SettingsError
from robot_node.logs.setup import configure_logging
from robot_node.settings.loading import load_settings
from robot_node.settings.root import BrokerSettings


def bridge(
    broker: BrokerOption = None,
    robot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME_OR_ID", help="Serve only this robot; repeatable.  [default: all]", show_default=False
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Serve MCP over streamable HTTP at http://HOST:PORT/mcp, instead of stdio."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the bearer token for --http; beyond loopback it or --issuer is required.  [default: the "
            "credential bridge-token of systemd]",
            show_default=False,
        ),
    ] = None,
    issuer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Accept JWTs of this OAuth authorization server over --http; repeatable.",
            show_default=False,
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="URL of the bridge for agents, if a proxy is before it; JWTs must have it as audience.  "
            "[default: that of --http]",
            show_default=False,
        ),
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="MQTT client id. Access rules of brokers and robots usually require the user name here."
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="Send events of these kinds, e.g. input,heard,chat, into the session (Claude Code's channels).",
        ),
    ] = None,
    print_config: Annotated[
        str | None,
        typer.Option(
            metavar="PROGRAM",
            help="Print the configuration for claude-desktop, claude-code, cursor or vscode, and exit.",
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help="debug, info, warning or error; the log goes to stderr.")
    ] = "warning",
) -> None:
    """Run an MCP server that gives a desktop agent all robots of a broker.

    Desktop agents start this command and speak MCP with it on stdin and stdout. It survives restarts of robots and
    of the broker.
    """
    from robot_node.apps.bridge import run as bridge_run
    from robot_node.apps.bridge.channel import parse_kinds
    from robot_node.apps.bridge.http import HttpAddress
    from robot_node.apps.bridge.tokens import HttpAccess, read_token

    all_settings = load_settings(None, without_none({"broker": {"url": broker}, "log": {"level": log_level}}))
    settings: BrokerSettings = all_settings.broker
    address = None if http is None else HttpAddress.parse(http)
    if http is None and (token_file or issuer or public_url):
        raise SettingsError("--token-file, --issuer and --public-url are options of --http.", remedy="Add --http.")
    if http is not None and channel is not None:
        raise SettingsError("--channel is for an agent on stdio.", remedy="Omit --http or --channel.")
    kinds = () if channel is None else parse_kinds(channel)
    access = HttpAccess(
        token=read_token(token_file) if http else "", issuers=tuple(issuer or ()), public_url=public_url or ""
    )
    if print_config is not None:
        options = [word for name in robot or () for word in ("--robot", name)]
        options += ["--client-id", client_id] if client_id else []
        options += ["--channel", channel] if channel else []
        url = None if address is None else access.public_url or address.url()
        _print_snippet(print_config, settings, options, url, with_token=bool(access.token))
        return
    configure_logging(all_settings.log)
    asyncio.run(
        run_until_signal(
            bridge_run.run_bridge(
                settings,
                wanted=robot or (),
                http=address,
                access=access,
                client_id=client_id,
                channel=kinds,
                backoff=settings.backoff(),
            )
        )
    )


def _print_snippet(
    program: str, settings: BrokerSettings, options: list[str], url: str | None, *, with_token: bool
) -> None:
    from robot_node.apps.bridge import snippets

    desktop = snippets.desktop(program)
    if url is None:
        snippet = snippets.stdio_snippet(desktop, executable_path(), settings, options)
    else:
        snippet = snippets.http_snippet(desktop, url, with_token=with_token)
    print_line(snippet.advice, err=True)
    print_lines(snippet.text)
