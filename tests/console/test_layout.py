"""Where the parts of the page are: on wide windows, and on a phone, upright and on its side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.browser import visit
from tests.console.conftest import Site
from tests.console.test_browser_look import assert_fits

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value;
}).observe({ type: "layout-shift", buffered: true });
"""
_BOX = "(element) => element.getBoundingClientRect().toJSON()"
# How far from the window's right side the last column ends, and from its lower side the last card of each.
_EMPTY = """() => {
  const end = (element, side) => element.getBoundingClientRect()[side];
  const parts = [...document.querySelectorAll(".main-column, .rest > .column")];
  const isWide = new Set(parts.map((part) => end(part, "left"))).size === parts.length;
  const columns = isWide ? parts : [...document.querySelectorAll(".main-column, .rest")];
  const lowest = (column) => Math.max(...[...column.querySelectorAll(".card")].map((card) => end(card, "bottom")));
  return {
    columns: columns.length,
    right: innerWidth - Math.max(...columns.map((column) => end(column, "right"))),
    below: innerHeight - Math.min(...columns.map(lowest)),
  };
}"""
_ROOM_PX = 24


@pytest.mark.parametrize("size", [(1280, 800), pytest.param((390, 844), marks=pytest.mark.slow)])
async def test_nothing_jumps_while_the_page_loads(site: Site, tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    async with visit(site.browser, "about:blank", tmp_path, viewport={"width": width, "height": height}) as page:
        await page.page.add_init_script(_SHIFTS)
        page.url = site.address
        await page.page.goto(site.address)
        await page.ready()
        await page.page.get_by_role("slider", name="Volume").wait_for()
        await page.page.locator(".oled img").wait_for()
        shifted = await page.page.evaluate("window.shifted")
        assert shifted < 0.05, "the page jumps while it loads"


@pytest.mark.slow
async def test_every_window_is_filled_and_nothing_is_cut(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, site.address, tmp_path) as page:
        await page.ready()
        figures = page.page.locator(".statistics")
        assert await figures.count() == 0, "figures of a picture that is not there"
        await page.camera.click()
        await page.moving_pictures()
        await figures.wait_for()
        screen, line = page.page.locator(".screen"), page.page.get_by_placeholder("What shall it show or say?")

        for width, height, columns in ((1280, 800, 2), (1920, 1080, 3)):
            await page.page.set_viewport_size({"width": width, "height": height})
            await assert_fits(page.page)
            empty = await page.page.evaluate(_EMPTY)
            assert empty["columns"] == columns
            assert empty["right"] <= _ROOM_PX
            assert empty["below"] <= _ROOM_PX, "a column ends above the window's end"
            box = await screen.evaluate(_BOX)
            assert box["bottom"] < height
            assert box["width"] > 0.58 * width, "the picture could be larger"

        await page.page.set_viewport_size({"width": 390, "height": 844})
        await assert_fits(page.page)
        assert (await line.evaluate(_BOX))["width"] >= 200
        assert (await page.page.get_by_placeholder("Write to the robot").evaluate(_BOX))["width"] >= 200
        before = await screen.evaluate(_BOX)
        assert before["width"] == 390
        await page.button("Log").click()
        await page.page.wait_for_function("scrollY > 300")
        assert (await screen.evaluate(_BOX))["top"] <= before["top"] + 1, "the picture is scrolled away"
        assert (await screen.evaluate(_BOX))["top"] >= 0
        for button in await page.page.locator(".toolbar button").all():
            box = await button.evaluate(_BOX)
            assert 0 <= box["left"] < box["right"] <= 390

        await page.page.set_viewport_size({"width": 844, "height": 390})
        await assert_fits(page.page)
        picture, tools = await screen.evaluate(_BOX), await page.page.locator(".toolbar").evaluate(_BOX)
        assert 0 <= picture["top"] < picture["bottom"] <= 390
        assert picture["height"] > 390 * 0.8
        assert picture["top"] < tools["top"] < tools["bottom"] <= picture["bottom"] + 1, "its controls are not over it"
        assert (await line.evaluate(_BOX))["width"] >= 200
