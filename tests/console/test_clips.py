"""The robot's recordings on the page: made, listed, played and downloaded, through the broker and over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.console.test_browser_look import assert_accessible, assert_fits, tab_to, wear
from tests.end_to_end.robot_process import RobotProcess, wait_until_online
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TOKEN = "a-token-of-the-robot"  # of this test
_LARGE = "clip-20260101-000000-000.mp4"
_SETTINGS = {
    "CAMERA__WIDTH": "320",
    "CAMERA__HEIGHT": "180",
    "CAMERA__FRAME_RATE": "10",
    "RECORDING__ENABLED": "true",
    "RECORDING__SOUND": "false",
    "RECORDING__BEFORE_S": "2",
    "RECORDING__AFTER_S": "1",
    "RECORDING__MIN_FREE_MB": "0",
    "RECORDING__MAX_AGE_DAYS": "3650",
    "HTTP__ENABLED": "true",
    "HTTP__TOKEN": _TOKEN,
}
_PLAYS = """async (video) => {
  while (!(video.currentTime > 0.3 && video.duration > 1)) await new Promise((done) => setTimeout(done, 50));
  return video.videoWidth;
}"""
_AT_FIRST = """async () => {
  const found = () => document.querySelector(".switch:enabled");
  while (!found()) await new Promise((done) => requestAnimationFrame(done));
  return found().ariaChecked;
}"""
"""What the camera's switch says as soon as it can be pressed."""


@dataclass(frozen=True)
class Studio:
    """A robot that records, and where its page is.

    Attributes:
        robot: The robot.
        folder: Its recordings.
        through_broker: Where the page is served by another machine.
        at_robot: Where it is served by the robot.
    """

    robot: RobotProcess
    folder: Path
    through_broker: str
    at_robot: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """A robot that records, with one recording that is large."""
    folder = tmp_path_factory.mktemp("robot")
    clips = folder / "clips"
    clips.mkdir()
    with (clips / _LARGE).open("wb") as file:
        file.truncate(300_000_000)
    settings = {**_SETTINGS, "RECORDING__FOLDER": str(clips), "HTTP__PORT": str(free_port())}
    async with PrivateBroker(websocket_port=0) as broker:
        robot = RobotProcess(broker, folder, settings={f"ROBOT_NODE_{key}": settings[key] for key in settings})
        try:
            await robot.start()
            await wait_until_online(broker)
            await eventually(lambda: "HTTP at " in robot.log, "the HTTP server is up")
            found = re.search(r"HTTP at (http://\S+)", robot.log)
            assert found
            async with serving(Console(port=0, broker_url=websocket_url(broker))) as address:
                yield Studio(robot, clips, address, found[1])
        finally:
            await robot.kill()


def listed(page: ConsolePage) -> Locator:
    """The recordings that the page lists but for the large one."""
    return page.page.locator(f".clips li:not([data-clip='{_LARGE}'])")


async def plays(page: ConsolePage) -> str:
    """Wait until the recording plays; returns from where."""
    video = page.page.locator(".lightbox video")
    assert await video.evaluate(_PLAYS) == 320
    return await video.get_attribute("src") or ""


async def downloaded(page: ConsolePage, button: Locator) -> list[float]:
    """Download a recording; returns the times of its pictures in seconds."""
    async with page.page.expect_download() as event:
        await button.click()
    download = await event.value
    assert re.fullmatch(r"tests-robot-\d{8}-\d{6}-000\.mp4", download.suggested_filename)
    with av.open(str(await download.path()), "r") as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


async def switch_on(page: ConsolePage) -> None:
    """Switch the camera on, if it is not."""
    await page.ready()
    if not await page.camera.is_checked():
        await page.camera.click()
    await page.moving_pictures()


@pytest.mark.slow
async def test_a_clip_is_saved_listed_played_and_downloaded_through_the_broker(
    studio: Studio, browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, studio.through_broker, tmp_path) as page:
        await page.ready()
        await expect(page.button("Save clip"), "the camera is off").to_be_disabled()
        await switch_on(page)
        before = await listed(page).count()
        await page.button("Save clip").click()
        await listed(page).nth(before).wait_for()
        clip = listed(page).first
        await clip.get_by_role("button", name="Play").wait_for()
        await expect(clip).to_contain_text(re.compile(r"0:0\d · 0\.\d MB · You"))
        await assert_accessible(page.page)

        await tab_to(page.page, clip.get_by_role("button", name="Play"))
        await page.page.keyboard.press("Enter")
        assert (await plays(page)).startswith("blob:")
        await assert_accessible(page.page)
        await page.page.keyboard.press("Escape")
        times = await downloaded(page, clip.get_by_role("button", name="Download"))
        assert times[-1] - times[0] > 1, "the last second at least"

        large = page.page.locator(f"[data-clip='{_LARGE}']")
        await expect(large).to_contain_text(f"copy the file from {studio.folder}")
        await expect(large.get_by_role("button")).to_have_count(0)
        await wear(page, "dark")
        await assert_accessible(page.page)
        await page.page.set_viewport_size({"width": 390, "height": 844})
        await assert_fits(page.page)


@pytest.mark.slow
async def test_recording_is_begun_and_ended(studio: Studio, browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, studio.through_broker, tmp_path) as page:
        await switch_on(page)
        await page.page.locator(f"[data-clip='{_LARGE}']").wait_for()
        before = await listed(page).count()
        await page.button("Record").click()
        await page.page.get_by_title("The robot is recording").wait_for()
        await page.sees(listed(page).first, "is being recorded")
        await page.button("Stop recording").click()
        await listed(page).first.get_by_role("button", name="Play").wait_for()
        await page.page.get_by_title("The robot is recording").wait_for(state="detached")
        await expect(listed(page)).to_have_count(before + 1)


@pytest.mark.slow
async def test_the_cameras_switch_says_what_it_does_as_soon_as_it_can_be_pressed(
    studio: Studio, browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, studio.through_broker, tmp_path) as page:
        await switch_on(page)
    async with visit(browser, studio.through_broker, tmp_path) as page:
        said = await page.page.evaluate(_AT_FIRST)
        assert said == "true", "else who switches it on switches it off"


@pytest.mark.slow
async def test_at_the_robot_it_comes_over_http(studio: Studio, browser: Browser, tmp_path: Path) -> None:
    login = {"http_credentials": {"username": "anna", "password": _TOKEN}}
    async with visit(browser, studio.at_robot, tmp_path, **login) as page:
        await switch_on(page)
        await page.button("Save clip").click()
        clip = listed(page).filter(has_text="You").first  # those before are of other visits
        await clip.get_by_role("button", name="Play").click()
        assert (await plays(page)).startswith(f"{studio.at_robot}clips/clip-")
        times = await downloaded(page, page.page.get_by_role("link", name="Download"))
        assert times[-1] - times[0] > 1
        await page.page.keyboard.press("Escape")
        large = page.page.locator(f"[data-clip='{_LARGE}']")
        await large.get_by_role("button", name="Play").wait_for()
