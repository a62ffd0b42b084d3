"""UDP datagrams to the media port of a session, from strangers or with the viewer's address: none does harm."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest
from aioice import stun
from aiortc.rtp import RtcpByePacket, RtpPacket
from OpenSSL import SSL

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.root import WebRtcSettings
from robot_node.webrtc import aiortc_hooks
from robot_node.webrtc.signaling import Answer, Offer
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot, running_robot
from tests.webrtc.peer import Peer, peer, with_candidates
from tests.webrtc.scene import grey_of, read_number

TIMES = 20
Address = tuple[str, int]


@dataclass(frozen=True)
class Seen:
    """What a listener at the broker knows of a session."""

    addresses: tuple[Address, ...]
    fragment: str
    password: str
    ssrc: int

    @classmethod
    def in_answer(cls, sdp: str) -> Seen:
        found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
        values = {name: re.search(rf"a={name}:(\S+)", sdp) for name in ("ice-ufrag", "ice-pwd", "ssrc")}
        fragment, password, ssrc = (match[1] if match else "" for match in values.values())
        return cls(tuple((host, int(port)) for host, port in found), fragment, password, int(ssrc))


def binding(*, username: str = "", password: str = "") -> bytes:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    if username:
        request.attributes["USERNAME"] = username
        request.attributes["PRIORITY"] = 1
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(password.encode())
    return bytes(request)


def client_hello() -> bytes:
    connection = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    connection.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(1500)


def plain_record(kind: int, content: bytes) -> bytes:
    """A DTLS record that is not encrypted."""
    return bytes([kind, 0xFE, 0xFD, *bytes(8)]) + len(content).to_bytes(2, "big") + content


CHANGE_CIPHER_SPEC = plain_record(20, b"\x01")


DATAGRAMS: dict[str, Callable[[Seen], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda _: b"\x16",
    "a zero": lambda _: b"\x00",
    "half an RTP header": lambda _: b"\x80\x60\x00",
    "garbage": lambda _: bytes(range(255, 0, -1)),
    "STUN without credentials": lambda _: binding(),
    "STUN with a wrong password": lambda seen: binding(username=f"{seen.fragment}:x", password="wrong" * 5),
    "STUN with a wrong user": lambda seen: binding(username="abcd:efgh", password=seen.password),
    "STUN with a wrong length": lambda _: binding()[:2] + b"\xff\xfc" + binding()[4:],
    "STUN with a broken attribute": lambda _: (
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x20\x00\x04" + bytes(4)
    ),
    "DTLS ClientHello": lambda _: client_hello(),
    "DTLS ClientHello behind another record": lambda _: CHANGE_CIPHER_SPEC + client_hello(),
    "DTLS ChangeCipherSpec": lambda _: CHANGE_CIPHER_SPEC,
    "DTLS ChangeCipherSpec of nonsense": lambda _: plain_record(20, b"\x02\x02"),
    "DTLS handshake without a message": lambda _: plain_record(22, b""),
    "DTLS ClientKeyExchange": lambda _: plain_record(22, b"\x10\0\0\x04\0\0\0\0\0\0\0\x04abcd"),
    "DTLS application data that is not encrypted": lambda _: plain_record(23, b"abcd"),
    "DTLS heartbeat": lambda _: plain_record(24, b"\x01\0\x04abcd"),
    "DTLS close_notify that is not encrypted": lambda _: plain_record(21, b"\x01\0"),
    "DTLS fatal alert that is not encrypted": lambda _: plain_record(21, b"\x02\x28"),
    "DTLS record of nonsense": lambda _: b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x20" + bytes(32),
    "RTP": lambda seen: RtpPacket(payload_type=96, ssrc=seen.ssrc, payload=b"x" * 100).serialize(),
    "RTCP BYE of the right source": lambda seen: bytes(RtcpByePacket([seen.ssrc])),
    "oversized": lambda _: b"\x80" + b"\x60" * 8000,
    "oversized RTCP": lambda _: b"\x80\xc8" + bytes(1600),
}
"""By kind."""


@pytest.fixture
async def robot(broker: PrivateBroker) -> AsyncIterator[Robot]:
    async with running_robot(broker, WebRtcSettings(connect_timeout_s=DEADLINE_S)) as running:
        yield running


@contextlib.contextmanager
def socket_of_a_stranger(_viewer: Peer) -> Iterator[list[socket.socket]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        yield [stranger]


@contextlib.contextmanager
def sockets_of_the_viewer(viewer: Peer) -> Iterator[list[socket.socket]]:
    """Equivalent to datagrams with a forged source address: the viewer's."""
    with contextlib.ExitStack() as stack:
        (transport,) = aiortc_hooks.ice_transports(viewer.rtc)
        theirs = [each.transport.get_extra_info("socket") for each in transport._connection._protocols]
        yield [stack.enter_context(socket.socket(fileno=os.dup(each.fileno()))) for each in theirs]


