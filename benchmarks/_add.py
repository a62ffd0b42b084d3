"""The tool that every way of calling calls. Run as a program, it is served over stdio, as the official SDK does it."""

from __future__ import annotations

from mcp.server import MCPServer

ADD = "add"
ARGUMENTS = {"a": 40, "b": 2}


def server_with_add() -> MCPServer:
    """A server with a tool so small that a call costs nothing but the way there and back."""
    server = MCPServer("benchmark", log_level="WARNING")

    @server.tool(name=ADD)
    def add(a: int, b: int) -> int:
        return a + b

    return server


if __name__ == "__main__":
    server_with_add().run()
