"""STUN and TURN servers for tests, on loopback: a STUN server that answers when it is told to, and a real coturn."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from aioice import stun

from tests.waiting import DEADLINE_S

USER, PASSWORD = "robot", "s3cret/of:it"

_START_S = 15.0
"""coturn takes a tenth of a second; it waits for ever for a port that somebody else has."""


class SlowStunServer(asyncio.DatagramProtocol):
    """Keeps every question until it is told to answer."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._questions: list[tuple[stun.Message, tuple[str, int]]] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._questions.append((stun.parse_message(data), addr))
        self.asked.set()

    def answer(self, address: tuple[str, int]) -> None:
        """Tell everybody who asked that they are seen at this address."""
        assert self._transport is not None
        for question, addr in self._questions:
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, question.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = address
            self._transport.sendto(bytes(answer), addr)


@contextlib.asynccontextmanager
async def slow_stun_server() -> AsyncIterator[tuple[SlowStunServer, str]]:
    """The server, and its URL."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(SlowStunServer, local_addr=("127.0.0.1", 0))
    try:
        yield server, f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def turn_server(configuration: str = "", log: Path | None = None) -> AsyncIterator[int]:
    """A real coturn that asks for credentials and relays between loopback addresses only; its port.

    Args:
        configuration: Content of its file, whose address and port are replaced; empty: that of the tests.
        log: Where its output goes; None: nowhere.
    """
    program = shutil.which("turnserver")
    assert program, "coturn is not installed: run 'make develop'"
    with tempfile.TemporaryDirectory(prefix="coturn-") as folder:
        async with asyncio.timeout(DEADLINE_S):
            while (process := await _start(program, folder, port := _free_port(), configuration, log)) is None:
                pass  # somebody else has taken the port meanwhile
        try:
            yield port
        finally:
            process.terminate()
            await process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _start(
    program: str, folder: str, port: int, configuration: str, log: Path | None
) -> asyncio.subprocess.Process | None:
    """Start coturn; returns it when it answers, and nothing if it does not."""
    options = [
        *("--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers", f"--listening-port={port}"),
        *("--no-tls", "--no-dtls", "--log-file=stdout", "--simple-log"),
        *(f"--pidfile={folder}/pid", f"--userdb={folder}/users"),
    ]
    if configuration:
        (Path(folder) / "turnserver.conf").write_text(configuration)
        options += ["-c", "turnserver.conf"]
    else:
        options += [
            *("-n", "--no-cli", "--fingerprint", "--lt-cred-mech", "--realm=robot-node", f"--user={USER}:{PASSWORD}"),
            # Nobody but another relay can be reached: the direct path is blocked.
            *("--denied-peer-ip=0.0.0.0-126.255.255.255", "--denied-peer-ip=128.0.0.0-255.255.255.255"),
        ]
    with (log or Path("/dev/null")).open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", program, *options), cwd=Path(folder), stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(_START_S):
            await _answers(port)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        if isinstance(error, TimeoutError):
            return None
        raise
    return process


async def _answers(port: int) -> None:
    """Wait until coturn answers a STUN question."""
    question = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0)
        while True:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                await loop.sock_sendto(client, question, ("127.0.0.1", port))
                await asyncio.wait_for(loop.sock_recv(client, 1500), 0.2)
                return
