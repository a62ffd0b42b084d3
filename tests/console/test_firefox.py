"""The demo's page in Debian's Firefox with its defaults: without loopback addresses, with H.264 only by a plug-in."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.console.browser import serving
from tests.console.conftest import websocket_url
from tests.console.firefox import Firefox, firefox
from tests.end_to_end.robot_process import SERVER_ID, RobotProcess, environment, wait_until_online
from tests.waiting import DEADLINE_S

# Firefox and the demo compute for 8 s; the quick viewers are those of tests/webrtc, and Chromium.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

_KEEP_PEERS = """() => {
  window.peers = [];
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...options) { super(...options); window.peers.push(this); }
  };
}"""
_WITHOUT_H264 = """() => {
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (...options) {
    const transceiver = add.apply(this, options);
    const all = RTCRtpReceiver.getCapabilities("video").codecs;
    if (transceiver.receiver.track.kind === "video")
      transceiver.setCodecPreferences(all.filter(({mimeType}) => mimeType !== "video/H264"));
    return transceiver;
  };
}"""
_HAS_H264 = "RTCRtpReceiver.getCapabilities('video').codecs.some(({mimeType}) => mimeType === 'video/H264')"
_SWITCH = "document.querySelector('.switch:enabled[aria-checked=false]')"
# Firefox counts no frames of a stream in getVideoPlaybackQuality.
_DIFFERENT_PICTURES = """new Promise((done) => {
  const video = document.querySelector("video:not(.empty)");
  const canvas = document.createElement("canvas");
  const pictures = new Set();
  const painted = () => {
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    pictures.add(canvas.toDataURL());
    if (pictures.size === 5) done(pictures.size);
    else video.requestVideoFrameCallback(painted);
  };
  video.requestVideoFrameCallback(painted);
})"""
_CODEC = """Promise.all(window.peers.map((peer) => peer.getStats())).then((reports) => {
  const stats = reports.flatMap((report) => [...report.values()]);
  const video = stats.find(({type, kind, codecId}) => type === "inbound-rtp" && kind === "video" && codecId);
  return stats.find(({id}) => id === video?.codecId)?.mimeType;
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo() -> AsyncIterator[str]:
    """Where the page of ``robot-node demo`` is."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_node", "demo", "--scene", "clock"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environment(None),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for line in process.stdout:
                if found := re.search(r"Open it in a browser: (\S+)", line.decode()):
                    break
            else:
                raise AssertionError("the demo has ended")
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def assert_picture_moves(page: Firefox) -> None:
    """Switch the camera on, and wait for pictures."""
    await page.until(f"{_SWITCH} !== null")
    await page.evaluate(f"{_SWITCH}.click()")
    await page.until("document.querySelector('video:not(.empty)') !== null")
    assert await page.evaluate(_DIFFERENT_PICTURES) == 5


@pytest.mark.peer("Firefox", works="the console's page in the demo, with its defaults: H.264 where it has it, else VP8")
async def test_firefox_with_its_defaults_shows_the_demo(demo: str, tmp_path: Path) -> None:
    async with firefox(tmp_path) as page:
        await page.before_each_page(_KEEP_PEERS)
        await page.open(demo)
        await assert_picture_moves(page)
        has_h264 = await page.evaluate(_HAS_H264)
        assert await page.evaluate(_CODEC) == ("video/H264" if has_h264 else "video/VP8")
        await page.until("/\\d \u00d7 \\d/.test(document.querySelector('[data-figure=statSize]')?.innerText)")
        await page.evaluate(f"{_SWITCH.replace('false', 'true')}.click()")
        await page.until(f"{_SWITCH} !== null")


@pytest.mark.peer("Firefox", works="VP8")
async def test_firefox_without_h264_shows_the_demo(demo: str, tmp_path: Path) -> None:
    async with firefox(tmp_path) as page:
        await page.before_each_page(_KEEP_PEERS)
        await page.before_each_page(_WITHOUT_H264)
        await page.open(demo)
        await assert_picture_moves(page)
        assert await page.evaluate(_CODEC) == "video/VP8"


async def test_firefox_is_told_when_the_robot_has_its_loopback_address_only(tmp_path: Path) -> None:
    async with PrivateBroker(websocket_port=0) as broker:
        loopback = {"ROBOT_NODE_WEBRTC__ADDRESSES": '["127.0.0.1"]'}
        robot = RobotProcess(broker, tmp_path, scene="clock", settings=loopback)
        await robot.start()
        try:
            await wait_until_online(broker)
            async with (
                serving(Console(port=0, broker_url=websocket_url(broker))) as url,
                firefox(tmp_path / "profile") as page,
            ):
                await page.open(url)
                await page.until(f"{_SWITCH} !== null")
                await page.evaluate(f"{_SWITCH}.click()")
                overlay = "document.querySelector('.overlay')?.innerText"
                said = await page.until(f"{overlay}?.includes('(loopback)') && {overlay}")
                assert "the robot 127.0.0.1 (host, udp)" in said
                assert SERVER_ID in await page.evaluate("document.body.innerText")
        finally:
            await robot.kill()
