"""Driving by hand in a real browser: the motors turn, as the simulated pins tell, while something is held."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, WebSocket, expect

from tests.console.browser import ConsolePage, visit
from tests.console.moving_robot import LEFT, RIGHT, MovingRobot, moving_robot
from tests.console.test_browser_look import assert_accessible, assert_fits, wear
from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Action = Callable[[], Awaitable[None]]
_HALF = 0.5  # the speed that the page begins with
_RENEWALS = 10  # three times as long as one call drives


class Driver:
    """A person who drives.

    Attributes:
        page: Where.
        robot: What.
        renewals: How many calls have renewed a hold.
    """

    def __init__(self, page: ConsolePage, robot: MovingRobot) -> None:
        self.page = page
        self.robot = robot
        self.renewals = 0
        page.page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._count)

    def _count(self, frame: bytes | str) -> None:
        sent = frame if isinstance(frame, bytes) else frame.encode()
        self.renewals += b'"duration":0.3,"renew":true' in sent

    @property
    def speeds(self) -> tuple[float, float]:
        """Of the left and the right wheel."""
        return self.robot.speed(LEFT), self.robot.speed(RIGHT)

    @property
    def told(self) -> Locator:
        """What is said of driving."""
        return self.page.page.locator(".drive [role=status]")

    async def hold(self, press: Action, release: Action, speeds: tuple[float, float] = (_HALF, _HALF)) -> None:
        """Hold something until the wheels turn so, and have been told to go on; anew when the machine was too slow."""

        async def settled() -> bool:
            drives = self.speeds == speeds and self.renewals >= began + _RENEWALS
            return drives or await self.told.get_attribute("data-state") == "held"

        async with asyncio.timeout(DEADLINE_S):
            while True:
                began = self.renewals
                await press()
                await eventually(settled, f"the wheels turn at {speeds}")
                if self.speeds == speeds:
                    return
                await release()

    @property
    def is_still(self) -> bool:
        """Whether both wheels stand still."""
        return self.speeds == (0, 0)

    async def stand(self) -> None:
        """Wait until both wheels stand still."""
        await eventually(lambda: self.is_still, "the wheels stand still")


@contextlib.asynccontextmanager
async def driving(browser: Browser, folder: Path, settings: dict[str, Any] | None = None) -> AsyncIterator[Driver]:
    """Somebody in front of the page of a robot with two wheels, and with further settings."""
    async with moving_robot(settings) as robot, visit(browser, "about:blank", folder) as page:
        driver = Driver(page, robot)
        page.url = robot.url
        await page.page.goto(robot.url)
        await page.ready()
        yield driver


async def test_wheels_turn_while_an_arrow_a_key_or_the_stick_is_held(browser: Browser, tmp_path: Path) -> None:
    async with driving(browser, tmp_path) as driver:
        mouse, keyboard, page = driver.page.page.mouse, driver.page.page.keyboard, driver.page.page
        ahead = driver.page.button("Ahead")
        await ahead.hover()
        await driver.hold(mouse.down, mouse.up)
        await mouse.up()
        await driver.stand()

        await ahead.focus()
        await driver.hold(lambda: keyboard.down("ArrowLeft"), lambda: keyboard.up("ArrowLeft"), (-_HALF, _HALF))
        await keyboard.up("ArrowLeft")
        await driver.stand()
        await driver.hold(lambda: keyboard.down("Space"), lambda: keyboard.up("Space"))
        await keyboard.press("Tab")  # what is held has no longer the keyboard
        await driver.stand()
        await keyboard.up("Space")

        await page.get_by_role("slider", name="Speed").fill("100")
        stick = await page.locator(".joystick").bounding_box()
        assert stick is not None

        async def push() -> None:
            await mouse.move(stick["x"] + stick["width"] / 2, stick["y"] + stick["height"] / 2)
            await mouse.down()
            await mouse.move(stick["x"] + stick["width"] / 2, stick["y"] - 50)  # beyond its rim

        await driver.hold(push, mouse.up, (1, 1))
        await mouse.up()
        await driver.stand()


@pytest.mark.slow  # a robot and a broker of its own, several holds
async def test_it_stops_when_the_page_hangs_and_does_not_go_on_by_itself(browser: Browser, tmp_path: Path) -> None:
    async with driving(browser, tmp_path) as driver:
        mouse = driver.page.page.mouse
        await driver.page.button("Back").hover()
        await driver.hold(mouse.down, mouse.up, (-_HALF, -_HALF))
        debugger = await driver.page.page.context.new_cdp_session(driver.page.page)
        await debugger.send("Debugger.enable")
        await debugger.send("Debugger.pause")
        await driver.stand()  # the robot by itself: its session is as before
        await debugger.send("Debugger.disable")
        await driver.page.sees(driver.told, "Let go and press again")
        assert driver.is_still
        await mouse.up()
        await driver.hold(mouse.down, mouse.up, (-_HALF, -_HALF))


@pytest.mark.slow
async def test_it_stops_when_the_connection_is_lost_or_another_window_is_in_front(
    browser: Browser, tmp_path: Path
) -> None:
    async with driving(browser, tmp_path) as driver:
        page, mouse = driver.page.page, driver.page.page.mouse
        await driver.page.button("Ahead").hover()
        await driver.hold(mouse.down, mouse.up)
        await page.evaluate("() => window.dispatchEvent(new Event('blur'))")
        await driver.stand()
        await mouse.up()
        await driver.hold(mouse.down, mouse.up)
        await driver.robot.broker.stop()
        await driver.stand()
        await driver.page.sees(driver.page.banner, "broker")
        await driver.robot.broker.start()
        await driver.page.ready()
        assert driver.is_still, "it drives on by itself"
        await mouse.up()
        await driver.hold(mouse.down, mouse.up)


@pytest.mark.slow  # a robot and a broker of its own, several holds
async def test_it_stops_for_the_stop_button_and_for_the_stop_of_somebody_else(browser: Browser, tmp_path: Path) -> None:
    async with driving(browser, tmp_path) as driver:
        page, mouse, keyboard = driver.page.page, driver.page.page.mouse, driver.page.page.keyboard
        await driver.page.button("Ahead").hover()
        await driver.hold(mouse.down, mouse.up)
        await keyboard.press("Control+.")
        await driver.stand()
        await driver.page.sees(driver.told, "Stopped by the stop button")
        await mouse.up()
        await driver.hold(mouse.down, mouse.up)
        await driver.robot.agent.call_tool("stop_all", {})
        await driver.stand()
        await driver.page.sees(driver.told, "no longer drives for this caller")
        await mouse.up()
        for scheme in ("light", "dark"):
            await wear(driver.page, scheme)
            await assert_accessible(page)
        for width, height in ((390, 844), (844, 390)):
            await page.set_viewport_size({"width": width, "height": height})
            await assert_fits(page)


@pytest.mark.slow  # a robot and a broker of its own, real video, several holds
async def test_from_within_a_full_screen_it_drives_and_stops_in_the_same_ways(browser: Browser, tmp_path: Path) -> None:
    async with driving(browser, tmp_path, {"webrtc": {"enabled": True}}) as driver:
        page, mouse, keyboard = driver.page.page, driver.page.page.mouse, driver.page.page.keyboard
        await driver.page.camera.click()
        await driver.page.moving_pictures()
        await page.get_by_role("slider", name="Speed").fill("100")
        await page.locator(".screen").dblclick()
        await page.locator(".video .drive").wait_for()
        await expect(page.get_by_role("button", name="Ahead"), "the controls are in one place").to_have_count(1)
        await driver.page.button("Ahead").hover()
        await driver.hold(mouse.down, mouse.up, (1, 1))
        await page.evaluate("() => window.dispatchEvent(new Event('blur'))")
        await driver.stand()
        await mouse.up()

        await driver.page.button("Leave full screen").focus()
        await driver.hold(lambda: keyboard.down("ArrowLeft"), lambda: keyboard.up("ArrowLeft"), (-1, 1))
        await keyboard.up("ArrowLeft")
        await driver.stand()
        await driver.hold(lambda: keyboard.down("ArrowUp"), lambda: keyboard.up("ArrowUp"), (1, 1))
        await keyboard.press("Control+.")
        await driver.stand()
        await keyboard.up("ArrowUp")
        await assert_accessible(page)

        await driver.page.button("Ahead").hover()
        await driver.hold(mouse.down, mouse.up, (1, 1))
        await page.evaluate("document.exitFullscreen()")  # as with Escape
        await page.locator(".video .drive").wait_for(state="detached")
        await driver.stand()
        await mouse.up()
        await page.locator(".drive").wait_for()
