"""An address per robot: bookmarks, "back" and "forward", and names of any kind."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.apps.bridge.agents import ScriptedRobot, scripted_robot
from tests.attack.evil_robot import tool
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ODD = 'odd/ü & "?%2F ☃'
_ODD_HASH = "#/robot/odd/%C3%BC%20%26%20%22%3F%252F%20%E2%98%83"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker() -> AsyncIterator[PrivateBroker]:
    """With a robot in the hall, which is online all the time."""
    async with PrivateBroker(websocket_port=0) as started, robot(started, "hall/robot"):
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def address(broker: PrivateBroker) -> AsyncIterator[str]:
    """Where the page of that broker is."""
    async with serving(Console(port=0, broker_url=websocket_url(broker))) as url:
        yield url


@contextlib.asynccontextmanager
async def robot(broker: PrivateBroker, name: str, server_id: str = "") -> AsyncIterator[ScriptedRobot]:
    """One with a tool that has the robot's id as its name."""
    server_id = server_id or name.replace("/", "-")
    async with scripted_robot(broker, [tool(f"of-{server_id}")], server_id=server_id, server_name=name) as started:
        yield started


async def shows(page: ConsolePage, server_id: str) -> None:
    """Wait until the page has a session with a robot."""
    await page.page.locator("summary", has_text=f"of-{server_id}").wait_for()


async def choose(page: ConsolePage, text: str) -> None:
    """Press a robot's tab."""
    await page.page.locator(".robot", has_text=text).click()


async def has_address(page: ConsolePage, fragment: str) -> None:
    """Wait until the address ends so."""
    await page.page.wait_for_function("(wanted) => location.hash === wanted", arg=fragment)


@pytest.mark.slow
async def test_back_forward_and_reload_lead_to_the_robots_that_were_chosen(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    async with robot(broker, _ODD, "odd"), visit(browser, address, tmp_path) as page:
        await shows(page, "hall-robot")
        await has_address(page, "#/robot/hall/robot")
        await choose(page, "odd")
        await shows(page, "odd")
        await has_address(page, _ODD_HASH)
        await page.page.go_back()
        await shows(page, "hall-robot")
        assert await page.page.title() == "hall/robot \u2013 robot-node"
        await page.page.go_forward()
        await shows(page, "odd")
        await page.page.reload()
        await shows(page, "odd")
        await page.page.goto(address)  # without an address of a robot: who was looked at last
        await shows(page, "odd")
        await has_address(page, _ODD_HASH)


@pytest.mark.slow
async def test_a_bookmark_of_a_robot_that_is_offline_waits_for_it(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    async with visit(browser, f"{address}#/robot/attic/robot", tmp_path) as page:
        await page.sees(page.banner, "attic/robot is offline.")
        pressed = page.page.locator(".robot[aria-pressed=true]")
        await expect(pressed).to_contain_text("attic/robot")
        await expect(page.page.locator(".robot"), "both robots are listed").to_have_count(2)
        async with robot(broker, "attic/robot"):
            await shows(page, "attic-robot")
            await page.banner.wait_for(state="detached")
        await page.sees(page.banner, "attic/robot is offline.")
        await has_address(page, "#/robot/attic/robot")


@pytest.mark.slow
async def test_two_robots_of_one_name_have_two_addresses(
    browser: Browser, broker: PrivateBroker, address: str, tmp_path: Path
) -> None:
    async with (
        visit(browser, f"{address}#/robot/twin/robot", tmp_path) as page,
        robot(broker, "twin/robot", "twin-b"),
    ):
        await shows(page, "twin-b")
        await has_address(page, "#/robot/twin/robot")
        async with robot(broker, "twin/robot", "twin-a"):
            await has_address(page, "#/robot/twin/robot?id=twin-b")
            await shows(page, "twin-b")
            await choose(page, "twin-a")
            await shows(page, "twin-a")
            await has_address(page, "#/robot/twin/robot?id=twin-a")
            await page.page.go_back()
            await shows(page, "twin-b")
            await page.page.go_forward()
        await page.sees(page.banner, "twin/robot is offline.")  # not the other one instead
