"""Robots side by side, live: a small video each, which takes no place from a person and costs nothing out of sight."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from playwright.async_api import expect

from robot_node.apps import remote
from robot_node.mqtt import Broker
from robot_node.webrtc.viewer import view
from tests.console.browser import ConsolePage, visit
from tests.console.conftest import Site
from tests.console.test_browser_look import assert_accessible
from tests.console.test_fleet_page import is_live, tile
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def viewers(site: Site) -> int:
    """How many the robot says that watch it."""
    result = await remote.call(Broker.from_url(site.broker.url), SERVER_ID, "get_status", {"details": True})
    assert result.structured_content is not None
    return int(result.structured_content["viewers"])


async def hide(page: ConsolePage, *, hidden: bool) -> None:
    """What a page sees of a tab that is put away, or back: Chromium without a window hides none."""
    change = "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
    await page.page.evaluate(change if hidden else "delete document.visibilityState")
    await page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.slow  # real video in Chromium
async def test_a_tile_is_live_while_somebody_can_see_it_and_gives_way_to_a_person(site: Site, tmp_path: Path) -> None:
    """The robot takes two viewers."""
    await site.call("control_camera", {"enabled": True})
    broker = Broker.from_url(site.broker.url)
    async with (
        contextlib.AsyncExitStack() as people,
        visit(site.browser, f"{site.address}#/robots", tmp_path) as page,
    ):

        async def nobody_watches() -> bool:
            return await viewers(site) == 0

        robot = tile(page, SERVER_NAME)
        await is_live(page, robot)
        await expect(robot.get_by_role("img")).to_have_count(0)
        assert await viewers(site) == 1
        await assert_accessible(page.page)

        await hide(page, hidden=True)
        await eventually(nobody_watches, "nobody watches")
        await hide(page, hidden=False)
        await is_live(page, robot)

        for _ in range(2):
            person = await people.enter_async_context(view(broker, SERVER_ID))
            await person.frame(needs_camera=True)
        picture = robot.get_by_role("img")
        await page.sees(robot, "A picture every 2 s")
        first = await picture.get_attribute("src")
        await page.page.wait_for_function(
            "([picture, first]) => picture.src !== first && picture.naturalWidth === 320",
            arg=[await picture.element_handle(), first],
        )
        assert await viewers(site) == 2
