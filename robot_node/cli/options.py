"""What several commands share: options, and how a command that visits a broker begins and ends."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from robot_node.core.asyncio_tools import run_until_signal
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings

T = TypeVar("T")

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="URL",
        help="mqtt[s]://user:password@host:port, or ws[s]://host:port/path. From the environment: "
        "ROBOT_NODE_BROKER__URL, ROBOT_NODE_BROKER__USERNAME, ROBOT_NODE_BROKER__PASSWORD or __PASSWORD_FILE; for TLS "
        "ROBOT_NODE_BROKER__CA_FILE, __CERT_FILE, __KEY_FILE.  "
        "[default: mqtt://127.0.0.1:1883]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
ClientIdOption = Annotated[
    str | None,
    typer.Option(
        "--client-id",
        metavar="ID",
        help="Our MQTT client id. A broker with access rules wants the user name here.  [default: a random one]",
        show_default=False,
    ),
]
RobotArgument = Annotated[
    str,
    typer.Argument(metavar="ROBOT", help="The robot's server id or server name, as 'robot-node robots' lists it."),
]


def broker_at(url: str | None) -> Broker:
    """Where to connect, for the commands that visit a broker: the command line, else the environment."""
    return load_settings(None, given({"broker": {"url": url}})).broker


def given(overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Only what was really said on the command line."""
    said = {section: {key: v for key, v in keys.items() if v is not None} for section, keys in overrides.items()}
    return {section: keys for section, keys in said.items() if keys}


def visit(work: Coroutine[Any, Any, T | None]) -> T:
    """Run a command that ends by itself; one that was interrupted ends with the status that a shell expects."""
    result = asyncio.run(run_until_signal(work))
    if result is None:
        raise typer.Exit(128 + signal.SIGINT)
    return result


def own_path() -> str:
    """The command ``robot-node``, next to the Python that runs us."""
    beside = Path(sys.executable).with_name("robot-node")
    return str(beside if beside.exists() else Path(sys.argv[0]).absolute())
