"""The parts of the console's page in Debian's Firefox with its defaults: driving, full screen, gallery, many robots."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.firefox import Firefox, firefox
from tests.console.moving_robot import LEFT, RIGHT, MovingRobot, moving_robot
from tests.console.test_firefox import assert_picture_moves
from tests.waiting import eventually

# Firefox and a robot of their own: 10 s and more.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

_ARROW_UP, _ESCAPE = "\ue013", "\ue00c"
_HALF = 0.5
# As of a wheel that turns for longer than one call of drive_motor, which is for 0.3 s.
_HELD_MS = 1000
_TILE = ".tile .playing video"
_LIVE = f"""new Promise((done) => {{
  const video = document.querySelector("{_TILE}");
  let pictures = 0;
  const painted = () => {{
    pictures += 1;
    if (pictures === 5) done(video.videoWidth);
    else video.requestVideoFrameCallback(painted);
  }};
  video.requestVideoFrameCallback(painted);
}})"""


@contextlib.asynccontextmanager
async def visited(folder: Path) -> AsyncIterator[tuple[MovingRobot, Firefox]]:
    """A robot with two wheels, whose camera is watched."""
    async with moving_robot({"webrtc": {"enabled": True}}) as robot, firefox(folder) as page:
        await page.open(robot.url)
        await assert_picture_moves(page)
        yield robot, page


def button(name: str) -> str:
    """A selector of a button by its label."""
    return f"button[aria-label='{name}']"


async def drives(robot: MovingRobot, page: Firefox) -> None:
    """Wait until both wheels turn, and still do when one call would have ended."""
    await eventually(lambda: (robot.speed(LEFT), robot.speed(RIGHT)) == (_HALF, _HALF), "the wheels turn")
    await page.evaluate(f"new Promise((done) => setTimeout(done, {_HELD_MS}))")
    assert await page.evaluate("document.querySelector('.drive [role=status]').dataset.state") in {"driving", "held"}


async def stands(robot: MovingRobot) -> None:
    """Wait until both wheels stand still."""
    await robot.stands(LEFT)
    await robot.stands(RIGHT)


@pytest.mark.peer("Firefox", works="driving, by the mouse, and by the keyboard with the picture over the window")
async def test_firefox_drives_while_something_is_held_in_a_full_screen_too(tmp_path: Path) -> None:
    async with visited(tmp_path) as (robot, page):
        await page.evaluate(f"document.querySelector(\"{button('Ahead')}\").scrollIntoView({{block: 'center'}})")
        await page.press(button("Ahead"))
        await drives(robot, page)
        await page.release()
        await stands(robot)

        # Without a screen Firefox denies the full screen: the picture takes the window, as on iPhones.
        await page.press(button("Full screen"))
        await page.release()
        await page.until("document.querySelector('.video.full .drive') !== null")
        await page.until("document.querySelector('.video').clientHeight === innerHeight")
        await page.until("document.querySelectorAll('.drive').length === 1")
        await page.key("keyDown", _ARROW_UP)
        await drives(robot, page)
        await page.key("keyUp", _ARROW_UP)
        await stands(robot)

        await page.press(button("Ahead"))
        await drives(robot, page)
        await page.key("keyDown", _ESCAPE)
        await page.until("document.querySelector('.video.full') === null")
        await stands(robot)


@pytest.mark.peer("Firefox", works="photos that survive a reload, picture in picture, robots live side by side")
async def test_firefox_keeps_photos_and_shows_robots_live_side_by_side(tmp_path: Path) -> None:
    async with visited(tmp_path) as (robot, page):
        if await page.evaluate("document.pictureInPictureEnabled === true"):  # older ones offer it to people only
            await page.evaluate(f'document.querySelector("{button("Picture in picture")}").click()')
            await page.until(f'document.querySelector("{button("Picture in picture")}").ariaPressed === "true"')
        await page.evaluate("document.querySelector('.toolbar .primary').click()")
        await page.until("document.querySelector('img[alt^=\"Photo taken\"]') !== null")
        await page.open(robot.url)
        await page.until("document.querySelector('img[alt^=\"Photo taken\"]')?.naturalWidth > 0")

        await page.evaluate("void (location.hash = '#/robots')")
        await page.until(f"document.querySelector('{_TILE}') !== null")
        assert await page.evaluate(_LIVE) == 320
        await page.until("document.querySelector('.tile').innerText.includes('Live')")
