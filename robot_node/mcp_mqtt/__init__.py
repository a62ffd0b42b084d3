"""MCP over MQTT for the official ``mcp`` SDK: a server, a client transport, presence. Knows nothing of robots."""
