"""Fixtures of the MCP over MQTT tests."""

from __future__ import annotations

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from tests.mcp_mqtt.toys import Toy, toy_server


@pytest.fixture
def toy() -> Toy:
    """An MCP server with toy tools."""
    return toy_server()


@pytest.fixture
def address(broker: PrivateBroker) -> Broker:
    """Where the broker is."""
    return Broker.from_url(broker.url)
