"""What a robot notices of the other robots on its broker: nothing, however many there are."""

from __future__ import annotations

from pathlib import Path

from mcp import Client

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mcp_mqtt.client import mqtt_transport
from robot_node.mcp_mqtt.presence import online_servers
from robot_node.mqtt import Broker
from tests.end_to_end.robot_process import PRESENCE, SERVER_ID, SERVER_NAME, RobotProcess, plain_client
from tests.mcp_mqtt.packets import Other, Publish, Suback
from tests.mcp_mqtt.tap import Seen, Tap
from tests.mcp_mqtt.toys import running, toy_server

OTHER_ID, OTHER_NAME = "other-robot", "tests/other"
PINGS = (Other("PINGREQ"), Other("PINGRESP"))


def is_marker(seen: Seen) -> bool:
    return isinstance(seen.packet, Publish) and seen.packet.payload == b"marker"


async def both_connections_are_up(tap: Tap) -> None:
    for connection in (1, 2):
        await tap.until(lambda seen, number=connection: isinstance(seen.packet, Suback) and seen.connection == number)  # type: ignore[misc]  # no type for a default
    await tap.until(lambda seen: isinstance(seen.packet, Publish) and seen.packet.topic == PRESENCE)
    await tap.until(lambda seen: seen.packet == Other("PUBACK"))


async def test_other_robots_and_their_clients_cost_a_robot_no_packet(broker: PrivateBroker, tmp_path: Path) -> None:
    address = Broker.from_url(broker.url)
    async with Tap(broker) as tap, plain_client(broker, "viewer") as viewer:
        tapped = f"mqtt://127.0.0.1:{tap.address.port}"
        robot = RobotProcess(broker, tmp_path, settings={"ROBOT_NODE_BROKER__URL": tapped})
        await robot.start()
        try:
            await both_connections_are_up(tap)
            before = len(tap.seen)

            async with running(broker, toy_server(), server_id=OTHER_ID, server_name=OTHER_NAME):
                async with Client(mqtt_transport(address, OTHER_ID, OTHER_NAME)) as agent:
                    await agent.call_tool("add", {"a": 1, "b": 2})
                    assert len(await online_servers(address)) == 2
                await viewer.publish(f"$webrtc/viewer/{OTHER_ID}", "{}", qos=1)
            # Whatever came because of these came before what follows, on both of the robot's connections.
            await viewer.publish(f"$mcp-server/{SERVER_ID}/{SERVER_NAME}", "marker", qos=1)
            await viewer.publish(f"$webrtc/viewer/{SERVER_ID}", "marker", qos=1)
            markers = [await tap.until(is_marker, count=count) for count in (1, 2)]

            assert {marker.connection for marker in markers} == {1, 2}
            noticed = [seen for seen in tap.seen[before:] if not is_marker(seen) and seen.packet not in PINGS]
            assert not noticed
        finally:
            await robot.kill()
