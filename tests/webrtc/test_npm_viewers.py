"""WebRTC stacks for Node.js watch the robot: werift (TypeScript) and node-datachannel (libdatachannel)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import av
import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload
from aiortc.rtp import RtpPacket

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.signaling import answers_topic, offers_topic
from tests.waiting import DEADLINE_S
from tests.webrtc.conftest import Robot
from tests.webrtc.scene import SERVER_ID, difference
from tests.webrtc.test_vp8 import running_robot as running_vp8_robot

PROGRAMS = Path(__file__).with_name("npm_viewers")
WERIFT, NODE_DATACHANNEL = "werift_viewer.mjs", "node_datachannel_viewer.mjs"


class NpmViewer:
    """The process of a viewer; its signalling goes through the broker."""

    def __init__(self, process: asyncio.subprocess.Process, codec: str) -> None:
        self._process = process
        self._codec = codec
        self.signals: asyncio.Queue[bytes] = asyncio.Queue()
        self.status: asyncio.Queue[str] = asyncio.Queue()
        self._packets: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> None:
        """Sort what the process tells."""
        assert self._process.stdout
        async for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            match told["event"]:
                case "signal":
                    self.signals.put_nowait(json.dumps(told["message"]).encode())
                case "rtp":
                    self._packets.put_nowait(base64.b64decode(told["packet"]))
                case "status":
                    self.status.put_nowait(told["text"])

    def pass_on(self, incoming: Incoming) -> None:
        """Give the process a message of the robot."""
        assert self._process.stdin
        self._process.stdin.write(incoming.payload + b"\n")

    async def frame(self) -> av.VideoFrame:
        """The next frame that can be decoded from the packets that it received."""
        decoder = cast("av.VideoCodecContext", av.CodecContext.create(self._codec.lower(), "r"))
        depayload = {"H264": h264_depayload, "VP8": vp8_depayload}[self._codec]
        data = b""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                packet = RtpPacket.parse(await self._packets.get())
                data += depayload(packet.payload) if packet.payload else b""
                if packet.marker and data:
                    for frame in decoder.decode(av.Packet(data)):
                        return frame
                    data = b""


@contextlib.asynccontextmanager
async def npm_viewer(broker: Broker, program: str, codec: str) -> AsyncIterator[NpmViewer]:
    """A viewer that offers at once."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", "node", str(PROGRAMS / program), codec),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=1 << 20,
    )
    viewer = NpmViewer(process, codec)
    try:
        async with connect(broker, ConnectOptions(client_id="viewer"), viewer.pass_on) as connection:
            await connection.subscribe(Subscription(answers_topic("viewer")))

            async def send() -> None:
                while True:
                    await connection.publish(offers_topic("viewer", SERVER_ID), await viewer.signals.get(), qos=1)

            tasks = [asyncio.create_task(viewer.read()), asyncio.create_task(send())]
            try:
                yield viewer
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(WERIFT, marks=pytest.mark.peer("werift", works="H.264, data channel")),
        pytest.param(NODE_DATACHANNEL, marks=pytest.mark.peer("node-datachannel", works="H.264, data channel")),
    ],
)
async def test_a_stack_for_node_shows_the_picture(robot: Robot, program: str) -> None:
    async with npm_viewer(robot.broker, program, "H264") as viewer:
        assert difference(await viewer.frame()) < 8
        assert '"camera"' in await asyncio.wait_for(viewer.status.get(), DEADLINE_S)
        assert robot.viewers == 1


@pytest.mark.slow  # the fast ones are above; this one has a camera of its own
@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # picamera2's own line
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(WERIFT, marks=pytest.mark.peer("werift", works="VP8")),
        pytest.param(NODE_DATACHANNEL, marks=pytest.mark.peer("node-datachannel", works="VP8")),
    ],
)
async def test_a_stack_for_node_without_h264_gets_vp8(broker: PrivateBroker, program: str) -> None:
    async with running_vp8_robot(broker) as robot, npm_viewer(robot.broker, program, "VP8") as viewer:
        frame = await viewer.frame()
        assert (frame.width, frame.height) == (640, 272)
        assert await robot.vp8_viewers() == 1
