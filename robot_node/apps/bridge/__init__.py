"""One MCP server for agents on a desk, in front of all robots of a broker."""
