"""Asks one STUN or TURN server for what the robot needs of it: an address as seen from outside, or a relayed one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any

from aioice import stun, turn
from aiortc.rtcicetransport import parse_stun_turn_uri

from robot_node.errors import RemoteError
from robot_node.webrtc.ice_servers import IceServer

_RETRY_S = 0.5
# A refused datagram is known at once; a TURN server that answers no STUN question is asked for an allocation.
_PORT_CHECK_S = 1.0
_UNAUTHORIZED = {401, 403, 431, 441}


async def ask_ice_server(server: IceServer, limit_s: float) -> str:
    """Ask a server; return the address that it gives, as ``host:port``.

    Args:
        server: STUN: a binding (RFC 8489). TURN: an allocation (RFC 8656), which is released again.
        limit_s: Time limit in seconds.

    Raises:
        RemoteError: it gives none; the error says why.
    """
    uri = parse_stun_turn_uri(server.url)
    try:
        async with asyncio.timeout(limit_s):
            if uri["scheme"] == "stun":
                return await _binding(uri["host"], uri["port"])
            if uri["transport"] == "udp":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PORT_CHECK_S):
                        await _binding(uri["host"], uri["port"])
            return await _allocation(server, uri)
    except (TimeoutError, stun.TransactionTimeout):
        raise RemoteError(
            f"No answer from {server.url} within {limit_s:g} s.",
            remedy="Does a firewall block it? Is the port right? Open it for UDP, or use ?transport=tcp with TURN.",
        ) from None
    except socket.gaierror as error:
        raise RemoteError(f"The host name in {server.url} cannot be resolved: {error.strerror}.") from error
    except stun.TransactionFailed as error:
        raise _refusal(server, error.response) from error
    except OSError as error:
        raise RemoteError(
            f"{server.url} cannot be reached: {os.strerror(error.errno) if error.errno else error}.",
            remedy="Is the server running, and the port right?",
        ) from error


def _refusal(server: IceServer, response: stun.Message) -> RemoteError:
    code, reason = response.attributes.get("ERROR-CODE", (0, "no reason given"))
    if code in _UNAUTHORIZED:
        return RemoteError(
            f"{server.url} does not accept the user name and password: {code} {reason}.",
            remedy="Write them as turn:user:password@host:port, percent-encoded; compare them with the server's.",
        )
    return RemoteError(f"{server.url} refuses: {code} {reason}.", remedy="See the server's log.")


async def _binding(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    transport, question = await loop.create_datagram_endpoint(_BindingRequest, remote_addr=(host, port))
    try:
        while True:
            transport.sendto(question.request)
            await asyncio.wait({question.answer}, timeout=_RETRY_S)
            if question.answer.done():
                return question.answer.result()
    finally:
        transport.close()


class _BindingRequest(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self._transaction_id = message.transaction_id
        self.request = bytes(message)
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _: object) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        address = message.attributes.get("XOR-MAPPED-ADDRESS") or message.attributes.get("MAPPED-ADDRESS")
        if message.transaction_id == self._transaction_id and address and not self.answer.done():
            self.answer.set_result(f"{address[0]}:{address[1]}")

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _allocation(server: IceServer, uri: dict[str, Any]) -> str:
    closed = asyncio.Event()
    transport, _ = await turn.create_turn_endpoint(
        lambda: _Receiver(closed),
        (uri["host"], uri["port"]),
        server.username,
        server.credential,
        ssl=uri["scheme"] == "turns",
        transport=uri["transport"],
    )
    host, port = transport.get_extra_info("sockname")
    transport.close()
    await closed.wait()  # the server has released it
    return f"{host}:{port}"


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, closed: asyncio.Event) -> None:
        self._closed = closed

    def connection_lost(self, _: Exception | None) -> None:
        self._closed.set()
