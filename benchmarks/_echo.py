"""A bare request/response echo through the broker: the least that a call over MQTT can cost in Python."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiomqtt

from benchmarks._processes import READY, reply
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect

Ask = Callable[[int], Awaitable[object]]
"""Asks as many times at once, and returns when everything is answered."""

_REQUEST, _RESPONSE = "benchmark/echo/request", "benchmark/echo/response"
_ADAPTED = "adapted/"
# As many bytes as the tool call puts on the wire, properties aside.
_PAYLOAD = b"x" * 300


def _bare_client(broker: Broker, client_id: str) -> aiomqtt.Client:
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    client.pending_calls_threshold = 1000  # many at once are no reason for a warning here
    return client


async def serve_echo(broker: Broker) -> None:
    """Echo with aiomqtt as it comes."""
    async with _bare_client(broker, "echo") as client:
        await client.subscribe(_REQUEST)
        reply(READY)
        async for message in client.messages:
            await client.publish(_RESPONSE, message.payload)


@contextlib.asynccontextmanager
async def echoing(broker: Broker) -> AsyncIterator[Ask]:
    """Ask that echo, with aiomqtt as it comes."""
    async with _bare_client(broker, "asker") as client:
        await client.subscribe(_RESPONSE)
        messages = aiter(client.messages)

        async def ask(at_once: int) -> None:
            await asyncio.gather(*(client.publish(_REQUEST, _PAYLOAD) for _ in range(at_once)))
            for _ in range(at_once):
                await anext(messages)

        yield ask


async def serve_adapted_echo(broker: Broker) -> None:
    """Echo over our adaptation of aiomqtt."""
    requests: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(broker, ConnectOptions(client_id="adapted-echo"), requests.put_nowait) as connection:
        await connection.subscribe(Subscription(_ADAPTED + _REQUEST))
        reply(READY)
        while True:
            request = await requests.get()
            await connection.publish(_ADAPTED + _RESPONSE, request.payload)


@contextlib.asynccontextmanager
async def echoing_adapted(broker: Broker) -> AsyncIterator[Ask]:
    """Ask that echo, over our adaptation of aiomqtt."""
    responses: asyncio.Queue[Incoming] = asyncio.Queue()
    async with connect(broker, ConnectOptions(client_id="adapted-asker"), responses.put_nowait) as connection:
        await connection.subscribe(Subscription(_ADAPTED + _RESPONSE))

        async def ask(at_once: int) -> None:
            await asyncio.gather(*(connection.publish(_ADAPTED + _REQUEST, _PAYLOAD) for _ in range(at_once)))
            for _ in range(at_once):
                await responses.get()

        yield ask
