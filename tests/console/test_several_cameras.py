"""The page of a robot with two cameras: one picture is large, and a click on a small one enlarges that."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from hw_mocks.platform import simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.settings.loading import load_settings
from tests.console.browser import serving, shown_in, visit
from tests.console.conftest import websocket_url
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.markers import marker_of
from tests.robots import online_robot

pytestmark = pytest.mark.asyncio(loop_scope="session")

# As Firefox, which does not know the header extension that rotates the picture.
_WITHOUT_ORIENTATION = """
const real = RTCPeerConnection.prototype.setLocalDescription;
RTCPeerConnection.prototype.setLocalDescription = async function (description) {
  const { type, sdp } = description ?? (await this.createOffer());
  return real.call(this, { type, sdp: sdp.replace(/a=extmap:\\d+ urn:3gpp:video-orientation\\r\\n/g, "") });
};
"""
# By 90 degrees clockwise, and within its frame.
_IS_ROTATED = """(selector) => {
  const video = document.querySelector(selector);
  if (!video) return false;
  const { a, b } = new DOMMatrix(getComputedStyle(video).transform);
  const [at, frame] = [video, video.parentElement].map((element) => element.getBoundingClientRect());
  return Math.abs(a) < 0.01 && b > 0 && at.width <= frame.width + 1 && at.height <= frame.height + 1;
}"""
_SMALL_PICTURE_MOVES = "document.querySelector('.others video')?.getVideoPlaybackQuality().totalVideoFrames >= 5"


@pytest.mark.slow
async def test_one_is_large_and_a_click_enlarges_the_other(browser: Browser, tmp_path: Path) -> None:
    pi = simulated_platform(scene="clock", cameras=2)
    async with (
        PrivateBroker(websocket_port=0) as broker,
        serving(Console(port=0, broker_url=websocket_url(broker))) as address,
    ):
        settings = load_settings(
            None,
            {
                "broker": {"url": broker.url},
                "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
                "camera": {"width": 320, "height": 240, "frame_rate": 15},
                "cameras": {"front": {"rotate": 90}, "rear": {"number": 1, "height": 180}},
                "motion": {"enabled": True, "sensitivity": 100, "min_area": 0.0005},
            },
        )
        async with online_robot(settings, pi.platform), visit(browser, address, tmp_path) as page:
            await page.page.add_init_script(_WITHOUT_ORIENTATION)
            await page.page.reload()
            await page.ready()
            await page.sees(page.overlay, "The camera is off")
            await page.button("Enlarge rear").click()
            await page.camera.click()
            await page.moving_pictures()
            assert [sensor.capturing for sensor in pi.sensors] == [False, True]
            assert [marker_of(frame) for frame in await page.frames(1)] == [1]
            await page.button("Photo").click()
            assert marker_of(await shown_in(page.page.locator(".photos li img"))) == 1
            assert await page.page.get_by_role("img", name="rear").count() == 1, "of which camera is it?"

            await page.button("Enlarge front").click()
            await page.sees(page.overlay, "The camera is off")
            await page.camera.click()
            await page.moving_pictures()
            assert [marker_of(frame) for frame in await page.frames(1)] == [0]
            await page.page.wait_for_function(_SMALL_PICTURE_MOVES)
            await page.page.wait_for_function(_IS_ROTATED, arg=".screen video")
            picture, box = page.page.locator(".screen video"), "(video) => video.getBoundingClientRect().toJSON()"
            whole = await picture.evaluate(box)
            await page.page.locator(".screen").hover()
            await page.button("Zoom in").click()
            large = await picture.evaluate(box)
            for side in ("width", "height"):
                assert abs(large[side] - 1.5 * whole[side]) < 1
            await page.page.keyboard.press("0")
            size = page.page.locator("[data-figure=statSize] dd")
            await page.sees(size, "320 \u00d7 240")
            motion = page.page.locator(".screen .noticed")
            await page.sees(motion, "Motion: picture")

            await page.button("Enlarge rear").click()
            await page.sees(size, "320 \u00d7 180")
            await motion.wait_for(state="detached")  # it is of the first camera
            await page.page.wait_for_function(_IS_ROTATED, arg=".others video")
            assert not await page.page.evaluate(_IS_ROTATED, ".screen video")
            # The form of the place, not of the picture: what is below does not move when a video comes.
            shape = "(small) => small.offsetWidth / small.offsetHeight"
            assert abs(await page.page.locator(".others video").evaluate(shape) - 16 / 9) < 0.02
            await page.button("Enlarge front").click()

            await page.camera.click()
            await page.sees(page.overlay, "The camera is off")
            assert [sensor.capturing for sensor in pi.sensors] == [False, True]
