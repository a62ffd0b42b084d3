"""IPv6: brokers, web servers and their Host headers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse

from robot_node.apps.private_broker import PrivateBroker
from robot_node.core.asyncio_tools import cancel_and_wait
from robot_node.core.web_server import listen, serve_app
from robot_node.mqtt import Broker, Subscription, connect
from tests.mqtt.rig import ONE
from tests.waiting import DEADLINE_S


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that Linux assigns to nobody meanwhile: a bound socket that does not listen lets mosquitto do so."""
    with socket.socket(socket.AF_INET6) as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("::", 0))
        yield int(reserved.getsockname()[1])


async def test_a_broker_is_reached_over_ipv6_by_tcp_and_by_websocket() -> None:
    with _reserved_port() as port, _reserved_port() as websocket_port:
        extra = f"listener {port} ::1\nlistener {websocket_port}\nprotocol websockets\nsocket_domain ipv6"
        async with PrivateBroker(extra=extra):
            for url in (f"mqtt://[::1]:{port}", f"ws://[::1]:{websocket_port}/mqtt"):
                async with connect(Broker.from_url(url), ONE) as connection:
                    await connection.subscribe(Subscription("x"))
                    assert await connection.publish("x", b"", qos=1) == ""


@pytest.mark.parametrize(("host", "status"), [("[::1]:{port}", 200), ("[::1]", 200), ("robot.example:{port}", 421)])
async def test_a_web_server_listens_at_an_ipv6_address(host: str, status: int) -> None:
    listener = await listen("::1", 0, remedy="")
    port = listener.getsockname()[1]
    serving = asyncio.create_task(
        serve_app(PlainTextResponse("hello"), listener, host="::1", name="web", lifespan="off")
    )
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(f"GET / HTTP/1.1\r\nHost: {host.format(port=port)}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    writer.close()
    await cancel_and_wait(serving)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
