"""Real Chromium watches the robot, with its addresses hidden (``<uuid>.local``) as it hides them by default."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from robot_node.mqtt import Broker, ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.signaling import (
    Candidate,
    Message,
    Offer,
    answers_topic,
    offers_topic,
    parse,
    strip_candidates,
)
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.conftest import Robot
from tests.webrtc.scene import BITS, HEIGHT, SERVER_ID, WIDTH, shade

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

# What a page does that watches a robot. `toRobot` is given by the test; `fromRobot` is called by it.
_PAGE = """
<!doctype html><title>viewer</title><video id="video" muted autoplay playsinline></video>
<script>
const video = document.getElementById("video");
const peer = new RTCPeerConnection();
let trickle = true;
peer.ontrack = (event) => { video.srcObject = new MediaStream([event.track]); };
peer.onicecandidate = (event) => trickle &&
  toRobot(JSON.stringify({type: "ice_candidate", data: event.candidate && event.candidate.toJSON()}));
window.fromRobot = async (text) => {
  const message = JSON.parse(text);
  if (message.type === "sdp_answer") await peer.setRemoteDescription(message.data);
};
window.watch = async (trickles, mimeTypes) => {
  trickle = trickles;
  const transceiver = peer.addTransceiver("video", {direction: "recvonly"});
  if (mimeTypes.length)
    transceiver.setCodecPreferences(
      RTCRtpReceiver.getCapabilities("video").codecs.filter((codec) => mimeTypes.includes(codec.mimeType)));
  await peer.setLocalDescription();
  if (!trickle && peer.iceGatheringState !== "complete")
    await new Promise((done) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
    });
  await toRobot(JSON.stringify({type: "sdp_offer", data: peer.localDescription}));
};
window.leave = () => peer.close();
window.frames = () => video.getVideoPlaybackQuality().totalVideoFrames;
window.grey = (columns, rows) => {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixel = (x, y) => context.getImageData(x, y, 1, 1).data[1];
  return {
    width: canvas.width, height: canvas.height,
    code: columns.map((x) => pixel(x, rows[0])), below: columns.map((x) => pixel(x, rows[1])),
  };
};
</script>
"""


@contextlib.asynccontextmanager
async def chromium_page(profile: Path) -> AsyncIterator[Page]:
    """A blank page of a browser of this test's own, closed with every process of it."""
    executable = shutil.which("chromium")
    assert executable, "chromium is not installed: sudo apt-get install chromium"
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile, executable_path=executable, args=_ARGUMENTS, headless=True
        )
        try:
            page = context.pages[0]
            yield page
        finally:
            await context.close()
    await eventually(lambda: not _processes_with(str(profile)))


def _processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(entry.name)
    return found


@dataclass(slots=True)
class Watching:
    """A page that watches the robot, and what it has sent."""

    page: Page
    sent: list[Message]

    async def frames(self, count: int) -> None:
        """Wait for that many more decoded frames."""
        seen = await self.page.evaluate("frames()")
        await self.page.wait_for_function(f"frames() >= {seen + count}", timeout=1000 * DEADLINE_S)


@contextlib.asynccontextmanager
async def watching(
    broker: Broker, profile: Path, *, trickle: bool = True, codecs: Sequence[str] = ()
) -> AsyncIterator[Watching]:
    """Open a page that offers to the robot, all codecs or some; what either says is relayed over the broker."""
    to_page: asyncio.Queue[Incoming] = asyncio.Queue()
    async with (
        connect(broker, ConnectOptions(client_id="page"), to_page.put_nowait) as connection,
        chromium_page(profile) as page,
    ):
        await connection.subscribe(Subscription(answers_topic("page")))
        watched = Watching(page, [])

        async def to_robot(text: str) -> None:
            watched.sent.append(parse(text.encode()))
            await connection.publish(offers_topic("page", SERVER_ID), text.encode())

        async def relay() -> None:
            while True:
                incoming = await to_page.get()
                await page.evaluate("(text) => fromRobot(text)", incoming.payload.decode())

        await page.expose_function("toRobot", to_robot)
        await page.set_content(_PAGE)
        relaying = asyncio.create_task(relay(), name="relay to the page")
        try:
            await page.evaluate("([trickle, codecs]) => watch(trickle, codecs)", [trickle, list(codecs)])
            yield watched
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


