"""A hand at the robot's privacy switch: the page says why there is no picture, and goes on when it is released."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from hw_mocks.platform import SimulatedPi, simulated_platform
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.settings.loading import load_settings
from tests.console.browser import serving, visit
from tests.console.conftest import websocket_url
from tests.end_to_end.robot_process import SERVER_ID, SERVER_NAME
from tests.robots import online_robot

pytestmark = pytest.mark.asyncio(loop_scope="session")

LED, SWITCH = 17, 27


@dataclass(frozen=True)
class Robot:
    """A robot with a privacy switch, and where its page is."""

    pi: SimulatedPi
    broker: PrivateBroker
    browser: Browser
    address: str

    def private(self, *, engaged: bool) -> None:
        """Move the switch."""
        self.pi.gpio.drive(SWITCH, high=engaged)


@pytest_asyncio.fixture(loop_scope="session")
async def robot(browser: Browser, tmp_path: Path) -> AsyncIterator[Robot]:
    """It may be seen, and records what it sees."""
    pi = simulated_platform(scene="clock")
    async with (
        PrivateBroker(websocket_port=0) as broker,
        serving(Console(port=0, broker_url=websocket_url(broker))) as address,
    ):
        settings = load_settings(
            None,
            {
                "broker": {"url": broker.url, "reconnect_initial_s": 0.2, "reconnect_maximum_s": 1.0},
                "robot": {"server_id": SERVER_ID, "server_name": SERVER_NAME},
                "camera": {"width": 320, "height": 240},
                "privacy": {"led_pin": LED, "switch_pin": SWITCH},
                "recording": {"enabled": True, "folder": str(tmp_path / "clips"), "min_free_mb": 0},
                "reactions": {"rules": [{"when": {"camera": "on"}, "then": {"record": "start"}}]},
            },
        )
        async with online_robot(settings, pi.platform):
            it = Robot(pi, broker, browser, address)
            it.private(engaged=False)
            yield it


@pytest.mark.slow
async def test_the_page_says_so_in_its_language_and_goes_on_when_it_is_released(robot: Robot, tmp_path: Path) -> None:
    async with (
        visit(robot.browser, robot.address, tmp_path) as page,
        visit(robot.browser, robot.address, tmp_path, locale="zh-CN") as chinese,
    ):
        await page.sees(page.overlay, "The camera is off")
        await page.camera.click()
        await page.moving_pictures()
        recording = page.page.locator(".screen .recording")
        await recording.wait_for()
        assert await recording.inner_text() == "REC"
        robot.private(engaged=True)
        await page.sees(page.overlay, "The robot\u2019s privacy switch is engaged.")
        await recording.wait_for(state="detached")
        await chinese.sees(chinese.overlay, "\u9690\u79c1\u5f00\u5173")
        assert await page.camera.is_disabled()
        assert await page.camera.get_attribute("aria-checked") == "false"
        assert not robot.pi.sensor.capturing
        robot.private(engaged=False)
        await page.sees(page.overlay, "The camera is off")
        await page.overlay.get_by_role("button", name="Switch on").click()
        await page.moving_pictures()


@pytest.mark.slow
async def test_it_is_said_also_while_the_broker_is_away(robot: Robot, tmp_path: Path) -> None:
    async with visit(robot.browser, robot.address, tmp_path) as page:
        await page.sees(page.overlay, "The camera is off")
        await page.camera.click()
        await page.moving_pictures()
        await robot.broker.stop()
        await page.sees(page.banner, "broker")
        robot.private(engaged=True)
        await page.sees(page.overlay, "The robot\u2019s privacy switch is engaged.")
        await robot.broker.start()
        await page.banner.wait_for(state="detached")
        await page.sees(page.overlay, "The robot\u2019s privacy switch is engaged.")
        robot.private(engaged=False)
        await page.sees(page.overlay, "The camera is off")
        await page.camera.click()
        await page.moving_pictures()
