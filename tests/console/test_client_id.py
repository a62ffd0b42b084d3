"""Two windows with one client id: the one that was wanted last is used, and the other one says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import Site, websocket_url
from tests.console.test_browser_look import assert_accessible

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TAKEN = "Another window uses the client id anna, so this one has stopped."


def uses(client_id: str) -> str:
    """A script: the page's settings have a client id."""
    return f"localStorage.setItem('robot-node.settings', {json.dumps(json.dumps({'clientId': client_id}))})"


@pytest.mark.slow
async def test_two_windows_of_a_browser_settle(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": True})
    async with visit(site.browser, "about:blank", tmp_path) as first:
        await first.page.context.add_init_script(uses("anna"))
        first.url = site.address
        await first.page.goto(site.address)
        await first.ready()
        await first.moving_pictures()
        second = ConsolePage(await first.page.context.new_page(), site.address)
        await second.open()
        await first.sees(first.banner, _TAKEN)
        await first.page.wait_for_selector("video.empty", state="attached")
        await assert_accessible(first.page)
        await second.ready()
        await second.moving_pictures()

        await first.button("Use it here").click()
        await second.sees(second.banner, _TAKEN)
        await first.ready()
        await first.banner.wait_for(state="detached")
        await first.moving_pictures()
        assert await second.button("Use it here").is_visible(), "it took the connection back by itself"
        assert second.errors == []


@pytest.mark.slow
async def test_two_browsers_settle_at_a_broker_that_says_nothing(browser: Browser, tmp_path: Path) -> None:
    async with (
        PrivateBroker(websocket_port=0) as broker,
        serving(Console(port=0, broker_url=websocket_url(broker))) as url,
        visit(browser, "about:blank", tmp_path) as first,
        visit(browser, "about:blank", tmp_path) as second,
    ):
        for page in (first, second):
            await page.page.add_init_script(uses("anna"))
            page.url = url
            await page.page.goto(url)
            await page.sees(page.banner, "No robot is online")
        await first.sees(first.banner, "seems to use the client id anna")
        await second.sees(second.banner, "No robot is online")
