"""The pictures of the page in the documentation show the page as it is; ``make pictures`` makes them again."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from hw_mocks.platform import simulated_platform
from robot_node.apps.demo_buttons import PIN_SETTINGS
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from robot_node.settings.loading import load_settings
from tests.console.browser import ConsolePage, serving, visit
from tests.console.conftest import websocket_url
from tests.console.pictures import Picture
from tests.console.test_browser_look import wear
from tests.robots import online_robot

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPDATE = "UPDATE_PICTURES"
"""With this environment variable the pictures are made, and not compared."""
FOLDER = Path(__file__).parents[2] / "docs" / "images"
_FLUENT = re.compile(r"^(9|1\d) ")
_LIMIT = 0.02
_BROKEN = (
    ".rest { display: none }",
    ".page { display: block }",
    ".toolbar { flex-direction: column }",
    ".emotions { display: block }",
)


@dataclass(frozen=True)
class Shot:
    """A picture of the documentation.

    Attributes:
        name: Of its file.
        size: Of the window.
        scheme: Light or dark.
    """

    name: str
    size: tuple[int, int]
    scheme: Literal["light", "dark"] = "light"

    @property
    def path(self) -> Path:
        """Where it is."""
        return FOLDER / f"console-{self.name}.png"


ENGLISH = (
    Shot("desktop", (1280, 860)),
    Shot("dark", (1280, 860), "dark"),
    Shot("wide", (1920, 1080)),
    Shot("phone", (390, 844), "dark"),
    Shot("phone-side", (844, 390)),
)
CHINESE = (Shot("chinese", (1280, 860)),)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where the page of a robot like the demo's is."""
    folder = tmp_path_factory.mktemp("clips")
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(PrivateBroker(websocket_port=0))
        settings = load_settings(
            None,
            {
                "broker": {"url": broker.url},
                "robot": {"server_id": "demo-robot", "server_name": "demo/robot"},
                "camera": {"width": 1280, "height": 720, "frame_rate": 10},
                "audio": {"microphone": "default", "loudspeaker": "default", "viewer_may_speak": True},
                "recording": {"enabled": True, "folder": folder, "min_free_mb": 0},
                **PIN_SETTINGS,
            },
        )
        await stack.enter_async_context(online_robot(settings, simulated_platform(scene="clock").platform))
        yield await stack.enter_async_context(serving(Console(port=0, broker_url=websocket_url(broker))))


@contextlib.asynccontextmanager
async def in_use(browser: Browser, address: str, folder: Path, locale: str) -> AsyncIterator[ConsolePage]:
    """The page with a picture, a face and two photos."""
    async with visit(browser, address, folder, locale=locale, reduced_motion="reduce") as page:
        await page.ready()
        switch = page.page.get_by_role("switch").first
        if not await switch.is_checked():
            await switch.click()
        await page.moving_pictures(3)
        await page.page.locator(".emotions button").first.click()
        await page.page.wait_for_selector(".oled img[data-emotion=happy]")
        for number in range(2):
            await page.page.locator(".toolbar button.primary").click()
            await page.page.locator(".photos li img").nth(number).wait_for()
        await page.page.evaluate("document.activeElement.blur()")
        yield page


async def show(page: ConsolePage, shot: Shot) -> Picture:
    """Have the page as a picture wants it."""
    width, height = shot.size
    await page.page.set_viewport_size({"width": width, "height": height})
    await wear(page, shot.scheme)
    await page.page.evaluate(
        "() => new Promise((done) => { scrollTo(0, 0); requestAnimationFrame(() => requestAnimationFrame(done)); })"
    )
    await page.page.mouse.move(1, 1)
    return await Picture.of(page.page)


async def fluent(page: ConsolePage, shot: Shot) -> Picture:
    """Take a picture while the video plays as it should, by the figures in it."""
    rate = page.page.locator("[data-figure=statRate] dd").get_by_text(_FLUENT)
    while True:
        await rate.wait_for()
        picture = await show(page, shot)
        if await rate.is_visible():
            return picture


@pytest.mark.slow
@pytest.mark.parametrize(("locale", "shots"), [("en-GB", ENGLISH), ("zh-CN", CHINESE)])
async def test_the_documentation_shows_the_page_as_it_is(
    browser: Browser, address: str, tmp_path: Path, locale: str, shots: tuple[Shot, ...]
) -> None:
    async with in_use(browser, address, tmp_path, locale) as page:
        for shot in shots:
            picture = await show(page, shot)
            if os.environ.get(UPDATE):
                picture = await fluent(page, shot)
                picture.store(shot.path)
            picture.store(tmp_path / shot.path.name)
            difference = picture.difference(Picture.stored(shot.path))
            assert difference < _LIMIT, (
                f"{difference:.0%} of {shot.path.name} differ: 'make pictures', and look at them"
            )


@pytest.mark.slow
async def test_a_broken_layout_is_noticed(browser: Browser, address: str, tmp_path: Path) -> None:
    async with in_use(browser, address, tmp_path, "en-GB") as page:
        (shot, *_) = ENGLISH
        for rule in _BROKEN:
            # Behind all others, in the last of the style sheets.
            await page.page.evaluate(
                "(rule, at = [...document.styleSheets].at(-1)) => { at.insertRule(rule, at.cssRules.length); }",
                rule,
            )
            difference = (await show(page, shot)).difference(Picture.stored(shot.path))
            await page.page.evaluate(
                "(_, at = [...document.styleSheets].at(-1)) => { at.deleteRule(at.cssRules.length - 1); }"
            )
            assert difference > _LIMIT, f"{rule} goes unnoticed: {difference:.1%}"
        assert (await show(page, shot)).difference(Picture.stored(shot.path)) < _LIMIT
