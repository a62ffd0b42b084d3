"""What a person pastes into the settings of a desktop agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from robot_node.apps.bridge.snippets import Desktop, Snippet, desktop, http_snippet, stdio_snippet
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import SettingsError
from robot_node.settings.root import BrokerSettings
from tests.apps.bridge.agents import Message, scripted_robot
from tests.command import command
from tests.end_to_end.robot_process import environment, robot_node

REFERENCES = {
    Desktop.CLAUDE_DESKTOP: "put the password of the broker here",
    Desktop.CLAUDE_CODE: "${ROBOT_NODE_BROKER__PASSWORD}",
    Desktop.CURSOR: "${env:ROBOT_NODE_BROKER__PASSWORD}",
    Desktop.VSCODE: "${input:robot-broker-password}",
}


def entry(text: str) -> dict[str, Any]:
    settings = json.loads(text)
    robots: dict[str, Any] = (settings.get("servers") or settings["mcpServers"])["robots"]
    return robots


def printed(program: Desktop, broker: BrokerSettings, *options: str) -> Snippet:
    return stdio_snippet(program, "/opt/robot-node/bin/robot-node", broker, options)


@pytest.mark.slow
async def test_the_printed_command_reaches_the_robots(broker: PrivateBroker) -> None:
    tools: list[Message] = [{"name": "nod", "inputSchema": {"type": "object"}}]
    shown = await robot_node("bridge", "--robot", "scripted", "--print-config", "claude-desktop", broker=broker)
    assert shown.status == 0
    assert shown.stderr.startswith("Add this to claude_desktop_config.json")
    said = entry(shown.stdout)
    assert Path(said["command"]).is_absolute()
    server = StdioServerParameters(
        command=said["command"], args=said["args"], env=environment(None, said["env"]), cwd="/"
    )
    async with (
        scripted_robot(broker, tools),
        scripted_robot(broker, tools, server_id="other", server_name="tests/other"),
        Client(server) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} == {"nod", "list_robots"}


@pytest.mark.parametrize("program", Desktop)
def test_a_password_is_neither_printed_nor_part_of_a_command(program: Desktop) -> None:
    broker = BrokerSettings(url="mqtts://me:correct%20horse@pi.local", ca_file=Path("/etc/ca.pem"))
    snippet = printed(program, broker, "--client-id", "desk")
    said = entry(snippet.text)
    assert "horse" not in snippet.text + snippet.advice
    assert said["command"] == "/opt/robot-node/bin/robot-node"
    assert said["args"] == ["bridge", "--client-id", "desk"]
    assert said["env"] == {
        "ROBOT_NODE_BROKER__URL": "mqtts://pi.local:8883",
        "ROBOT_NODE_BROKER__USERNAME": "me",
        "ROBOT_NODE_BROKER__CA_FILE": "/etc/ca.pem",
        "ROBOT_NODE_BROKER__PASSWORD": REFERENCES[program],
    }
    assert ("inputs" in json.loads(snippet.text)) == (program is Desktop.VSCODE)


@pytest.mark.parametrize("program", Desktop)
def test_without_a_password_none_is_asked_for(program: Desktop) -> None:
    snippet = printed(program, BrokerSettings(url="ws://pi:8083/mqtt"))
    assert "PASSWORD" not in snippet.text + snippet.advice
    assert "inputs" not in json.loads(snippet.text)
    assert entry(snippet.text)["env"] == {"ROBOT_NODE_BROKER__URL": "ws://pi:8083/mqtt"}


def test_all_brokers_and_the_wait_for_robots_are_in_it() -> None:
    broker = BrokerSettings(url="ws://one.lan/way,mqtt://two.lan", presence_wait_s=6)
    assert entry(printed(Desktop.CURSOR, broker).text)["env"] == {
        "ROBOT_NODE_BROKER__URL": "ws://one.lan:8083/way,mqtt://two.lan:1883",
        "ROBOT_NODE_BROKER__PRESENCE_WAIT_S": "6",
    }


def test_a_bridge_that_runs_already_is_named_by_its_address() -> None:
    url = "http://127.0.0.1:8765/mcp"
    assert entry(http_snippet(Desktop.VSCODE, url).text) == {"type": "http", "url": url}
    assert entry(http_snippet(Desktop.CLAUDE_CODE, url).text) == {"type": "http", "url": url}
    assert entry(http_snippet(Desktop.CURSOR, url).text) == {"url": url}
    with pytest.raises(SettingsError, match=r"takes servers on stdio only\. Omit --http"):
        http_snippet(Desktop.CLAUDE_DESKTOP, url)


@pytest.mark.parametrize(
    ("desktop", "reference"),
    [
        (Desktop.CLAUDE_CODE, "${ROBOT_BRIDGE_TOKEN}"),
        (Desktop.CURSOR, "${env:ROBOT_BRIDGE_TOKEN}"),
        (Desktop.VSCODE, "${input:robot-bridge-token}"),
    ],
)
def test_the_token_of_a_bridge_is_referred_to(desktop: Desktop, reference: str) -> None:
    snippet = http_snippet(desktop, "https://robots.example/mcp", with_token=True)
    assert entry(snippet.text)["headers"] == {"Authorization": f"Bearer {reference}"}
    if desktop is Desktop.VSCODE:
        assert [each["id"] for each in json.loads(snippet.text)["inputs"]] == ["robot-bridge-token"]
    else:
        assert "ROBOT_BRIDGE_TOKEN in its environment" in snippet.advice


def test_another_program_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"Unknown desktop agent 'vim'\. Known: claude-desktop, "):
        desktop("vim")


def test_a_mistake_is_one_clear_line() -> None:
    failed = command("bridge", "--client-id", "a/b")
    assert failed.status == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "'a/b' cannot be an MQTT client id" in failed.stderr
