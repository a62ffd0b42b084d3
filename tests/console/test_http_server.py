"""The console through the robot's own HTTP server alone, with a proxy before it or without: no WebSocket listener."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from robot_node.apps.private_broker import PrivateBroker
from tests.console.browser import ConsolePage, chromium, visit
from tests.end_to_end.robot_process import RobotProcess, wait_until_online
from tests.ports import free_port
from tests.robot.web.reverse_proxies import NAME, reverse_proxy
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "a-token-of-the-robot"  # of this test


@pytest_asyncio.fixture(loop_scope="session")
async def robot(tmp_path: Path) -> AsyncIterator[RobotProcess]:
    """A robot with its HTTP server, at a broker that speaks MQTT over TCP only."""
    settings = {"ENABLED": "true", "PORT": str(free_port()), "TOKEN": TOKEN, "NAME": NAME}
    async with PrivateBroker() as broker:
        watched = {"ROBOT_NODE_CONSOLE__WHEP_URL": "/whep"}
        process = RobotProcess(
            broker, tmp_path, settings={f"ROBOT_NODE_HTTP__{key}": settings[key] for key in settings} | watched
        )
        try:
            await process.start()
            await wait_until_online(broker)
            await eventually(lambda: "HTTP at " in process.log, "the HTTP server is up")
            yield process
        finally:
            await process.kill()


LOGIN = {"http_credentials": {"username": "anna", "password": TOKEN}}


def url_of(robot: RobotProcess) -> str:
    found = re.search(r"HTTP at (http://\S+)", robot.log)
    assert found
    return found[1]


@pytest.mark.slow
async def test_behind_a_proxy_with_tls_the_page_needs_that_one_port(robot: RobotProcess, tmp_path: Path) -> None:
    async with (
        reverse_proxy("nginx", urlsplit(url_of(robot)).netloc, tmp_path) as proxy,
        # A service worker's script is fetched by the rules of the browser, not by those of the visit.
        chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors") as browser,
        visit(browser, f"{proxy.url}/", tmp_path, ignore_https_errors=True, **LOGIN) as page,
    ):
        await page.ready()
        await page.camera.click()
        await page.moving_pictures()
        await page.button("Photo").click()
        await page.page.locator(".photos li img").wait_for()


async def test_the_page_needs_no_other_server(robot: RobotProcess, browser: Browser, tmp_path: Path) -> None:
    address = url_of(robot)
    async with visit(browser, address, tmp_path, **LOGIN) as page:
        await page.ready()
        await page.camera.click()
        await page.moving_pictures()
        # By WHEP, as the settings say, with the browser's cookie: there is nobody to talk to.
        assert "Viewer 'http/" in robot.log
        assert await page.button("Talk").count() == 0
        await page.button("Photo").click()
        await page.page.locator(".photos li img").wait_for()
        # fetch refuses to be relative to a page whose URL has a password
        url = address.replace("http://", f"http://anna:{TOKEN}@")
        again = ConsolePage(await page.page.context.new_page(), url)
        await again.open()
        await again.ready()
