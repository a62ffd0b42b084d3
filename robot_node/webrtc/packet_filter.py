"""What comes from the network to a peer connection: filtered by source, size and rate before aiortc handles it.

Uses private names of aiortc and aioice, as :mod:`robot_node.webrtc.aiortc_hooks` does; the same tests check them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aioice import ice, stun
from aiortc import RTCDtlsTransport, rtcpeerconnection

from robot_node.core.rate_limit import TokenBucket

logger = logging.getLogger(__name__)

CHECKED_VERSIONS = {"aiortc": "1.16", "aioice": "0.13"}
"""What the private names below were checked against; pyproject.toml allows no later minor versions."""

PRIVATE_NAMES = {
    "aiortc.rtcdtlstransport:RTCDtlsTransport": ("_recv_next", "_set_role"),
    "aiortc.rtcicetransport:RTCIceTransport": ("_connection", "_recv"),
    "aioice.candidate:Candidate": ("_network_host",),
    "aioice.ice:Connection": ("_check_list", "_nominated", "_queue", "_remote_candidates"),
}
"""By module and class."""

_MAX_DATAGRAM_BYTES = 1500
_MAX_WAITING_DATAGRAMS = 512
_LAST_STUN_BYTE, _DTLS_ALERT, _FIRST_DTLS_BYTE, _LAST_PLAIN_DTLS_BYTE, _LAST_DTLS_BYTE = 3, 21, 20, 31, 63
_EPOCH = slice(3, 5)
_DTLS_CHANGE_CIPHER_SPEC, _DTLS_HANDSHAKE = 20, 22
_DTLS_HEADER_BYTES = 13  # RFC 6347, 4.1
_DTLS_LENGTH = slice(11, 13)
_HANDSHAKE_OF_PEER = {
    "client": frozenset({2, 3, 4, 11, 12, 13, 14, 22}),  # ServerHello ... CertificateStatus (RFC 5246, 7.4; 6066, 8)
    "server": frozenset({1, 11, 15, 16}),  # ClientHello, Certificate, CertificateVerify, ClientKeyExchange
}
"""Types of unencrypted handshake messages that a peer sends, by our own role."""

MAX_REMOTE_CANDIDATES = 96
"""Addresses of one peer that are checked: its candidates, and peer-reflexive ones."""

STUN_REQUESTS_PER_S = 50
"""Connectivity checks from one local address: rate, and burst."""

_STUN_ERRORS_PER_S = 20

DTLS_PER_S, DTLS_BURST = 50, 100
"""DTLS packets that are accepted from one local address: a handshake has some 10, the status channel 2 in a second."""


class GuardedSocket(ice.StunProtocol):
    """aioice's socket of one local address; accepts STUN from anybody, packets only from addresses of the peer.

    aioice passes on whatever is not STUN, from any source; aiortc ends the session after an empty datagram, and after
    one of more than 1500 bytes, and takes about 1 ms for each SCTP packet.
    """

    def __init__(self, receiver: ice.Connection) -> None:
        super().__init__(receiver)
        now = asyncio.get_running_loop().time()
        self.limits = {
            stun.Class.REQUEST: TokenBucket(STUN_REQUESTS_PER_S, STUN_REQUESTS_PER_S, now),
            stun.Class.ERROR: TokenBucket(_STUN_ERRORS_PER_S, _STUN_ERRORS_PER_S, now),
        }
        self.dtls_limit = TokenBucket(DTLS_PER_S, DTLS_BURST, now)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Drop the datagram unless it is STUN or a packet of the peer."""
        assert isinstance(data, bytes)
        if not 0 < len(data) <= _MAX_DATAGRAM_BYTES:
            return
        accepts = self._is_acceptable_stun if data[0] <= _LAST_STUN_BYTE else self._is_of_peer  # RFC 7983, 7
        try:
            if accepts(data, addr[:2]):
                super().datagram_received(data, addr)
        except Exception as error:  # noqa: BLE001  # whatever a datagram of whatever sender makes aioice stumble over
            logger.debug("A datagram cannot be read: %r", error)

    def send_stun(self, message: stun.Message, addr: tuple[str, int]) -> None:
        """Send a STUN message unless its class is beyond its rate: a peer may name addresses of others."""
        limit = self.limits.get(message.message_class)
        if limit is None or limit.take(asyncio.get_running_loop().time()):
            super().send_stun(message, addr)

    def _is_acceptable_stun(self, data: bytes, sender: tuple[Any, ...]) -> bool:
        stun.parse_message(data)  # raises: aioice would take it for a packet of the peer's
        return len(self.receiver._remote_candidates) < MAX_REMOTE_CANDIDATES or self._is_candidate(sender)

    def _is_candidate(self, sender: tuple[Any, ...]) -> bool:
        return any((each._network_host, each.port) == sender for each in self.receiver._remote_candidates)

    def _is_of_peer(self, data: bytes, sender: tuple[Any, ...]) -> bool:
        agent = self.receiver
        # Nominated by the peer is enough: its first packets may overtake the answer to our own check.
        nominated = bool(agent._nominated) or any(pair.remote_nominated for pair in agent._check_list)
        # The packet need not come from the nominated pair itself (RFC 8445, 12.2): when two pairs are nominated at
        # almost the same time, the two sides may send on different ones.
        if not nominated or not self._is_candidate(sender) or agent._queue.qsize() >= _MAX_WAITING_DATAGRAMS:
            return False
        if not _FIRST_DTLS_BYTE <= data[0] <= _LAST_DTLS_BYTE:
            return True
        # Anybody can forge an alert that is not encrypted (epoch 0: RFC 6347, 4.1).
        plain_alert = data[0] == _DTLS_ALERT and not any(data[_EPOCH])
        return not plain_alert and self.dtls_limit.take(asyncio.get_running_loop().time())