@pytest.mark.peer("Chromium", works="H.264 with retransmission; addresses hidden by mDNS")
async def test_chromium_plays_the_picture_with_hidden_addresses(robot: Robot, tmp_path: Path) -> None:
    async with watching(robot.broker, tmp_path / "profile", trickle=True) as viewer:
        await viewer.frames(30)
        assert_shows_the_scene(await look(viewer.page))
        robot.scene.switch(on=False)
        robot.scene.switch(on=True)
        await viewer.frames(30)
        assert_shows_the_scene(await look(viewer.page))
        assert robot.viewers == 1
        await viewer.page.evaluate("leave()")
        await robot.has_viewers(0)
    candidates = [message for message in viewer.sent if isinstance(message, Candidate)]
    assert candidates
    assert all(candidate.hidden for candidate in candidates)
    offers = [message for message in viewer.sent if isinstance(message, Offer)]
    assert [strip_candidates(offer.sdp)[1] for offer in offers] == [()]


@pytest.mark.slow
@pytest.mark.peer("Chromium", works="candidates inside the offer")
async def test_chromium_without_trickle_plays_the_picture_too(robot: Robot, tmp_path: Path) -> None:
    async with watching(robot.broker, tmp_path / "profile", trickle=False) as viewer:
        await viewer.frames(30)
        assert_shows_the_scene(await look(viewer.page))
    (offer,) = viewer.sent
    assert isinstance(offer, Offer)
    candidates = strip_candidates(offer.sdp)[1]
    assert candidates
    assert all(candidate.hidden for candidate in candidates)


@pytest.mark.slow  # a browser more
@pytest.mark.peer("Chromium", works="video turned by the orientation extension (RFC 7742, 4)")
async def test_chromium_turns_the_picture_as_the_video_says(robot: Robot, tmp_path: Path) -> None:
    async with watching(robot.broker, tmp_path / "profile") as viewer:
        await viewer.frames(5)
        for rotation, size in ((90, (HEIGHT, WIDTH)), (0, (WIDTH, HEIGHT)), (270, (HEIGHT, WIDTH))):
            robot.scene.rotation = rotation
            shown = "([width, height]) => video.videoWidth == width && video.videoHeight == height"
            await viewer.page.wait_for_function(shown, arg=[*size], timeout=1000 * DEADLINE_S)


@pytest.mark.slow
async def test_a_browser_that_is_closed_is_missed(robot: Robot, tmp_path: Path) -> None:
    async with watching(robot.broker, tmp_path / "profile", trickle=True) as viewer:
        await viewer.frames(1)
        assert robot.viewers == 1
    await robot.has_viewers(0, within_s=20)  # aiortc alone takes about 30


async def look(page: Page) -> dict[str, Any]:
    """The pixels in the middle of each bar of the code, and below."""
    cell = WIDTH // BITS
    columns = [bit * cell + cell // 2 for bit in range(BITS)]
    shown: dict[str, Any] = await page.evaluate("([columns, rows]) => grey(columns, rows)", [columns, [40, 180]])
    return shown


def assert_shows_the_scene(shown: dict[str, Any]) -> None:
    """The shade below is that of the number in the bar code above."""
    assert (shown["width"], shown["height"]) == (WIDTH, HEIGHT)
    number = sum(int(value > 125) << bit for bit, value in enumerate(shown["code"]))
    assert number > 0
    # Limited to full range, as a screen shows video.
    expected = (shade(number) - 16) * 255 / 219
    assert all(abs(value - expected) < 12 for value in shown["below"])
