"""MCP over MQTT for the official ``mcp`` SDK, as a library of its own: it knows nothing of robots.

The public modules, each imported where it is needed (importing all of them takes time on a Raspberry Pi):

* :mod:`~robot_node.mcp_mqtt.server`: :func:`~robot_node.mcp_mqtt.server.serve` serves an ``mcp`` server to many clients
  over one connection.
* :mod:`~robot_node.mcp_mqtt.client`: :func:`~robot_node.mcp_mqtt.client.mqtt_transport`, for ``mcp.Client``.
* :mod:`~robot_node.mcp_mqtt.presence`: :func:`~robot_node.mcp_mqtt.presence.online_servers` lists the servers that are
  online; :func:`~robot_node.mcp_mqtt.presence.directory` follows them, and talks to any number over one connection.
* :mod:`~robot_node.mcp_mqtt.access`, :mod:`~robot_node.mcp_mqtt.guard`, :mod:`~robot_node.mcp_mqtt.rate_limit`: who may
  do what, and how often.
* :mod:`~robot_node.mcp_mqtt.notifier`: notifies clients of changes.
"""

__all__ = ["access", "client", "guard", "notifier", "presence", "rate_limit", "server"]
