"""The stop button: in sight in every window, and it stops what moves whatever else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator

from tests.console.browser import ConsolePage, visit
from tests.console.moving_robot import LEFT, moving_robot
from tests.console.test_browser_look import assert_accessible, assert_fits, tab_to, wear
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SIZES = ((1280, 800), (1920, 1080), (390, 844), (844, 390))
_IN_SIGHT = """(button) => {
  const {left, top, right, bottom} = button.getBoundingClientRect();
  const at = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && button.contains(at);
}"""


def stop_button(page: ConsolePage) -> Locator:
    """Where it is that can be pressed."""
    return page.page.get_by_role("button", name="Stop everything").last


@pytest.mark.slow
async def test_it_is_in_sight_in_every_window_however_far_one_scrolls(browser: Browser, tmp_path: Path) -> None:
    async with moving_robot() as robot, visit(browser, robot.url, tmp_path) as page:
        await page.ready()
        button = stop_button(page)
        for width, height in _SIZES:
            await page.page.set_viewport_size({"width": width, "height": height})
            await assert_fits(page.page)
            await eventually(lambda: button.evaluate(_IN_SIGHT), "the button is in sight")
            await page.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
            await eventually(lambda: button.evaluate(_IN_SIGHT), "it does not scroll away")
            for scheme in ("light", "dark"):
                await wear(page, scheme)
                await assert_accessible(page.page)
        # A dialog keeps the page from being pressed: it has a button of its own.
        await page.button("Settings").click()
        await robot.drive(LEFT)
        await stop_button(page).click()
        await robot.stands(LEFT)


async def test_it_stops_at_once_while_another_call_runs_and_says_what(browser: Browser, tmp_path: Path) -> None:
    async with moving_robot() as robot, visit(browser, robot.url, tmp_path) as page:
        await page.ready()
        await page.page.locator("summary", has_text="Wait for an event").click()
        await page.button("Run").click()
        await page.button("Running …").wait_for()
        await robot.drive(LEFT)
        await stop_button(page).click()
        await robot.stands(LEFT)
        await page.sees(page.page.get_by_role("status"), "Stopped: left")
        assert await page.button("Running …").is_visible()


@pytest.mark.slow
async def test_it_stops_by_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    async with moving_robot() as robot, visit(browser, robot.url, tmp_path) as page:
        await page.ready()
        await tab_to(page.page, stop_button(page))
        await robot.drive(LEFT)
        await page.page.keyboard.press("Enter")
        await robot.stands(LEFT)
        await page.page.get_by_placeholder("What shall it show").focus()
        await robot.drive(LEFT)
        await page.page.keyboard.press("Control+.")
        await robot.stands(LEFT)


@pytest.mark.slow  # a camera and a viewer
async def test_it_is_in_the_full_screen_too(browser: Browser, tmp_path: Path) -> None:
    camera = {"webrtc": {"enabled": True}, "camera": {"width": 640, "height": 360, "on_at_start": True}}
    async with moving_robot(camera) as robot, visit(browser, robot.url, tmp_path) as page:
        await page.moving_pictures()
        await page.button("Full screen").click()
        await page.page.wait_for_function("() => document.fullscreenElement !== null")
        button = stop_button(page)
        for width, height in _SIZES:
            await page.page.set_viewport_size({"width": width, "height": height})
            await eventually(lambda: button.evaluate(_IN_SIGHT), "the button is in sight")
        await robot.drive(LEFT)
        await button.click()
        await robot.stands(LEFT)
        told = page.page.locator(".toolbar .outcome", has_text="Stopped: left")
        await told.wait_for()
        await eventually(lambda: told.evaluate(_IN_SIGHT), "the answer is in sight")
        await assert_accessible(page.page)
