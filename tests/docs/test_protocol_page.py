"""docs/protocol.md: its commands do what it says, its messages are those that the code reads and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.state import RobotState
from robot_node.mcp_mqtt.topics import ServerTopics, client_capability, client_presence
from robot_node.webrtc import status_channel
from robot_node.webrtc.messages import encode_message, messages_topic, parse_message
from robot_node.webrtc.signaling import MAX_MESSAGE_BYTES, EndOfCandidates, answers_topic, encode, offers_topic, parse
from tests.end_to_end.robot_process import plain_client
from tests.guide import DOCS, Running, Terminal, blocks, robot
from tests.waiting import eventually

PAGE = (DOCS / "protocol.md").read_text()
RPC = "$mcp-rpc/shell/demo-robot/demo/robot"


async def test_a_shell_is_a_client(broker: PrivateBroker, tmp_path: Path) -> None:
    said = blocks("protocol.md")
    terminal = Terminal(tmp_path, broker)
    async with robot(broker):
        found = await terminal.run(said["presence"])
        assert found.startswith('$mcp-server/presence/demo-robot/demo/robot {"jsonrpc":"2.0","method":')
        async with terminal.running(said["listen"]) as listener:
            await _listens(broker, listener)
            await terminal.run(said["open"])
            opened = await _answer(listener, 1)
            assert opened["serverInfo"]["name"] == "demo/robot"
            send = said["open"].partition("send '$mcp")[0]
            await terminal.run(send + said["call"])
            assert (await _answer(listener, 2))["structuredContent"] == {"emotion": "happy"}
            promised = PAGE.partition('```text\n{"jsonrpc"')[2].partition("\n```")[0]
            assert '{"jsonrpc"' + promised in listener.printed
            await terminal.run(send + said["leave"])
            await terminal.run(send + said["call"].replace('"id": 2', '"id": 3'))
            await terminal.run(said["open"].replace('"id": 1', '"id": 4'))
            await _answer(listener, 4)
            assert '"id":3,"result"' not in listener.printed  # it had left


async def _listens(broker: PrivateBroker, listener: Running) -> None:
    """Wait until the listener hears what is said there."""
    async with plain_client(broker, "prober") as prober:

        async def is_heard() -> bool:
            await prober.publish(RPC, b'{"jsonrpc": "2.0", "method": "probe"}')
            return "probe" in listener.printed

        await eventually(is_heard, "what is said there is heard")


async def _answer(listener: Running, number: int) -> dict[str, Any]:
    printed = await listener.until(f'"id":{number},"result"')
    answers = [
        json.loads(line) for line in printed.splitlines() if line.startswith(f'{{"jsonrpc":"2.0","id":{number},')
    ]
    result: dict[str, Any] = answers[-1]["result"]
    return result


def test_the_messages_are_what_the_code_reads_and_writes() -> None:
    said = blocks("protocol.md")
    for line in said["signalling"].splitlines():
        message = parse(line.encode())
        if not isinstance(message, EndOfCandidates):
            assert json.loads(encode(message)) == json.loads(line)
    for line in said["messages"].splitlines():
        assert json.loads(encode_message(parse_message(line.encode()))) == json.loads(line)
    status = status_channel.status_message(RobotState().snapshot, status_channel.StreamFigures(0, None), [])
    assert json.loads(said["status"]).keys() == json.loads(status).keys()
    assert MAX_MESSAGE_BYTES == 128 * 1024


def test_the_topics_are_those_of_the_code() -> None:
    server = ServerTopics("{server-id}", "{server-name}")
    topics = [server.control, server.presence, server.capability, server.rpc("{client-id}")]
    topics += [client_presence("{client-id}"), client_capability("{client-id}")]
    topics += [offers_topic("{client-id}", "{server-id}"), answers_topic("{client-id}"), messages_topic("{client-id}")]
    for topic in topics:
        assert f"| `{topic}` |" in PAGE
