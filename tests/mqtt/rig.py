"""What the tests of the MQTT connection share."""

from __future__ import annotations

from robot_node.mqtt import ConnectOptions, Incoming

ONE = ConnectOptions(client_id="one")


def ignore(_: Incoming) -> None:
    """Receive nothing."""
