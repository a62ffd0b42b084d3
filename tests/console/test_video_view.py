"""How the picture is shown: zoomed, mirrored, over the whole screen, in a window of its own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.console.browser import ConsolePage, shown_in, visit
from tests.console.conftest import Site
from tests.console.moving_robot import LEFT, moving_robot
from tests.console.test_browser_look import assert_accessible, assert_fits
from tests.end_to_end.footage import Footage
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Box = tuple[float, float, float, float]
_PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
# What a desktop has not: it notes how a phone would be held.
_PHONE_THAT_CAN_BE_LOCKED = """
window.heldAs = [];
ScreenOrientation.prototype.lock = async (to) => { window.heldAs.push(to); };
"""
_IN_FULL_SCREEN = "() => document.fullscreenElement?.matches('.video')"
_NOT_IN_FULL_SCREEN = "() => document.fullscreenElement === null"


async def still_picture(page: ConsolePage) -> None:
    """Switch the camera on, and hold the picture."""
    await page.camera.click()
    await page.moving_pictures()
    await page.page.locator(".screen video").evaluate("(video) => video.pause()")


async def seen(page: Page) -> Image.Image:
    """What a person sees in the middle of the picture's place, where nothing lies over it."""
    box = await page.locator(".screen").bounding_box()
    assert box is not None
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
    shot = Image.open(io.BytesIO(await page.screenshot(clip=clip))).convert("L")  # type: ignore[arg-type]  # a mapping of the same keys
    return shot.resize((320, 180))


def pixels(picture: Image.Image) -> npt.NDArray[np.float64]:
    """Its middle, as figures."""
    return np.asarray(picture, dtype=float)[30:150, 30:290]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of their pixels."""
    return float(np.abs(pixels(one) - pixels(other)).mean())


def part(picture: Image.Image, box: Box) -> Image.Image:
    """A part, given in fractions of the picture, enlarged to its size."""
    left, top, right, bottom = box
    width, height = picture.size
    return picture.resize(picture.size, box=(left * width, top * height, right * width, bottom * height))


async def assert_sees(page: Page, expected: Image.Image, instead_of: Image.Image) -> None:
    """Wait until the page shows one picture rather than another."""

    async def shows_it() -> bool:
        now = await seen(page)
        return difference(now, expected) < 0.4 * difference(now, instead_of)

    await eventually(shows_it, "the page shows it")


async def point(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place of the picture is."""
    box = await page.locator(".screen").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.mark.slow
async def test_wheel_and_drag_and_keys_show_a_part_of_the_picture(page: ConsolePage) -> None:
    await still_picture(page)
    mouse, keyboard, scale = page.page.mouse, page.page.keyboard, page.page.locator(".view-tools .scale")
    await mouse.move(*await point(page.page, 0.75, 0.5))
    whole = await seen(page.page)
    await mouse.wheel(0, 400)
    await expect(scale).to_have_text("1.0×")  # noqa: RUF001  # as on the page
    await mouse.wheel(0, -400)
    await page.sees(scale, "2.0×")  # noqa: RUF001  # as on the page
    right = part(whole, (0.375, 0.25, 0.875, 0.75))
    await assert_sees(page.page, right, instead_of=whole)

    await mouse.down()
    await mouse.move(*await point(page.page, 1.2, 0.5), steps=4)  # beyond the picture's side
    await mouse.move(*await point(page.page, 1.9, 0.5), steps=4)
    await mouse.up()
    left = part(whole, (0, 0.25, 0.5, 0.75))
    await assert_sees(page.page, left, instead_of=right)
    await page.page.locator(".screen").focus()
    for _ in range(9):
        await keyboard.press("ArrowRight")
    await assert_sees(page.page, part(whole, (0.5, 0.25, 1, 0.75)), instead_of=left)

    await keyboard.press("0")
    await page.sees(scale, "1.0×")  # noqa: RUF001  # as on the page
    await assert_sees(page.page, whole, instead_of=right)
    for key in "+++-":
        await keyboard.press(key)
    await page.sees(scale, "2.3×")  # noqa: RUF001  # as on the page
    await page.button("Zoom in").click()
    await page.sees(scale, "3.4×")  # noqa: RUF001  # as on the page
    for _ in range(9):
        await page.button("Zoom out").click()
    await assert_sees(page.page, whole, instead_of=right)
    await assert_accessible(page.page)


@pytest.mark.slow
async def test_a_mirrored_picture_stays_mirrored_and_its_photo_is_not(page: ConsolePage, footage: Footage) -> None:
    await still_picture(page)
    await page.page.locator(".screen").hover()
    plain = await seen(page.page)
    mirrored = plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    await page.button("Mirror").click()
    await assert_sees(page.page, mirrored, instead_of=plain)
    await page.button("Photo").click()
    photo = await shown_in(page.page.get_by_role("img", name="Photo taken").first)
    assert footage.nearest(photo)[1] < 6

    await page.page.reload()
    await page.ready()
    await page.moving_pictures()
    await page.page.locator(".screen").hover()
    await expect(page.button("Mirror")).to_have_attribute("aria-pressed", "true")
    await page.button("Mirror").click()
    await expect(page.button("Mirror")).to_have_attribute("aria-pressed", "false")


