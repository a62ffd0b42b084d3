"""What a robot's owner sees and does on the page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.console.browser import ConsolePage, picture_of, shown_in, visit
from tests.console.conftest import Site
from tests.end_to_end.footage import Footage
from tests.end_to_end.robot_process import SERVER_ID
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_camera_is_switched_on_and_the_clip_is_seen(page: ConsolePage, footage: Footage) -> None:
    await page.sees(page.overlay, "The camera is off")
    await expect(page.page.locator(".robot[aria-pressed=true]")).to_have_text(
        f"tests/robot\n{SERVER_ID}\nonline", use_inner_text=True
    )
    before = await places(page)
    await page.camera.click()
    await page.moving_pictures()
    footage.assert_plays(await page.frames(20))
    assert await places(page) == before, "the page jumps when the video starts"
    for figure, text in (("statSize", "640 \u00d7 272"), ("statRate", "fps"), ("statBitrate", "Mbit/s")):
        await page.sees(page.page.locator(f"[data-figure={figure}] dd"), text)
    for figure, text in (("statLatency", "ms"), ("statLoss", "%"), ("viewers", "1")):
        await page.sees(page.page.locator(f"[data-figure={figure}] dd"), text)

    await page.camera.click()
    await page.sees(page.overlay, "The camera is off")
    await page.camera.click()
    await page.moving_pictures()
    footage.assert_plays(await page.frames(5))


async def places(page: ConsolePage) -> list[object]:
    """Where things are on the page, as far as a video that starts could move them."""
    cards = page.page.locator(".screen, .toolbar, .photos, .conversation, .face")
    return [await card.bounding_box() for card in await cards.all()]


async def test_an_emotion_changes_the_display_and_the_face_on_the_page(page: ConsolePage, site: Site) -> None:
    before = np.asarray(site.robot.display)
    await page.button("surprised").click()
    await page.page.wait_for_selector(".oled img[data-emotion=surprised]")
    assert await page.button("surprised").get_attribute("aria-pressed") == "true"
    await eventually(lambda: np.mean(np.asarray(site.robot.display) != before) > 0.02, "another face on the display")

    async def is_the_displays() -> bool:
        source = await page.face.get_attribute("src") or ""
        if not source.startswith("data:image/png"):
            return False
        seen = np.asarray(picture_of(source).convert("1"))
        return bool(np.mean(seen != np.asarray(site.robot.display)) < 0.02)  # it blinks meanwhile

    await eventually(is_the_displays, "the page's face is the display's")

    # changed by somebody else
    await site.call("change_emotion", {"emotion": "tired"})
    await page.page.wait_for_selector(".oled img[data-emotion=tired]")


@pytest.mark.slow
async def test_a_photo_appears_and_can_be_looked_at(page: ConsolePage, footage: Footage) -> None:
    assert await page.button("Photo").is_disabled()
    await page.camera.click()
    await page.button("Photo").click()
    picture = page.page.locator(".photos li img")
    _, difference = footage.nearest(await shown_in(picture))
    assert difference < 6
    await picture.click()
    await page.page.locator(".lightbox img").wait_for()
    assert await page.page.get_by_role("link", name="Download").get_attribute("download")
    await page.button("Close").click()


@pytest.mark.slow
async def test_two_pages_see_the_same_and_a_third_is_told_that_there_is_no_room(
    page: ConsolePage, site: Site, footage: Footage, tmp_path: Path
) -> None:
    async with visit(site.browser, site.address, tmp_path) as other:
        await other.ready()
        await page.camera.click()
        await asyncio.gather(page.moving_pictures(), other.moving_pictures())
        footage.assert_plays(await other.frames(5))
        await page.sees(page.page.locator("[data-figure=viewers] dd"), "2")
        async with visit(site.browser, site.address, tmp_path) as third:
            await third.sees(third.overlay, "Viewer limit reached")
            await other.page.goto("about:blank")
            await third.moving_pictures()
        footage.assert_plays(await page.frames(5))


async def test_every_other_tool_is_a_form_and_what_is_said_is_written(page: ConsolePage, site: Site) -> None:
    await page.page.get_by_text("Get the robot's status").click()
    await page.button("Run").click()
    await page.sees(page.page.locator("pre.result"), '"camera": "off"')

    dark = np.asarray(site.robot.display)
    await page.page.get_by_placeholder("What shall it show or say?").fill("Hello there")
    await page.button("Show a text").click()
    await eventually(lambda: bool((np.asarray(site.robot.display) != dark)[-10:].any()), "the text on the display")


@pytest.mark.slow
async def test_the_volume_is_set_when_the_person_confirms_it(page: ConsolePage) -> None:
    slider = page.page.get_by_role("slider", name="Volume")
    await slider.focus()
    await slider.press("ArrowLeft")
    await page.button("Decline").click()
    await page.sees(page.page.locator(".notice"), "control_volume")
    await slider.press("Home")
    await page.allow()
    await page.sees(page.page.locator(".volume output"), "0")
    await page.button("Mute").click()
    await page.allow()
    await page.page.wait_for_selector("button[aria-pressed=true] >> text=Mute")
    # as it was
    await page.button("Mute").click()
    await page.allow()
    await slider.press("End")
    await page.allow()
    await page.sees(page.page.locator(".volume output"), "100")


async def test_two_calls_that_ask_at_once_are_both_answered(page: ConsolePage) -> None:
    await page.page.locator(".log summary").click()
    log = page.page.locator(".log ol")
    # Two clicks before the first question is there: after that, the dialog keeps everything else from being pressed.
    await page.button("Mute").evaluate("(button) => { button.click(); button.click(); }")
    for _ in range(2):
        await page.page.get_by_role("dialog", name="asks").wait_for()
        await page.button("Decline").click()
    await page.page.get_by_role("dialog", name="asks").wait_for(state="hidden")
    await page.page.wait_for_function(
        "(log) => log.innerText.split('a person must confirm it').length === 3", arg=await log.element_handle()
    )


async def test_the_log_is_filtered_copied_and_switched_off(page: ConsolePage) -> None:
    await page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.page.locator(".log summary").click()
    log = page.page.locator(".log ol")
    await page.sees(log, "session open")
    await page.sees(log, f"online: {SERVER_ID}")
    await page.page.get_by_role("checkbox", name="mcp").uncheck()
    assert "session open" not in await log.inner_text()
    await page.button("Copy").click()
    await page.page.wait_for_selector("text=Copied")
    copied = await page.page.evaluate("navigator.clipboard.readText()")
    assert f"app: online: {SERVER_ID}" in copied
    assert "session" not in copied
    await page.page.get_by_role("checkbox", name="mcp").check()
    await page.page.get_by_role("checkbox", name="Record").uncheck()
    await page.button("Clear").click()
    await page.button("happy").click()
    await page.page.wait_for_selector(".oled img[data-emotion=happy]")
    assert await log.inner_text() == ""
