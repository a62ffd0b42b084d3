"""What to paste into the settings of a desktop agent so that it starts the bridge. Pure.

A password is never part of it: each program is told to ask for it or to take it from its own environment, where it can.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from robot_node.errors import SettingsError
from robot_node.mqtt import Broker
from robot_node.settings.root import ENV_PREFIX, BrokerSettings

_NAME = "robots"
_PASSWORD = f"{ENV_PREFIX}BROKER__PASSWORD"
_INPUT = "robot-broker-password"


class Desktop(enum.Enum):
    """A program whose settings we know."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"


def desktop(name: str) -> Desktop:
    """The program of that name.

    Raises:
        SettingsError: it is none that we know.
    """
    try:
        return Desktop(name)
    except ValueError:
        known = ", ".join(each.value for each in Desktop)
        raise SettingsError(f"{name!r} is no program whose settings are known.", remedy=f"Known: {known}.") from None


class Snippet(NamedTuple):
    """What to paste, and where.

    Attributes:
        text: JSON.
        advice: Where it belongs, and what else to do; for people.
    """

    text: str
    advice: str


_FILES = {
    Desktop.CLAUDE_DESKTOP: "claude_desktop_config.json (Settings > Developer > Edit Config), then restart Claude",
    Desktop.CLAUDE_CODE: ".mcp.json in the folder of your project",
    Desktop.CURSOR: "~/.cursor/mcp.json, or .cursor/mcp.json in the folder of your project",
    Desktop.VSCODE: ".vscode/mcp.json in the folder of your project",
}
_REFERENCES = {
    Desktop.CLAUDE_DESKTOP: "put the password of the broker here",
    Desktop.CLAUDE_CODE: f"${{{_PASSWORD}}}",
    Desktop.CURSOR: f"${{env:{_PASSWORD}}}",
    Desktop.VSCODE: f"${{input:{_INPUT}}}",
}


def stdio_snippet(desktop: Desktop, executable: str, settings: BrokerSettings, options: Sequence[str]) -> Snippet:
    """For a program that starts the bridge itself.

    Args:
        desktop: Which program.
        executable: Absolute path of robot-node.
        settings: The broker.
        options: Further ones of ``robot-node bridge``.
    """
    broker = settings
    environment = _environment(settings, broker)
    asks = broker.password is not None and settings.password_file is None
    if asks:
        environment[_PASSWORD] = _REFERENCES[desktop]
    server = {"command": executable, "args": ["bridge", *options], "env": environment}
    if desktop in {Desktop.CLAUDE_CODE, Desktop.VSCODE}:
        server = {"type": "stdio", **server}
    return _snippet(desktop, server, with_password=asks)


def http_snippet(desktop: Desktop, url: str) -> Snippet:
    """For a program that connects to a bridge which runs already.

    Raises:
        SettingsError: the program cannot.
    """
    if desktop is Desktop.CLAUDE_DESKTOP:
        raise SettingsError(
            "The settings file of Claude Desktop takes servers on stdio only.", remedy="Leave --http out."
        )
    server: dict[str, Any] = {"url": url}
    if desktop is not Desktop.CURSOR:
        server = {"type": "http", **server}
    return _snippet(desktop, server, with_password=False)


def _snippet(desktop: Desktop, server: dict[str, Any], *, with_password: bool) -> Snippet:
    config: dict[str, Any] = {"servers" if desktop is Desktop.VSCODE else "mcpServers": {_NAME: server}}
    advice = f"Add this to {_FILES[desktop]}."
    if with_password and desktop is Desktop.VSCODE:
        prompt = {"type": "promptString", "id": _INPUT, "description": "Password of the MQTT broker", "password": True}
        config = {"inputs": [prompt], **config}
    elif with_password and desktop is Desktop.CLAUDE_DESKTOP:
        advice += (
            f" Claude Desktop has no other place for the password than {_PASSWORD} in this file; or set "
            f"{_PASSWORD}_FILE and print this again: the file's name takes its place."
        )
    elif with_password:
        advice += f" Start the program with {_PASSWORD} in its environment."
    return Snippet(json.dumps(config, indent=2, ensure_ascii=False), advice)


def _environment(settings: BrokerSettings, broker: Broker) -> dict[str, str]:
    """The settings of the broker but for the password: the program will not have our environment."""
    path = broker.path if broker.transport == "websockets" else ""
    environment = {f"{ENV_PREFIX}BROKER__URL": f"{broker}{path}"}
    if broker.username is not None:
        environment[f"{ENV_PREFIX}BROKER__USERNAME"] = broker.username
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        if (file := getattr(settings, key)) is not None:
            environment[f"{ENV_PREFIX}BROKER__{key.upper()}"] = str(file.absolute())
    return environment
