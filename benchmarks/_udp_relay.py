"""A network between browser and robot that can pause: a UDP relay whose ports take the place of the robot's."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from benchmarks._processes import LOOPBACK

# The page gets one port for each candidate of the robot, and its own candidates are kept from the robot.
_SCRIPT = """
(() => {
  const relayed = (candidate) => new Promise((resolve) => {
    const fields = candidate.split(" ");
    const socket = new WebSocket("%s");
    socket.onopen = () => socket.send(`${fields[4]} ${fields[5]}`);
    socket.onmessage = ({data}) => { fields[5] = data; socket.close(); resolve(fields.join(" ")); };
  });
  const {addIceCandidate, setRemoteDescription} = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
    const init = candidate?.candidate ? {...candidate, candidate: await relayed(candidate.candidate)} : candidate;
    return addIceCandidate.call(this, init);
  };
  RTCPeerConnection.prototype.setRemoteDescription = async function ({type, sdp}) {
    const lines = await Promise.all(
      sdp.split("\\r\\n").map((line) => (line.startsWith("a=candidate:") ? relayed(line) : line)),
    );
    return setRemoteDescription.call(this, {type, sdp: lines.join("\\r\\n")});
  };
  const {set, get} = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, "onicecandidate");
  Object.defineProperty(RTCPeerConnection.prototype, "onicecandidate", {
    configurable: true, get,
    set(handler) { set.call(this, handler && ((event) => event.candidate?.candidate || handler.call(this, event))); },
  });
})();
"""
_HELD_LIMIT = 20_000


class Traffic(enum.Enum):
    """What happens to packets."""

    PASS = enum.auto()
    DROP = enum.auto()
    HOLD = enum.auto()


class Relay:
    """Made by :func:`relay`.

    Attributes:
        script: To be run in the page before its own scripts.
    """

    def __init__(self) -> None:
        self.script = ""
        self._traffic = Traffic.PASS
        self._held: deque[tuple[asyncio.DatagramTransport, bytes, Any]] = deque(maxlen=_HELD_LIMIT)

    def let(self, traffic: Traffic) -> None:
        """Pass, drop or hold packets from now on; those that were held are sent at once."""
        self._traffic = traffic
        while self._held and traffic is not Traffic.HOLD:
            transport, data, address = self._held.popleft()
            transport.sendto(data, address)

    def forward(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> None:
        """Treat a packet as :meth:`let` says."""
        if self._traffic is Traffic.PASS:
            transport.sendto(data, address)
        elif self._traffic is Traffic.HOLD:
            self._held.append((transport, data, address))


class _Side(asyncio.DatagramProtocol):
    """One of two sockets; each sends what the other receives."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.other: _Side | None = None
        self.transport: asyncio.DatagramTransport | None = None
        self.peer: Any = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # asyncio's own
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.transport is not None and self.transport.get_extra_info("peername") is None:
            self.peer = addr
        if self.other is not None and self.other.transport is not None:
            connected = self.other.transport.get_extra_info("peername") is not None
            if connected or self.other.peer is not None:
                self._relay.forward(self.other.transport, data, None if connected else self.other.peer)


@contextlib.asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """Relay packets between a page and the robot's addresses."""
    made = Relay()
    transports: list[asyncio.DatagramTransport] = []

    async def open_port(connection: ServerConnection) -> None:
        async for text in connection:
            host, port = str(text).split()
            loop = asyncio.get_running_loop()
            front, here = await loop.create_datagram_endpoint(lambda: _Side(made), local_addr=(host, 0))
            back, there = await loop.create_datagram_endpoint(lambda: _Side(made), remote_addr=(host, int(port)))
            here.other, there.other = there, here
            transports.extend((front, back))
            await connection.send(str(front.get_extra_info("sockname")[1]))

    async with serve(open_port, LOOPBACK, 0) as server:
        made.script = _SCRIPT % f"ws://{LOOPBACK}:{next(iter(server.sockets)).getsockname()[1]}"
        try:
            yield made
        finally:
            for transport in transports:
                transport.close()
