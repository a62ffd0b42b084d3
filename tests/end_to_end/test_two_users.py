"""Two users on a real mosquitto with the access rules that we ship: neither can speak, hear or act as the other."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server import MCPServer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from robot_node.apps import remote
from robot_node.apps.private_broker import PrivateBroker
from robot_node.errors import RemoteError
from robot_node.mcp_mqtt.access import ADMIN, AccessPolicy, Role
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.guard import Guard
from robot_node.mcp_mqtt.presence import directory, online_servers
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import RobotProcess, environment, robot_node
from tests.mcp_mqtt.peers import DISCONNECTED, initialize
from tests.mcp_mqtt.toys import Toy, running
from tests.ports import free_port
from tests.waiting import DEADLINE_S, eventually

CONFIG = Path(__file__).parents[2] / "config"
SERVER_ID, SERVER_NAME = "robot-kitchen", "robot-node/kitchen"
CONTROL = f"$mcp-server/{SERVER_ID}/{SERVER_NAME}"
PRESENCE = f"$mcp-server/presence/{SERVER_ID}/{SERVER_NAME}"
ALICES_RPC = f"$mcp-rpc/alice/{SERVER_ID}/{SERVER_NAME}"
BOBS_RPC = f"$mcp-rpc/bob/{SERVER_ID}/{SERVER_NAME}"
USERS = (SERVER_ID, "alice", "bob")
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def move(number: int, who: str) -> dict[str, Any]:
    params = {"name": "move", "arguments": {"who": who}, "_meta": ENVELOPE}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def rules(folder: Path, users: Iterable[str]) -> str:
    """Lines for mosquitto's settings: our acl file, and everybody's password is the user name."""
    passwords = folder / "robots.passwd"
    passwords.touch(mode=0o600)
    for user in users:
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, user], check=True)
    return f"password_file {passwords}\nacl_file {CONFIG / 'mosquitto' / 'acl'}\n"


def as_user(broker: PrivateBroker, user: str) -> Broker:
    return Broker.from_url(broker.url, username=user, password=user)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    """A mosquitto with the rules that we ship."""
    async with PrivateBroker(extra=rules(tmp_path, USERS), anonymous=False) as broker:
        yield broker


@dataclass
class Kitchen:
    """A robot that alice may move and others may not."""

    moved_by: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def online(self, broker: PrivateBroker) -> AsyncIterator[None]:
        viewer = Role(name="viewer", allowed_tools=frozenset({"look"}))
        server = MCPServer("kitchen", middleware=[Guard(AccessPolicy((ADMIN, viewer), [("alice", "admin")], "viewer"))])

        @server.tool()
        def move(who: str) -> str:
            self.moved_by.append(who)
            return "moved"

        @server.tool()
        def look() -> str:
            return "a kitchen"

        options: dict[str, Any] = {"server_id": SERVER_ID, "server_name": SERVER_NAME}
        async with running(as_user(broker, SERVER_ID), Toy(server), **options):
            yield


class Peer:
    """An MQTT client with a user's password, and what it has heard."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.heard: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, message: object, *, claims: str = "", retain: bool = False) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        if claims:
            properties.UserProperty = ("MCP-MQTT-CLIENT-ID", claims)
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self._client.publish(topic, payload, 1, retain, properties)

    async def subscribe(self, *topic_filters: str) -> None:
        for topic_filter in topic_filters:
            await self._client.subscribe(topic_filter, 1)

    async def until(self, topic: str, part: bytes) -> None:
        """Wait for a message."""
        await eventually(lambda: any(heard == topic and part in payload for heard, payload in self.heard), str(part))

    async def read(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in self._client.messages:
                self.heard.append((message.topic.value, bytes(message.payload)))


@contextlib.asynccontextmanager
async def peer(
    broker: PrivateBroker, user: str, client_id: str = "", *, port: int = 0, will: aiomqtt.Will | None = None
) -> AsyncIterator[Peer]:
    client = aiomqtt.Client(
        "127.0.0.1",
        port or broker.port,
        identifier=client_id or user,
        username=user,
        password=user,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=will,
    )
    await client.__aenter__()
    found = Peer(client)
    reader = asyncio.create_task(found.read())
    try:
        yield found
    finally:
        reader.cancel()
        await asyncio.wait([reader])
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


@contextlib.asynccontextmanager
async def visit(broker: PrivateBroker, user: str, client_id: str = "") -> AsyncIterator[Client]:
    transport = mqtt_transport(as_user(broker, user), SERVER_ID, SERVER_NAME, client_id=client_id or user)
    async with Client(transport) as client:
        yield client


async def has_done_its_worst(bob: Peer) -> None:
    """The broker takes one client's messages in order: when bob's own robot answers, all his others were handled."""
    await bob.subscribe(BOBS_RPC)
    await bob.publish(CONTROL, initialize(1), claims="bob")
    await bob.until(BOBS_RPC, b'"id":1')


async def test_each_may_do_what_the_role_allows(site: PrivateBroker) -> None:
    kitchen = Kitchen()
    async with kitchen.online(site):
        async with visit(site, "alice") as alice:
            assert not (await alice.call_tool("move", {"who": "alice"})).is_error
        async with visit(site, "bob") as bob:
            assert not (await bob.call_tool("look", {})).is_error
            with pytest.raises(MCPError, match="The role viewer may not call move"):
                await bob.call_tool("move", {"who": "bob"})
    assert kitchen.moved_by == ["alice"]


async def test_one_cannot_act_in_the_others_name(site: PrivateBroker) -> None:
    kitchen = Kitchen()
    async with kitchen.online(site), visit(site, "alice") as alice, peer(site, "bob") as bob:
        await alice.list_tools()
        await bob.publish(ALICES_RPC, move(90, "bob on alice's RPC topic"))
        await bob.publish(ALICES_RPC, move(91, "bob, claiming to be alice"), claims="alice")
        await bob.publish(CONTROL, move(92, "bob on the control topic"), claims="alice")
        await has_done_its_worst(bob)
        assert not (await alice.call_tool("move", {"who": "alice"})).is_error
    assert kitchen.moved_by == ["alice"]


async def test_one_cannot_end_the_others_session_by_a_goodbye_or_a_will(site: PrivateBroker) -> None:
    goodbye = json.dumps(DISCONNECTED).encode()
    will = aiomqtt.Will("$mcp-client/presence/alice", goodbye, 1)
    async with Kitchen().online(site), visit(site, "alice") as alice:
        await alice.list_tools()
        async with peer(site, "bob", will=will) as bob:
            for topic in ("$mcp-client/presence/alice", "$mcp-client/capability/alice", ALICES_RPC):
                await bob.publish(topic, DISCONNECTED, claims="alice")
                await bob.publish(topic, DISCONNECTED)
            await has_done_its_worst(bob)
            # Another connection of bob's ends this one, without a goodbye: the broker publishes the will, where it may.
            async with peer(site, "bob") as bob_again:
                await has_done_its_worst(bob_again)
        assert not (await alice.call_tool("move", {"who": "alice"})).is_error


async def test_one_cannot_hear_what_the_other_and_the_robot_say(site: PrivateBroker) -> None:
    async with Kitchen().online(site), peer(site, "bob") as bob:
        await bob.subscribe("$mcp-rpc/#", "$mcp-rpc/+/+/+/+", ALICES_RPC, CONTROL, "$mcp-server/+/+/+", "#")
        await bob.subscribe("$mcp-client/#", "$mcp-client/presence/alice", "$webrtc/#", "$webrtc/alice", "$message/#")
        async with visit(site, "alice") as alice:
            await alice.call_tool("move", {"who": "alice"})
        async with peer(site, "alice") as alice_again:
            await alice_again.publish(f"$webrtc/alice/{SERVER_ID}", {"type": "chat", "data": "secret"})
            await alice_again.publish("$message/alice", {"type": "message", "payload": "secret"})
        await bob.publish(CONTROL, initialize(3), claims="alice")
        await has_done_its_worst(bob)
        assert {topic for topic, _ in bob.heard} == {BOBS_RPC}


async def test_nobody_but_the_robot_can_speak_as_the_robot(site: PrivateBroker) -> None:
    online = {"jsonrpc": "2.0", "method": "notifications/server/online", "params": {"server_name": "x"}}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
    async with Kitchen().online(site), peer(site, "alice") as alice, peer(site, "bob") as bob:
        await alice.subscribe(PRESENCE, "$mcp-server/capability/#", ALICES_RPC)
        await alice.until(PRESENCE, b"online")
        before = list(alice.heard)
        await bob.publish(PRESENCE, b"", retain=True)
        await bob.publish(ALICES_RPC, answer)
        await bob.publish(f"$mcp-server/capability/{SERVER_ID}/{SERVER_NAME}", {"jsonrpc": "2.0", "method": "x"})
        for name in ("robot-node/bob", "robot-node/kitchen", "robot-node", "x"):
            for server_id in ("bob", "robot-other", "robot-node"):
                await bob.publish(f"$mcp-server/presence/{server_id}/{name}", online, retain=True)
                await bob.publish(f"$mcp-server/capability/{server_id}/{name}", online)
        await has_done_its_worst(bob)
        assert [known.server_id for known in await online_servers(as_user(site, "alice"))] == [SERVER_ID]
        await alice.publish(CONTROL, initialize(5), claims="alice")
        await alice.until(ALICES_RPC, b'"id":5')
        assert len(alice.heard) == len(before) + 1


@pytest.mark.slow
async def test_a_bridge_speaks_as_its_user_with_all_robots(site: PrivateBroker) -> None:
    kitchen = Kitchen()
    async with kitchen.online(site):
        for user, moved in (("alice", True), ("bob", False)):
            command = StdioServerParameters(
                command=sys.executable,
                args=["-m", "robot_node", "bridge", "--client-id", user],
                env=environment(site) | {"ROBOT_NODE_BROKER__USERNAME": user, "ROBOT_NODE_BROKER__PASSWORD": user},
            )
            async with Client(stdio_client(command), mode="legacy") as desktop:
                tools = {tool.name for tool in (await desktop.list_tools()).tools}
                assert ("move" in tools) == moved
                assert not (await desktop.call_tool("look", {})).is_error
                if moved:
                    assert not (await desktop.call_tool("move", {"who": user})).is_error
    assert kitchen.moved_by == ["alice"]


async def test_who_calls_under_another_client_id_is_told_what_to_do(
    site: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Kitchen().online(site):
        monkeypatch.setattr(remote, "_CALL_LIMIT_S", 0.2)
        monkeypatch.setattr(remote, "Client", functools.partial(Client, mode="legacy"))  # the SDK's probe takes 10 s
        with pytest.raises(RemoteError, match="requires the user name as --client-id"):
            await remote.call(as_user(site, "alice"), SERVER_ID, "look", {})
        monkeypatch.undo()
        assert not (await remote.call(as_user(site, "alice"), SERVER_ID, "look", {}, client_id="alice")).is_error


async def test_nobody_can_watch_in_the_others_name_or_end_its_watching(site: PrivateBroker) -> None:
    chat = {"type": "chat", "data": "x"}
    async with (
        peer(site, SERVER_ID, f"{SERVER_ID}-webrtc") as robot,
        peer(site, "alice") as alice,
        peer(site, "bob") as bob,
    ):
        await robot.subscribe(f"$webrtc/+/{SERVER_ID}")
        await alice.subscribe("$webrtc/alice")
        await bob.subscribe("$webrtc/alice", "$webrtc/+", f"$webrtc/+/{SERVER_ID}", "$webrtc/#")
        await bob.publish(f"$webrtc/alice/{SERVER_ID}", {"type": "webrtc_terminated", "reason": "bob"})
        await bob.publish("$webrtc/alice", {"type": "webrtc_terminated", "reason": "bob"})
        await bob.publish(f"$webrtc/bob/{SERVER_ID}", chat)
        await robot.until(f"$webrtc/bob/{SERVER_ID}", b"chat")
        await alice.publish(f"$webrtc/alice/{SERVER_ID}", chat)
        await robot.until(f"$webrtc/alice/{SERVER_ID}", b"chat")
        await robot.publish("$webrtc/alice", chat)
        await alice.until("$webrtc/alice", b"chat")
        await robot.publish("$webrtc/bob", chat)
        await bob.subscribe("$webrtc/bob")
        await robot.publish("$webrtc/bob", chat)
        await bob.until("$webrtc/bob", b"chat")
        assert len(robot.heard) == 2
        assert len(alice.heard) == 1
        assert {topic for topic, _ in bob.heard} == {"$webrtc/bob"}


async def test_one_user_can_push_the_other_off_the_broker_but_not_speak_for_it(site: PrivateBroker) -> None:
    """What mosquitto cannot prevent on a plain listener; see the next test for one that does."""
    kitchen = Kitchen()
    async with kitchen.online(site), peer(site, "alice") as alice, peer(site, "bob", "alice") as bob:
        await bob.publish(ALICES_RPC, move(90, "bob as alice"))
        await has_done_its_worst(bob)
        with pytest.raises(aiomqtt.MqttError):
            await alice.publish(CONTROL, initialize(1), claims="alice")
    assert kitchen.moved_by == []


async def test_a_listener_can_bind_client_ids_to_user_names(tmp_path: Path) -> None:
    port = free_port()
    listener = f"listener {port} 127.0.0.1\nuse_username_as_clientid true\n"
    async with (
        PrivateBroker(extra=rules(tmp_path, USERS) + listener, anonymous=False) as broker,
        Kitchen().online(broker),
        peer(broker, "alice", port=port) as alice,
        peer(broker, "bob", "alice", port=port) as bob,
    ):
        await has_done_its_worst(bob)
        await alice.subscribe(ALICES_RPC)
        await alice.publish(CONTROL, initialize(1), claims="alice")
        await alice.until(ALICES_RPC, b'"id":1')


async def test_without_a_password_nobody_comes_in(site: PrivateBroker) -> None:
    for user, password in ((None, None), ("alice", "bob")):
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", site.port, username=user, password=password):
                pass


@pytest.mark.slow  # starts three programs; each rule is tried above
async def test_a_whole_robot_follows_its_settings_under_these_rules(site: PrivateBroker, tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text(
        f"""
        [robot]
        server_id = "{SERVER_ID}"
        server_name = "{SERVER_NAME}"
        [broker]
        username = "{SERVER_ID}"
        [access]
        default_role = "viewer"
        clients = [{{ client_id = "alice", role = "operator" }}]
        """
    )
    arguments = ("--config", str(tmp_path / "robot.toml"), "--server-id", SERVER_ID, "--server-name", SERVER_NAME)
    robot = RobotProcess(site, tmp_path, settings={"ROBOT_NODE_BROKER__PASSWORD": SERVER_ID}, arguments=arguments)
    await robot.start()
    try:
        async with directory(as_user(site, "bob")) as online:
            meta = (await online.wait_for(SERVER_ID, timeout_s=DEADLINE_S)).meta
        assert [role["name"] for role in meta["rbac"]["roles"]] == ["operator", "viewer"]
        async with visit(site, "alice") as alice, visit(site, "bob") as bob:
            tools = {tool.name for tool in (await bob.list_tools()).tools}
            assert tools == {"get_status", "get_events", "wait_for_event", "take_photo", "look"}
            assert "change_emotion" in {tool.name for tool in (await alice.list_tools()).tools}
            assert not (await alice.call_tool("change_emotion", {"emotion": "happy"})).is_error
            with pytest.raises(MCPError, match="The role viewer may not call change_emotion"):
                await bob.call_tool("change_emotion", {"emotion": "sad"})
            status = (await bob.call_tool("get_status", {})).structured_content
            assert status is not None
            assert status["emotion"] == "happy"
        urls = {user: f"mqtt://{user}:{user}@127.0.0.1:{site.port}" for user in ("alice", "bob")}
        smile = ("call", SERVER_ID, "change_emotion", '{"emotion": "sad"}')
        assert (await robot_node(*smile, "--broker", urls["alice"], "--client-id", "alice")).status == 0
        refused = await robot_node(*smile, "--broker", urls["bob"], "--client-id", "bob")
        said = "robot-kitchen refused the call of change_emotion: The role viewer may not call change_emotion."
        assert (refused.status, refused.stderr.strip()) == (1, f"robot-node: {said}")
    finally:
        await robot.kill()
