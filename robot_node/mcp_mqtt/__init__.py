"""MCP over MQTT for the official ``mcp`` SDK: a server, a client transport, presence. Knows nothing of robots.

* :func:`robot_node.mcp_mqtt.server.serve` serves an ``mcp`` server to many clients over one connection.
* :func:`robot_node.mcp_mqtt.client.mqtt_transport` is a transport for ``mcp.Client``.
* :func:`robot_node.mcp_mqtt.presence.online_servers` tells who is online.
* :func:`robot_node.mcp_mqtt.presence.directory` follows who is online, and talks to any number of servers over one
  connection.
"""