@pytest.mark.slow
async def test_full_screen_has_what_is_done_with_the_picture(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, "about:blank", tmp_path) as page:
        await page.page.add_init_script(_PHONE_THAT_CAN_BE_LOCKED)
        page.url = site.address
        await page.page.goto(site.address)
        await page.ready()
        await expect(page.button("Full screen")).to_be_disabled()
        await page.camera.click()
        await page.moving_pictures()
        screen, tools = page.page.locator(".screen"), page.page.locator(".video .toolbar")
        before = await screen.bounding_box()
        await screen.dblclick()
        await page.page.wait_for_function(_IN_FULL_SCREEN)
        await page.button("Leave full screen").wait_for()
        box = await screen.bounding_box()
        assert before is not None
        assert box is not None
        assert (box["x"], box["y"], box["width"]) == (0, 0, 1360)
        assert box["height"] > 900 * 0.9
        await page.page.wait_for_function("() => String(window.heldAs) === 'landscape'")
        await page.moving_pictures()
        await assert_accessible(page.page)

        await tools.get_by_role("button", name="Photo").click()
        await page.page.locator(".flash").wait_for(state="attached")
        await page.page.get_by_role("img", name="Photo taken").wait_for(state="attached")
        await tools.get_by_role("button", name="Stop everything").click()
        await page.sees(tools.get_by_role("status"), "Nothing moved or sounded.")
        talk = tools.get_by_role("button", name="Talk")
        await talk.click()
        await page.page.wait_for_selector(".toolbar [aria-pressed=true] >> text=Talk")
        await talk.click()

        await page.button("Leave full screen").click()
        await page.page.wait_for_function(_NOT_IN_FULL_SCREEN)
        await page.button("Full screen").wait_for()
        assert await screen.bounding_box() == before
        await page.moving_pictures()
        await screen.press("f")
        await page.page.wait_for_function(_IN_FULL_SCREEN)
        await page.button("Leave full screen").wait_for()  # the page knows it too
        await page.page.keyboard.press("f")
        await page.page.wait_for_function(_NOT_IN_FULL_SCREEN)


@pytest.mark.slow
async def test_fingers_zoom_the_picture_of_a_phone_and_not_the_page(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, site.address, tmp_path, **_PHONE) as page:
        await page.ready()
        await page.camera.tap()
        await page.moving_pictures()
        touch = await page.page.context.new_cdp_session(page.page)

        async def fingers(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        left, right = await point(page.page, 0.4, 0.5), await point(page.page, 0.6, 0.5)
        await fingers("touchStart", left)
        await fingers("touchStart", left, right)
        for step in (1, 2, 3, 4):
            apart = 20 * step
            await fingers("touchMove", (left[0] - apart, left[1] + apart / 2), (right[0] + apart, right[1] - apart / 2))
        await fingers("touchEnd")
        await page.page.locator(".screen").tap()
        await page.page.wait_for_function("() => parseFloat(document.querySelector('.scale').innerText) > 2")
        assert await page.page.evaluate("[visualViewport.scale, scrollY]") == [1, 0]
        await assert_fits(page.page)
        await assert_accessible(page.page)
        await page.page.locator(".view-tools .scale").tap()
        await page.sees(page.page.locator(".view-tools .scale"), "1.0×")  # noqa: RUF001  # as on the page


@pytest.mark.slow
async def test_where_there_is_no_full_screen_the_picture_takes_the_window(browser: Browser, tmp_path: Path) -> None:
    """As on an iPhone, upright, whose lines are narrow."""
    sound = {"microphone": "default", "loudspeaker": "default", "viewer_may_speak": True}
    async with (
        moving_robot({"webrtc": {"enabled": True}, "audio": sound}) as robot,
        visit(browser, "about:blank", tmp_path, **_PHONE) as page,
    ):
        await page.page.add_init_script("delete Element.prototype.requestFullscreen")
        page.url = robot.url
        await page.page.goto(robot.url)
        await page.ready()
        await page.camera.tap()
        await page.moving_pictures()
        await page.button("Full screen").tap()
        leave = page.button("Leave full screen")
        await leave.wait_for()
        video, buttons = page.page.locator(".video"), page.page.locator(".video .toolbar button")
        assert await video.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
        await page.moving_pictures()
        names = []
        for button in await buttons.all():
            box = await button.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= 390
            assert box["y"] + box["height"] <= 844
            names.append((await button.inner_text()).strip() or await button.get_attribute("aria-label"))
        assert names == ["Camera", "Photo", "Listen", "Talk", "Stop", "Leave full screen"]
        await assert_accessible(page.page)

        await robot.drive(LEFT)
        await page.page.locator(".video").get_by_role("button", name="Stop everything").tap()
        await robot.stands(LEFT)
        # The keyboard does not go where nothing is seen.
        await leave.focus()
        await page.page.keyboard.press("Tab")
        await expect(page.page.locator(".screen")).to_be_focused()
        await page.page.keyboard.press("Shift+Tab")
        await expect(leave).to_be_focused()
        await page.page.keyboard.press("Escape")
        await page.button("Full screen").wait_for()
        box = await video.bounding_box()
        assert box is not None
        assert box["height"] < 500


@pytest.mark.slow
async def test_the_picture_has_a_window_of_its_own_until_the_camera_is_off(page: ConsolePage) -> None:
    await page.camera.click()
    await page.moving_pictures()
    await page.page.locator(".screen").hover()
    button = page.button("Picture in picture")
    await button.click()
    await page.page.wait_for_function("() => document.pictureInPictureElement?.matches('.screen video')")
    await page.page.wait_for_selector(".view-tools [aria-pressed=true]")
    await page.camera.click()
    await page.page.wait_for_function("() => document.pictureInPictureElement === null")
