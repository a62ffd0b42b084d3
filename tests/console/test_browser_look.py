"""The page is usable by everybody: axe finds nothing, keyboard alone suffices, a phone shows all of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, Page, expect

from robot_node.console.page import BUILT
from tests.console.browser import ConsolePage, visit
from tests.console.conftest import Site
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_AXE = BUILT.parent / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
SCREENSHOTS = "CONSOLE_SCREENSHOTS"
"""The environment variable with the folder where pictures of the page are kept."""


async def keep_picture(page: ConsolePage, name: str, *, full_page: bool = False) -> None:
    """Keep a picture of the page, where somebody wants to have it: nobody compares it."""
    if folder := os.environ.get(SCREENSHOTS):
        await page.page.screenshot(path=Path(folder) / f"{name}.png", full_page=full_page)


async def assert_accessible(page: Page) -> None:
    """No finding of axe, as the page is now."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_AXE.read_text())
    found: list[dict[str, Any]] = await page.evaluate(
        """async (tags) => {
          const {violations} = await axe.run({runOnly: {type: "tag", values: tags}});
          return violations.map(({id, impact, help, nodes}) =>
            ({id, impact, help, places: nodes.map(({target, failureSummary}) => `${target} ${failureSummary}`)}));
        }""",
        _RULES,
    )
    assert found == []


async def assert_fits(page: Page) -> None:
    """Nothing is wider than the screen, once the page is laid out for it."""
    fits = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    await eventually(lambda: page.evaluate(fits), "the page is as wide as the screen")


async def focused(page: Page) -> str:
    """The name of what has the keyboard."""
    name: str = await page.evaluate(
        "() => { const {activeElement: at} = document; return at.ariaLabel || at.innerText.trim() || at.tagName; }"
    )
    return name


async def tab_to(page: Page, wanted: Locator, *, limit: int = 60) -> None:
    """Press the tab key until something has the keyboard, and shows it."""
    passed = []
    for _ in range(limit):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(element) => element === document.activeElement"):
            outline = await wanted.evaluate("(element) => parseFloat(getComputedStyle(element).outlineWidth)")
            assert outline >= 2, "the keyboard's place is not seen"
            return
        passed.append(await focused(page))
    raise AssertionError(f"the tab key does not lead there, only to {passed}")


async def wear(page: ConsolePage, scheme: Literal["light", "dark"]) -> None:
    """Be light or dark, at once: colours that fade have no contrast yet."""
    await page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


async def show_everything(page: ConsolePage) -> None:
    """Open what is folded."""
    for summary in await page.page.locator("summary").all():
        await summary.click()
    await page.page.evaluate("() => scrollTo(0, 0)")


@pytest.mark.parametrize("device", [pytest.param("desktop", marks=pytest.mark.slow), "phone"])  # nine examinations each
async def test_nobody_is_left_out_in_light_and_dark(site: Site, tmp_path: Path, device: str) -> None:
    options: dict[str, Any] = _PHONE if device == "phone" else {}
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, site.address, tmp_path, **options) as page:
        await page.ready()
        await assert_accessible(page.page)
        await page.camera.click()
        await page.button("happy").click()
        await page.page.wait_for_selector(".oled img[data-emotion=happy]")
        await page.moving_pictures()
        await page.button("Photo").click()
        await page.page.get_by_role("img", name="Photo taken").wait_for()
        await page.sees(page.page.locator("[data-figure=statRate] dd"), "fps")
        await wear(page, "light")
        await page.page.evaluate("() => scrollTo(0, 0)")
        await keep_picture(page, f"{device}-light")
        await assert_accessible(page.page)
        await assert_fits(page.page)
        await wear(page, "dark")
        await keep_picture(page, f"{device}-dark")
        await show_everything(page)
        await keep_picture(page, f"{device}-dark-unfolded", full_page=True)
        await assert_accessible(page.page)
        await assert_fits(page.page)
        await page.button("Settings").click()
        await page.page.get_by_role("dialog", name="Settings").wait_for()
        await assert_accessible(page.page)
        await wear(page, "light")
        await keep_picture(page, f"{device}-light-settings")
        await assert_accessible(page.page)


@pytest.mark.slow
async def test_keyboard_alone_is_enough(page: ConsolePage) -> None:
    keyboard = page.page.keyboard
    await tab_to(page.page, page.camera)
    await keyboard.press("Space")
    await page.moving_pictures()
    await tab_to(page.page, page.button("Photo"))
    await keyboard.press("Enter")
    photo = page.page.get_by_role("button", name="Photo taken")
    await photo.wait_for()
    await tab_to(page.page, photo)
    await keyboard.press("Enter")
    await page.page.get_by_role("dialog", name="Photo").wait_for()
    await assert_accessible(page.page)
    await keyboard.press("Escape")
    await page.page.get_by_role("dialog", name="Photo").wait_for(state="hidden")
    await expect(photo, "the keyboard is not lost").to_be_focused()
    await tab_to(page.page, page.button("laugh"))
    await keyboard.press("Space")
    await page.page.get_by_role("img", name="The robot’s face now: laugh").wait_for()  # noqa: RUF001  # typography
    await tab_to(page.page, page.button("Settings"))
    await keyboard.press("Enter")
    await page.page.get_by_role("dialog", name="Settings").wait_for()
    await keyboard.press("Escape")
    await expect(page.button("Settings")).to_be_focused()


@pytest.mark.slow
async def test_the_page_speaks_chinese(page: ConsolePage) -> None:
    await page.button("Settings").click()
    await page.page.get_by_label("Language").select_option("中文")
    await page.button("Save").click()
    await page.page.get_by_role("switch", name="摄像头").click()
    await page.moving_pictures()
    assert await page.page.locator("html").get_attribute("lang") == "zh"
    await keep_picture(page, "desktop-light-chinese")
    await page.page.reload()
    await page.page.get_by_role("switch", name="摄像头", checked=True).wait_for()
    await page.page.get_by_role("button", name="设置").wait_for()


@pytest.mark.slow
async def test_what_is_wrong_is_said_accessibly(page: ConsolePage, site: Site) -> None:
    await site.broker.stop()
    await page.sees(page.page.get_by_role("status"), "The broker cannot be reached")
    await page.page.get_by_role("img", name="The robot’s face when it was last seen").wait_for()  # noqa: RUF001  # typography
    await assert_accessible(page.page)
    await keep_picture(page, "desktop-light-no-broker")
    await wear(page, "dark")
    await page.page.set_viewport_size({"width": 390, "height": 844})
    await assert_accessible(page.page)
    await assert_fits(page.page)
    await keep_picture(page, "phone-dark-no-broker")
    await site.broker.start()
    await page.ready()
