"""A browser's WHEP client from npm, whip-whep, plays the robot's video in Chromium."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import Broker
from robot_node.settings.http import HttpSettings
from tests.console.browser import frame_of
from tests.markers import marker_of
from tests.robot.web.conftest import TOKEN, running_server
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT = Path(__file__).parents[1] / "webrtc/npm_viewers/node_modules/whip-whep/whep.js"
_PLAY = """async ([source, url, token]) => {
  const { WHEPClient } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const peer = new RTCPeerConnection();
  peer.addTransceiver("video", { direction: "recvonly" });
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = true;
  peer.ontrack = (event) => { video.srcObject = new MediaStream([event.track]); video.play(); };
  window.client = new WHEPClient();
  await window.client.view(peer, url, token);
}"""
_PICTURE = """async () => {
  const video = document.querySelector("video");
  await new Promise((painted) => video.requestVideoFrameCallback(painted));
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.9);
}"""


@pytest.mark.slow
@pytest.mark.peer(
    "whip-whep", works="WHEP in Chromium: token, trickled candidates, H.264 decoded; DELETE ends the session"
)
async def test_a_browsers_client_plays_until_it_stops(broker: PrivateBroker, browser: Browser) -> None:
    settings = HttpSettings(port=0, token=TOKEN)
    async with running_server(settings, Broker.from_url(broker.url)) as server:
        await server.cameras["rear"].start()
        page = await browser.new_page()
        page.set_default_timeout(DEADLINE_S * 1000)
        await page.goto(f"{server.url}healthz")
        await page.evaluate(_PLAY, [CLIENT.read_text(), f"{server.url}whep?camera=rear", TOKEN])
        async with asyncio.timeout(DEADLINE_S):  # the first pictures may be too coarse to read
            while marker_of(frame_of(await page.evaluate(_PICTURE))) != 1:
                pass
        assert server.state.snapshot.viewers == 1
        await page.evaluate("window.client.stop()")
        await eventually(lambda: server.state.snapshot.viewers == 0)
        await page.close()
