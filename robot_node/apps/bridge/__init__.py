"""``robot-node bridge``: one MCP server that gives desktop agents all robots of a broker."""
