"""The tool that all transports call. Run as a program, it is served over stdio by the official SDK."""

from __future__ import annotations

from mcp.server import MCPServer

ADD = "add"
ARGUMENTS = {"a": 40, "b": 2}


def server_with_add() -> MCPServer:
    """A server with a trivial tool: a call costs only the transport."""
    server = MCPServer("benchmark", log_level="WARNING")

    @server.tool(name=ADD)
    def add(a: int, b: int) -> int:
        return a + b

    return server


if __name__ == "__main__":
    server_with_add().run()