def is_of_handshake(data: bytes, types: frozenset[int]) -> bool:
    """Whether all unencrypted DTLS records of a packet belong to a handshake, with messages of these types."""
    while len(data) >= _DTLS_HEADER_BYTES and data[0] <= _LAST_PLAIN_DTLS_BYTE:
        end = _DTLS_HEADER_BYTES + int.from_bytes(data[_DTLS_LENGTH], "big")
        kind, encrypted, content = data[0], any(data[_EPOCH]), data[_DTLS_HEADER_BYTES:end]
        message = kind == _DTLS_HANDSHAKE and content[:1] and content[0] in types
        if not encrypted and not message and not (kind == _DTLS_CHANGE_CIPHER_SPEC and content == b"\x01"):
            return False
        data = data[end:]
    return True


async def _receive(receive: Callable[[], Awaitable[bytes]], types: frozenset[int]) -> bytes:
    while not is_of_handshake(data := await receive(), types):
        logger.debug("A DTLS record is none that the peer sends: dropped")
    return data


class TolerantDtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS transport; neither an error in handling one packet, nor a record that no peer sends, ends it.

    OpenSSL gives a handshake up at the first record that does not belong there, such as a ClientHello with the forged
    address of a peer that is the server. A forged message of a type that the peer may send still ends a handshake: its
    messages are not authenticated before the last one.
    """

    def _set_role(self, role: str) -> None:
        super()._set_role(role)
        ice, types = self.transport, _HANDSHAKE_OF_PEER.get(role)
        if types is not None:  # else aiortc sets it again, when it knows the peer's
            ice._recv = functools.partial(_receive, ice._connection.recv, types)

    async def _recv_next(self) -> None:
        try:
            await super()._recv_next()
        except ConnectionError:
            raise  # the peer's close_notify, or the end of ICE
        except Exception as error:
            if not self.encrypted:
                raise
            logger.debug("A packet of the peer cannot be processed: %r", error)


def install() -> None:
    """Make aioice and aiortc use both classes, in all of this process."""
    # They create them by these module names, and offer no parameter for another class.
    ice.StunProtocol = GuardedSocket  # type: ignore[misc]
    rtcpeerconnection.RTCDtlsTransport = TolerantDtlsTransport  # type: ignore[attr-defined]
