"""One demo at one port: its page in Chromium, and at the same time players of every kind."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser

from hw_mocks.clock_scene import read_stamp
from tests.console.browser import visit
from tests.end_to_end.test_demo import Demo, running_demo
from tests.players import Players, assert_is_of_the_camera
from tests.webrtc.gstreamer import gstreamer

# Everything at once computes for half a minute; each alone has its quick tests.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SIZE = (1280, 720)


def listens_at(demo: Demo) -> set[int]:
    """The TCP ports of the demo's processes."""
    return {int(address.rpartition(":")[2]) for address in demo.sockets("t")}


def first_picture(url: str) -> Image.Image:
    """What ffmpeg's libraries read from an address."""
    with av.open(url) as opened:
        return Image.fromarray(next(opened.decode(video=0)).to_ndarray(format="rgb24"))


async def test_a_page_and_players_of_every_kind_see_the_demo_through_its_one_port(
    browser: Browser, tmp_path: Path
) -> None:
    async with running_demo(tmp_path) as demo:
        found = re.search(r"other programs: ((\S+)snapshot\.jpg), (\S+stream\.mjpeg), (\S+whep)", demo.printed)
        assert found
        snapshot, url, mjpeg, whep = found.groups()
        mqtt, http = (int(address.rstrip("/").rpartition(":")[2]) for address in (demo.broker_url, url))
        assert listens_at(demo) == {mqtt, http}  # the broker has no listener for WebSocket

        async with visit(browser, url, tmp_path) as page:
            await page.ready()
            await page.camera.click()
            await page.moving_pictures()
            for address in (snapshot, mjpeg):
                assert_is_of_the_camera(await asyncio.to_thread(first_picture, address), SIZE)
            players = Players(url)
            assert_is_of_the_camera((await players.curl()).resize(SIZE), SIZE)
            assert_is_of_the_camera((await players.ffmpeg())[-1], SIZE)
            assert_is_of_the_camera(await players.gstreamer(), SIZE)
            assert_is_of_the_camera(await players.vlc(), SIZE)
            shown = tmp_path / "picture"
            async with gstreamer(whep, "--picture", str(shown)) as player:
                frame = await player.told("frame")
                assert (frame["width"], frame["height"]) == SIZE
                assert read_stamp(np.frombuffer(shown.read_bytes(), np.uint8).reshape(SIZE[::-1])) is not None
                await page.sees(page.page.locator("[data-figure=viewers] dd"), "2")
                await player.finish()
                assert (await player.told("deleted"))["status"] == 200
            await page.moving_pictures()
            await page.button("Photo").click()
            await page.page.locator(".photos li img").wait_for()
        assert listens_at(demo) == {mqtt, http}
        assert "Traceback" not in demo.printed
