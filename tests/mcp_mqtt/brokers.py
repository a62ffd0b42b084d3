"""Two brokers of which one brings the other's messages over a bridge: mosquitto, MQTT 5."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from robot_node.apps.private_broker import PrivateBroker
from tests.waiting import eventually

_TOPICS = ("mcp-server", "mcp-client", "mcp-rpc", "webrtc", "message")


def bridge_to(broker: PrivateBroker) -> str:
    """The lines of mosquitto's settings for a bridge to another broker, as docs/brokers.md has them."""
    topics = "".join(f"topic ${name}/# both 1\n" for name in _TOPICS)  # '#' alone matches none of them
    return (
        f"connection other\naddress 127.0.0.1:{broker.port}\nbridge_protocol_version mqttv50\ncleansession true\n"
        f"notifications false\nrestart_timeout 1 5\n{topics}"
    )


@contextlib.asynccontextmanager
async def bridged_brokers() -> AsyncIterator[tuple[PrivateBroker, PrivateBroker]]:
    """Two brokers with a bridge between them. Either may be killed."""
    async with PrivateBroker() as one, PrivateBroker(extra=bridge_to(one)) as other:
        await eventually(lambda: "$message/#, QoS" in other.log and "Received SUBACK" in other.log, "the bridge is up")
        yield one, other
