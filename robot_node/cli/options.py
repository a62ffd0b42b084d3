"""Options and helpers shared by several commands."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from robot_node.cli import completion
from robot_node.core.asyncio_tools import run_until_signal
from robot_node.errors import SettingsError
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings

T = TypeVar("T")

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="URL",
        help="mqtt[s]://user:password@host:port, or ws[s]://host:port/path; several, separated by commas: the next "
        "one is tried when one fails. From the environment: "
        "ROBOT_NODE_BROKER__URL, ROBOT_NODE_BROKER__USERNAME, ROBOT_NODE_BROKER__PASSWORD or __PASSWORD_FILE; for TLS "
        "ROBOT_NODE_BROKER__CA_FILE, __CERT_FILE, __KEY_FILE.  "
        "[default: mqtt://127.0.0.1:1883]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a single JSON document on stdout.")]
ClientIdOption = Annotated[
    str | None,
    typer.Option(
        "--client-id",
        metavar="ID",
        help="MQTT client id. Brokers with access rules usually require the user name here.  [default: random]",
        show_default=False,
    ),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="PATTERN",
        help="Only robots whose server name or server id matches, e.g. 'lab/*'; repeatable: one of them.",
        show_default=False,
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only robots that fulfil it: FIELD=PATTERN, FIELD!=PATTERN, FIELD<NUMBER or FIELD>NUMBER, e.g. camera=on, "
        "'viewers>0', 'faults!=none', 'version<0.3'; repeatable: all of them. Fields: server_id, server_name, "
        "description, version, and those of robot://status.",
        show_default=False,
    ),
]
ParallelOption = Annotated[
    int,
    typer.Option("--parallel", metavar="N", min=1, max=256, help="Of several robots, how many are asked at a time."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, max=3600, help="Of several robots, how long each may take to answer."
    ),
]
RobotArgument = Annotated[
    str,
    typer.Argument(
        metavar="ROBOT",
        help="The robot's server id or server name, as 'robot-node robots' lists it.",
        autocompletion=completion.robots,
    ),
]


def broker_from_url(url: str | None) -> Broker:
    """Return the broker to connect to: from ``--broker``, else from the environment."""
    return load_settings(None, without_none({"broker": {"url": url}})).broker


def without_none(overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Drop the options that are not on the command line, so that they override nothing."""
    present = {section: {key: v for key, v in keys.items() if v is not None} for section, keys in overrides.items()}
    return {section: keys for section, keys in present.items() if keys}


def read_secret(file: Path, what: str) -> str:
    """Read a password or a token from a file, or from standard input when its name is ``-``.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"The {what} file {file} cannot be read: {reason}.", remedy="Name a readable file, or '-' for stdin."
        ) from error
    return text.rstrip("\n")


def run_command(command: Coroutine[Any, Any, T | None]) -> T:
    """Run a command to its end and return its result.

    Raises:
        typer.Exit: It was interrupted: exit status 130, as shells expect.
    """
    result = asyncio.run(run_until_signal(command))
    if result is None:
        raise typer.Exit(128 + signal.SIGINT)
    return result


def executable_path() -> str:
    """Return the absolute path of the command ``robot-node`` that belongs to this Python."""
    installed = Path(sys.executable).with_name("robot-node")
    return str(installed if installed.exists() else Path(sys.argv[0]).absolute())
