"""Configuration of the bridge for desktop agents, to paste into their settings. Pure.

It never contains a password: where the agent can, it asks for the password or takes it from its environment.
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
_TOKEN = "ROBOT_BRIDGE_TOKEN"  # noqa: S105  # the name of a variable
_TOKEN_INPUT = "robot-bridge-token"  # noqa: S105  # the name of an input


class Desktop(enum.Enum):
    """A supported desktop agent."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"


def desktop(name: str) -> Desktop:
    """Return the desktop agent of that name.

    Raises:
        SettingsError: The name is unknown.
    """
    try:
        return Desktop(name)
    except ValueError:
        known = ", ".join(each.value for each in Desktop)
        raise SettingsError(f"Unknown desktop agent {name!r}.", remedy=f"Known: {known}.") from None


class Snippet(NamedTuple):
    """A configuration and where to put it.

    Attributes:
        text: JSON.
        advice: Instructions for the user: which file, and what else to do.
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
    """Return the configuration for an agent that starts the bridge.

    Args:
        desktop: The desktop agent.
        executable: Absolute path of robot-node.
        settings: The broker.
        options: Further options of ``robot-node bridge``.
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


_TOKEN_REFERENCES = {
    Desktop.CLAUDE_CODE: f"${{{_TOKEN}}}",
    Desktop.CURSOR: f"${{env:{_TOKEN}}}",
    Desktop.VSCODE: f"${{input:{_TOKEN_INPUT}}}",
}


def http_snippet(desktop: Desktop, url: str, *, with_token: bool = False) -> Snippet:
    """Return the configuration for an agent that connects to a running bridge.

    Args:
        desktop: The desktop agent.
        url: The bridge's URL.
        with_token: Whether the agent sends the bridge's own token.

    Raises:
        SettingsError: The agent supports stdio only.
    """
    if desktop is Desktop.CLAUDE_DESKTOP:
        raise SettingsError(
            "claude_desktop_config.json takes servers on stdio only.",
            remedy="Omit --http, or add a bridge with a public https URL in Claude under Settings > Connectors.",
        )
    server: dict[str, Any] = {"url": url}
    if desktop is not Desktop.CURSOR:
        server = {"type": "http", **server}
    if not with_token:
        return _snippet(desktop, server, with_password=False)
    snippet = _snippet(
        desktop, server | {"headers": {"Authorization": f"Bearer {_TOKEN_REFERENCES[desktop]}"}}, with_password=False
    )
    if desktop is not Desktop.VSCODE:
        return snippet._replace(advice=f"{snippet.advice} Start the program with {_TOKEN} in its environment.")
    prompt = {
        "type": "promptString",
        "id": _TOKEN_INPUT,
        "description": "Token of the robots' bridge",
        "password": True,
    }
    return snippet._replace(text=_as_json({"inputs": [prompt], **json.loads(snippet.text)}))


def _snippet(desktop: Desktop, server: dict[str, Any], *, with_password: bool) -> Snippet:
    config: dict[str, Any] = {"servers" if desktop is Desktop.VSCODE else "mcpServers": {_NAME: server}}
    advice = f"Add this to {_FILES[desktop]}."
    if with_password and desktop is Desktop.VSCODE:
        prompt = {"type": "promptString", "id": _INPUT, "description": "Password of the MQTT broker", "password": True}
        config = {"inputs": [prompt], **config}
    elif with_password and desktop is Desktop.CLAUDE_DESKTOP:
        advice += (
            f" In Claude Desktop the password must be in this file, as {_PASSWORD}. To keep it elsewhere, set "
            f"{_PASSWORD}_FILE and print this again: then only the name of that file is in it."
        )
    elif with_password:
        advice += f" Start the program with {_PASSWORD} in its environment."
    return Snippet(_as_json(config), advice)


def _as_json(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2, ensure_ascii=False)


def _environment(settings: BrokerSettings, broker: Broker) -> dict[str, str]:
    """The settings of the broker but for the password: the program will not have our environment."""
    urls = (f"{each}{each.path if each.transport == 'websockets' else ''}" for each in broker.addresses)
    environment = {f"{ENV_PREFIX}BROKER__URL": ",".join(urls)}
    if broker.presence_wait_s:
        environment[f"{ENV_PREFIX}BROKER__PRESENCE_WAIT_S"] = f"{broker.presence_wait_s:g}"
    if broker.username is not None:
        environment[f"{ENV_PREFIX}BROKER__USERNAME"] = broker.username
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        if (file := getattr(settings, key)) is not None:
            environment[f"{ENV_PREFIX}BROKER__{key.upper()}"] = str(file.absolute())
    return environment
