"""The console's page in a real Chromium, and what a person sees and does there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, async_playwright, expect

from robot_node.console.server import Console, serve_console
from tests.waiting import DEADLINE_S

DEADLINE_MS = 1000 * DEADLINE_S
expect.set_options(timeout=DEADLINE_MS)  # of what a page shows after an action: it renders when it gets to it
INSECURE_HOST = "192.0.2.1"
"""This machine at an address that browsers do not take for it: without https it is no secure context."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A microphone that beeps.
    "--use-fake-device-for-media-stream",
    f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
]
_ALLOW_MICROPHONE = "--use-fake-ui-for-media-stream"
# The browser itself reports connections that fail, and a header that needs https; a page cannot prevent that.
_REPORTED_BY_THE_BROWSER = re.compile(
    r"WebSocket connection to '.*' failed|Failed to load resource: net::ERR_|The Cross-Origin-Opener-Policy header"
)

# For the time from a click to the first picture on the screen, and for what the page itself costs.
_WATCH = """
window.addEventListener("click", () => { window.clickedAt = performance.now(); window.paintedAt = null; }, true);
new MutationObserver(() => {
  const video = document.querySelector("video");
  if (!video || video.watched) return;
  video.watched = true;
  const painted = (now) => { window.paintedAt ??= now; video.requestVideoFrameCallback(painted); };
  video.requestVideoFrameCallback(painted);
}).observe(document, {subtree: true, childList: true});
"""


@contextlib.asynccontextmanager
async def chromium(*more: str, allows_microphone: bool = True) -> AsyncIterator[Browser]:
    """A browser of this test's own, whose person allows the page the microphone, or does not; with more arguments."""
    executable = shutil.which("chromium")
    assert executable, "chromium is not installed: sudo apt-get install chromium"
    arguments = [*ARGUMENTS, *((_ALLOW_MICROPHONE,) if allows_microphone else ()), *more]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments, headless=True)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def serving(console: Console) -> AsyncIterator[str]:
    """The page, served; yields its address."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_console(console, on_listening=address.set_result), name="console")
    try:
        url = await asyncio.wait_for(address, DEADLINE_MS / 1000)
        yield url
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@dataclass
class ConsolePage:
    """One page, as a person sees it.

    Attributes:
        page: Playwright's own.
        url: Where it is.
        errors: What the browser's console has shown as an error, without what the browser says of failed connections.
        elsewhere: Requests that went to another host than the page's.
    """

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    async def open(self) -> None:
        """Open it and take notes."""
        self.page.set_default_timeout(DEADLINE_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._note_request(request.url))
        await self.page.add_init_script(_WATCH)
        await self.page.goto(self.url)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _REPORTED_BY_THE_BROWSER.search(message.text):
            self.errors.append(message.text)

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.url.partition("#")[0], "data:", "blob:")):
            self.elsewhere.append(url)

    def button(self, name: str) -> Locator:
        """A button by its label."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def allow(self) -> None:
        """Confirm what the robot asks; press again, as a person would, when it was too soon to count."""
        asks = self.page.get_by_role("dialog", name="asks")
        await asks.wait_for()
        async with asyncio.timeout(DEADLINE_MS / 1000):
            while await asks.is_visible():
                with contextlib.suppress(Error):
                    await self.button("Allow").click(timeout=500)

    @property
    def camera(self) -> Locator:
        """The switch of the camera."""
        return self.page.get_by_role("switch", name="Camera")

    @property
    def overlay(self) -> Locator:
        """What stands where the picture would be."""
        return self.page.locator(".overlay")

    @property
    def banner(self) -> Locator:
        """What stands between the person and the robot."""
        return self.page.locator(".banner")

    @property
    def face(self) -> Locator:
        """The picture of the robot's face."""
        return self.page.locator(".oled img")

    async def ready(self) -> None:
        """Wait for the robot's session: the camera can be switched."""
        await self.page.wait_for_selector(".switch:enabled")

    async def sees(self, place: Locator, text: str) -> None:
        """Wait until a text stands there."""
        await place.filter(has_text=text).first.wait_for()

    async def moving_pictures(self, count: int = 10) -> None:
        """Wait for further pictures on the screen, not only for a stream."""
        await self.page.wait_for_selector("video:not(.empty)")
        seen = await self.page.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
        await self.page.wait_for_function(
            "(least) => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames >= least",
            arg=seen + count,
        )

    async def frames(self, count: int) -> list[av.VideoFrame]:
        """Pictures out of the ``<video>``, one after the other."""
        pictures: Sequence[str] = await self.page.evaluate(
            """async (count) => {
              const video = document.querySelector("video");
              const canvas = document.createElement("canvas");
              const pictures = [];
              for (let index = 0; index < count; index += 1) {
                await new Promise((painted) => video.requestVideoFrameCallback(painted));
                canvas.width = video.videoWidth; canvas.height = video.videoHeight;
                canvas.getContext("2d").drawImage(video, 0, 0);
                pictures.push(canvas.toDataURL("image/jpeg", 0.9));
              }
              return pictures;
            }""",
            count,
        )
        return [frame_of(picture) for picture in pictures]


async def shown_in(image: Locator) -> av.VideoFrame:
    """What an ``<img>`` shows."""
    await image.wait_for()
    return frame_of(
        await image.evaluate(
            """async (image) => {
              await image.decode();
              const canvas = document.createElement("canvas");
              canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
              canvas.getContext("2d").drawImage(image, 0, 0);
              return canvas.toDataURL("image/png");
            }"""
        )
    )


def picture_of(data_url: str) -> Image.Image:
    """The picture in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2])))


def frame_of(data_url: str) -> av.VideoFrame:
    """The picture in a data URL as a frame of video."""
    return av.VideoFrame.from_ndarray(np.asarray(picture_of(data_url).convert("RGB")), format="rgb24")


@contextlib.asynccontextmanager
async def visit(browser: Browser, url: str, folder: Path, **options: Any) -> AsyncIterator[ConsolePage]:
    """Open the page as a new visitor; nothing may be wrong with it at the end. A picture is kept of one that fails."""
    context = await browser.new_context(**{"viewport": {"width": 1360, "height": 900}, "locale": "en-GB", **options})
    console = ConsolePage(await context.new_page(), url)
    try:
        await console.open()
        yield console
        assert console.errors == []
        assert console.elsewhere == []
    except BaseException:
        await console.page.screenshot(path=folder / "last.png")
        raise
    finally:
        await context.close()
