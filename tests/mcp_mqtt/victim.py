"""A server in a process of its own, which tells how much memory it has allocated.

``python -m tests.mcp_mqtt.victim URL``

Its clients without life are let go quickly, and its limits are those of a robot.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tracemalloc

from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.mcp_mqtt.server import ServerLimits, ServerOptions, serve
from robot_node.mqtt import Broker
from tests.mcp_mqtt.peers import SERVER_ID, SERVER_NAME
from tests.mcp_mqtt.toys import toy_server

MAX_SESSIONS = 16


def main() -> None:
    """Serve until killed."""
    logging.basicConfig(level=logging.WARNING)
    toy = toy_server(Notifier())

    @toy.server.tool()
    def allocated() -> int:
        """Bytes that are allocated now."""
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    @toy.server.tool()
    def much(size: int) -> str:
        """A long text."""
        return "x" * min(size, 100_000)

    options = ServerOptions(
        server_id=SERVER_ID,
        server_name=SERVER_NAME,
        limits=ServerLimits(max_sessions=MAX_SESSIONS, ping_interval_s=0.5, ping_timeout_s=1.0),
    )
    tracemalloc.start()
    asyncio.run(serve(Broker.from_url(sys.argv[1]), toy.server, options, notifier=toy.notifier))


if __name__ == "__main__":
    main()
