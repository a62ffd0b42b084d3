"""The controls that come of tools' schemas: what a person sets with them is what the simulated pins do."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.console.browser import visit
from tests.console.moving_robot import EYE, PAN, TILT, moving_robot
from tests.console.test_browser_look import assert_accessible, assert_fits, tab_to, wear
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_MIDDLE_MS, _PER_DEGREE_MS = 1.5, 1 / 180  # of a servo's pulses: 1 to 2 ms from -90 to 90 degrees


@pytest.mark.slow
async def test_a_tools_form_has_a_slider_a_colour_and_choices(browser: Browser, tmp_path: Path) -> None:
    async with moving_robot() as robot, visit(browser, robot.url, tmp_path) as page:
        await page.ready()
        await page.page.locator("summary", has_text="Set an LED").click()
        form = page.page.locator("details", has_text="Set an LED")
        slider, exact = form.get_by_role("slider", name="brightness"), form.get_by_role("spinbutton", name="brightness")
        await form.get_by_role("radio", name="yes").focus()
        await page.page.keyboard.press("Space")
        await tab_to(page.page, slider)
        await page.page.keyboard.press("End")
        await page.page.keyboard.press("ArrowLeft")
        await expect(exact).to_have_value("0.99")
        await exact.fill("0.505")  # between two steps of the slider
        await form.locator("input[type=color]").fill("#ff0000")
        await form.get_by_role("button", name="Run").click()
        await eventually(lambda: [robot.pins.level(pin) for pin in EYE] == [0.505, 0, 0], "half as red as can be")
        await page.page.locator("summary", has_text="Move a servo").click()
        for scheme in ("light", "dark"):
            await wear(page, scheme)
            await assert_accessible(page.page)
        for width, height in ((390, 844), (844, 390)):
            await page.page.set_viewport_size({"width": width, "height": height})
            await assert_fits(page.page)


@pytest.mark.slow
async def test_the_head_follows_the_pad_by_finger_and_by_keys(browser: Browser, tmp_path: Path) -> None:
    async with moving_robot() as robot, visit(browser, robot.url, tmp_path) as page:
        await page.ready()
        pad = page.page.get_by_role("slider", name="Look", exact=True)

        def looks(pan: float, tilt: float) -> bool:
            wanted = [_MIDDLE_MS + angle * _PER_DEGREE_MS for angle in (pan, tilt)]
            found = [robot.pins.pulse_ms(pin) for pin in (PAN, TILT)]
            return found == pytest.approx(wanted, abs=0.003)

        await tab_to(page.page, pad)
        await page.page.keyboard.press("Shift+ArrowRight")
        await page.page.keyboard.press("ArrowUp")
        await eventually(lambda: looks(10, 1), "it looks to the right, and a little up")
        await pad.scroll_into_view_if_needed()
        box = await pad.bounding_box()
        assert box is not None
        await page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await page.page.mouse.down()
        await page.page.mouse.move(box["x"] - 20, box["y"] - 20, steps=5)  # beyond its corner
        await page.page.mouse.up()
        await eventually(lambda: looks(-60, 30), "it looks into the corner")
        await expect(pad).to_have_attribute("aria-valuetext", "pan -60\u00b0, tilt 30\u00b0")