def send(sockets: list[socket.socket], seen: Seen, data: bytes) -> int:
    """Send it from each socket to each address; return how many went out."""
    sent = 0
    for source in sockets:
        for address in seen.addresses:
            with contextlib.suppress(OSError):  # an address of another family, or of another network
                source.sendto(data, address)
                sent += 1
    return sent


async def newer_frame(robot: Robot, viewer: Peer) -> None:
    """Wait for a frame that is encoded after this call."""
    target = robot.scene.encoded
    async with asyncio.timeout(DEADLINE_S):
        while read_number(grey_of(await viewer.frame())) <= target:
            pass


@pytest.mark.parametrize("sockets_of", [socket_of_a_stranger, sockets_of_the_viewer])
@pytest.mark.parametrize("kind", DATAGRAMS)
async def test_a_viewer_keeps_seeing(
    robot: Robot,
    kind: str,
    sockets_of: Callable[[Peer], contextlib.AbstractContextManager[list[socket.socket]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with peer(robot.broker) as viewer:
        seen = Seen.in_answer(await viewer.offer())
        await viewer.frame()
        with sockets_of(viewer) as sockets, caplog.at_level(logging.INFO):
            for _ in range(TIMES):
                assert send(sockets, seen, DATAGRAMS[kind](seen))
                await asyncio.sleep(0)
            await newer_frame(robot, viewer)
        assert robot.viewers == 1
        assert viewer.silent()
        assert not [record.message for record in caplog.records if record.levelno >= logging.WARNING]
        assert "has ended" not in caplog.text


@pytest.mark.parametrize("kind", [kind for kind in DATAGRAMS if kind.startswith("DTLS")])
async def test_a_forged_record_within_the_handshake_does_not_end_it(robot: Robot, kind: str) -> None:
    """Of all that is sent with the viewer's address, only a handshake message that the viewer may send does harm."""
    sent = list[int]()
    async with peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer()
        await viewer.send(Offer(with_candidates(sdp, candidates)))
        answer = await viewer.receive(Answer)
        seen = Seen.in_answer(answer.sdp)

        @viewer.rtc.on("iceconnectionstatechange")
        def _forge() -> None:
            if viewer.rtc.iceConnectionState == "completed":  # the robot has agreed, and the viewer's part is to come
                with sockets_of_the_viewer(viewer) as sockets:
                    sent.append(send(sockets, seen, DATAGRAMS[kind](seen)))

        await viewer.apply(answer)
        await newer_frame(robot, viewer)
        assert sent
        assert robot.viewers == 1


async def test_whatever_comes_before_the_viewer_does_not_keep_it_out(robot: Robot) -> None:
    async with peer(robot.broker) as viewer:
        sdp, candidates = await viewer.make_offer()
        await viewer.send(Offer(with_candidates(sdp, candidates)))
        answer = await viewer.receive(Answer)
        seen = Seen.in_answer(answer.sdp)
        with socket_of_a_stranger(viewer) as strangers, sockets_of_the_viewer(viewer) as viewers:
            for make in DATAGRAMS.values():
                assert send(strangers + viewers, seen, make(seen))
            await viewer.apply(answer)
            for make in DATAGRAMS.values():
                send(strangers, seen, make(seen))
        await newer_frame(robot, viewer)
        assert robot.viewers == 1


async def test_the_log_says_that_the_viewer_closed_the_session(robot: Robot, caplog: pytest.LogCaptureFixture) -> None:
    async with peer(robot.broker) as viewer:
        await viewer.offer()
        await viewer.frame()
        with caplog.at_level(logging.INFO):
            await viewer.rtc.close()
            await robot.has_viewers(0)
            await eventually(lambda: "has ended: Closed by the viewer." in caplog.text)
