"""The gallery: photos that a browser stores, and their files."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.console.browser import ConsolePage, visit
from tests.console.conftest import Site
from tests.console.test_browser_look import assert_accessible, assert_fits, tab_to, wear
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_NAME = re.compile(r"tests-robot-(\d{8}-\d{6}-\d{3})\.jpg")
# Two and a half minutes: a clock of the page that is wrong is not that of the robot.
_WRONG_CLOCK = """
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given) { super(...(given.length ? given : [RealDate.now() + 150_000])); }
  static now() { return RealDate.now() + 150_000; }
};
"""
# Some days ago another page of this browser stored photos, at the limit.
_SEED = """async ([count, bytes]) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 16;
  const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
  const opening = indexedDB.open("robot-node");
  await new Promise((done) => (opening.onsuccess = done));
  const photos = opening.result.transaction("photos", "readwrite").objectStore("photos");
  const padding = new Uint8Array(bytes - small.size); // a JPEG's end is marked: it may be followed by anything
  for (let index = 0; index < count; index += 1) {
    const picture = new Blob([small, padding], { type: "image/jpeg" });
    photos.put({ id: String(index).padStart(15, "0"), robot: "old", camera: "", taken: 1000 * index, picture });
  }
  await new Promise((done) => (photos.transaction.oncomplete = done));
  opening.result.close();
}"""
_NO_STORAGE = """
IDBFactory.prototype.open = () => { throw new DOMException("Cookies are blocked.", "SecurityError"); };
"""
_STORED = """async () => {
  const opening = indexedDB.open("robot-node");
  await new Promise((done) => (opening.onsuccess = done));
  const found = opening.result.transaction("photos").objectStore("photos").getAll();
  await new Promise((done) => (found.onsuccess = done));
  opening.result.close();
  return found.result.length;
}"""


def thumbnails(page: Page) -> Locator:
    """The photos that the page shows."""
    return page.locator(".photos li img")


async def take(page: ConsolePage, count: int) -> None:
    """Take photos, one after the other."""
    if not await page.camera.is_checked():
        await page.camera.click()
    before = await thumbnails(page.page).count()
    for taken in range(1, count + 1):
        await page.button("Photo").click()
        await thumbnails(page.page).nth(before + taken - 1).wait_for()


@pytest.mark.slow
async def test_a_photo_survives_a_reload_with_the_time_when_it_was_taken(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, site.address, tmp_path) as page:
        await page.page.add_init_script(_WRONG_CLOCK)
        await page.page.reload()
        await page.ready()
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        await take(page, 1)
        after = datetime.now(UTC)
        await eventually_stored(page.page, 1)

        await page.page.reload()
        await thumbnails(page.page).click()
        async with page.page.expect_download() as event:
            await page.page.get_by_role("link", name="Download").click()
        download = await event.value
        found = _NAME.fullmatch(download.suggested_filename)
        assert found, download.suggested_filename
        taken = datetime.strptime(f"{found[1]}000", "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
        assert before <= taken <= after
        with Image.open(await download.path()) as picture:
            assert picture.size == (640, 272)


@pytest.mark.slow
async def test_all_are_downloaded_as_one_file_and_deleted_after_a_question(page: ConsolePage) -> None:
    await take(page, 3)
    async with page.page.expect_download() as event:
        await page.button("Download all").click()
    download = await event.value
    assert re.fullmatch(r"robot-photos-\d{8}-\d{6}-\d{3}\.zip", download.suggested_filename)
    with zipfile.ZipFile(await download.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len({*names}) == 3
        assert sorted(names) == names
        assert all(map(_NAME.fullmatch, names))
        for each in archive.infolist():
            assert abs(datetime(*each.date_time) - datetime.now()) < timedelta(minutes=5)  # noqa: DTZ001, DTZ005  # as ZIP has it
            with Image.open(io.BytesIO(archive.read(each))) as picture:
                assert picture.size == (640, 272)

    second = page.page.context.pages[0]
    other = await page.page.context.new_page()
    await other.goto(page.url)
    await thumbnails(other).nth(2).wait_for()

    await thumbnails(second).first.click()
    await page.button("Delete").first.click()
    question = second.get_by_role("dialog", name="Delete this photo?")
    await assert_accessible(second)
    await question.get_by_role("button", name="Cancel").click()
    await expect(thumbnails(second)).to_have_count(3)
    await page.button("Delete").first.click()
    await question.get_by_role("button", name="Delete").click()
    await thumbnails(second).nth(2).wait_for(state="detached")
    await thumbnails(other).nth(2).wait_for(state="detached")  # the other page of the same browser
    await page.button("Close").click()
    await page.button("Delete all").click()
    await second.get_by_role("dialog", name="Delete all 2 photos?").get_by_role("button", name="Delete").click()
    await page.sees(second.locator(".photos"), "Pictures that you take appear here.")
    await thumbnails(other).first.wait_for(state="detached")
    await eventually_stored(second, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "bytes_each"), [(200, 1000), (50, 2_000_000)])
async def test_the_oldest_make_room(page: ConsolePage, count: int, bytes_each: int) -> None:
    await page.page.evaluate(_SEED, [count, bytes_each])
    await page.page.reload()
    await thumbnails(page.page).nth(count - 1).wait_for()
    await page.sees(page.page.locator(".photos"), "the oldest make room")
    await page.camera.click()
    await page.button("Photo").click()
    await page.page.get_by_role("img", name="tests/robot").wait_for()
    await eventually_stored(page.page, count)
    await expect(thumbnails(page.page)).to_have_count(count)
    oldest = thumbnails(page.page).last
    await expect(oldest).to_have_attribute("alt", re.compile(r"\(old\)$"))
    await page.page.reload()
    await thumbnails(page.page).nth(count - 1).wait_for()
    await expect(thumbnails(page.page)).to_have_count(count)


@pytest.mark.slow
async def test_a_browser_that_stores_nothing_says_so_and_goes_on(site: Site, tmp_path: Path) -> None:
    await site.call("control_camera", {"enabled": False})
    async with visit(site.browser, "about:blank", tmp_path) as page:
        await page.page.add_init_script(_NO_STORAGE)
        page.url = site.address
        await page.page.goto(site.address)
        await page.ready()
        await page.sees(page.page.locator(".photos"), "This browser stores no photos: they are gone when the page is")
        await take(page, 2)
        async with page.page.expect_download() as event:
            await page.button("Download all").click()
        with zipfile.ZipFile(await (await event.value).path()) as archive:
            assert len(archive.namelist()) == 2
        await page.button("Delete all").click()
        await page.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await page.sees(page.page.locator(".photos"), "Pictures that you take appear here.")


@pytest.mark.slow
async def test_the_keyboard_leads_through_the_gallery_in_the_dark_too(page: ConsolePage) -> None:
    keyboard = page.page.keyboard
    await take(page, 2)
    await wear(page, "dark")
    await assert_accessible(page.page)
    newest, oldest = (thumbnails(page.page).nth(index) for index in (0, 1))
    await tab_to(page.page, page.page.locator(".photos li button").first)
    await keyboard.press("Enter")
    shown = page.page.locator(".lightbox img")
    await expect(shown).to_have_attribute("alt", await newest.get_attribute("alt") or "")
    await keyboard.press("ArrowRight")
    await expect(shown).to_have_attribute("alt", await oldest.get_attribute("alt") or "")
    await assert_accessible(page.page)
    await tab_to(page.page, page.page.locator(".lightbox").get_by_role("button", name="Delete"))
    await keyboard.press("Enter")
    await tab_to(
        page.page, page.page.get_by_role("dialog", name="Delete this photo?").get_by_role("button", name="Delete")
    )
    await keyboard.press("Enter")
    await oldest.wait_for(state="detached")
    await expect(shown, "the next one is shown").to_have_attribute("alt", await newest.get_attribute("alt") or "")
    await keyboard.press("Escape")
    await page.page.set_viewport_size({"width": 390, "height": 844})
    await assert_accessible(page.page)
    await assert_fits(page.page)


async def eventually_stored(page: Page, count: int) -> None:
    """Wait until so many photos are in the browser's storage."""

    async def are_stored() -> bool:
        return bool(await page.evaluate(_STORED) == count)

    await eventually(are_stored, f"{count} photos are stored")
