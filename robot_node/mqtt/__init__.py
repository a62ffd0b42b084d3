"""One reconnecting MQTT 5 connection (aiomqtt on paho-mqtt). It knows no topic and nothing of MCP or WebRTC."""

from robot_node.core.backoff import Backoff
from robot_node.mqtt.connection import Connection, connect
from robot_node.mqtt.paho import OnMessage
from robot_node.mqtt.reconnect import LinkStatus, ReconnectError, keep_connected, tell_crash
from robot_node.mqtt.types import Broker, ConnectOptions, Incoming, Subscription, UserProperties, Will

__all__ = [
    "Backoff",
    "Broker",
    "ConnectOptions",
    "Connection",
    "Incoming",
    "LinkStatus",
    "OnMessage",
    "ReconnectError",
    "Subscription",
    "UserProperties",
    "Will",
    "connect",
    "keep_connected",
    "tell_crash",
]
