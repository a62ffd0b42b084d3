"""The page is installed like a program, and says so when there is no connection to its server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Route, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from robot_node.console.page import PageFile, headers, page_files
from robot_node.console.server import Console, http_routes, page_routes
from robot_node.core.web_server import listen, serve_app
from robot_node.settings.http import HttpSettings
from robot_node.settings.loading import load_settings
from scripts.icons import DRAW, ICONS, PUBLIC, svg_of
from tests.console.browser import DEADLINE_MS, ConsolePage, picture_of, serving, visit
from tests.console.conftest import Site
from tests.console.test_browser_look import assert_accessible
from tests.robot.web.conftest import TOKEN, running_server
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_INSTALLED = "() => navigator.serviceWorker.ready.then(() => true)"
_STORED = """async () => {
  const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
  const requests = await Promise.all(caches_.map((cache) => cache.keys()));
  return requests.flat().map(({ url }) => new URL(url).pathname);
}"""
# How long the page has been shown when it asks for the worker, in milliseconds; the call itself is made.
_SHOWN_BEFORE = """
const register = ServiceWorkerContainer.prototype.register;
let shown = Infinity;
new MutationObserver(() => {
  if (document.querySelector("video")) shown = Math.min(shown, performance.now());
}).observe(document, {subtree: true, childList: true});
ServiceWorkerContainer.prototype.register = function (...given) {
  window.shownBefore = performance.now() - shown;
  return register.apply(this, given);
};
"""
_NO_CONNECTION = "No connection to the server"
_BROKER = "ws://127.0.0.1:9/mqtt"


@contextlib.asynccontextmanager
async def behind_a_proxy(files: dict[str, PageFile], folder: str) -> AsyncIterator[str]:
    """The page in a folder of another server; yields its address."""
    pages = Starlette(routes=page_routes(Console(broker_url=_BROKER), files))

    async def in_folder(scope: dict[str, object], receive: object, send: object) -> None:
        scope["path"] = str(scope["path"]).removeprefix(f"/{folder}")
        scope["root_path"] = ""
        await pages(scope, receive, send)  # type: ignore[arg-type]  # as ASGI has them

    app = Starlette(routes=[Mount(f"/{folder}", in_folder)])  # type: ignore[arg-type]  # as ASGI has them
    with await listen("127.0.0.1", 0, remedy="") as listener:
        served = asyncio.create_task(serve_app(app, listener, host="127.0.0.1", name="proxy", lifespan="off"))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/{folder}/"
        finally:
            served.cancel()
            await asyncio.wait([served])


def port_of(address: str) -> int:
    """The port in a URL."""
    return urlsplit(address).port or 0


async def test_chromium_would_install_it(browser: Browser, tmp_path: Path) -> None:
    async with behind_a_proxy(page_files(), "robots") as address, visit(browser, address, tmp_path) as page:
        devtools = await page.page.context.new_cdp_session(page.page)
        manifest = await devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["url"] == f"{address}manifest.webmanifest"
        assert manifest["manifest"]["startUrl"] == address
        assert manifest["manifest"]["scope"] == address
        found = (await devtools.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        assert {each["errorId"] for each in found} <= {"in-incognito"}  # as the tests' visits are
        for icon in manifest["manifest"]["icons"]:
            assert (await page.page.request.get(icon["url"])).ok


async def test_its_icons_are_those_of_the_svg(browser: Browser) -> None:
    page = await browser.new_page()
    for name, side in ICONS.items():
        drawn = picture_of(await page.evaluate(DRAW, [svg_of(name), side])).convert("RGBA")
        with Image.open(io.BytesIO((PUBLIC / name).read_bytes())) as picture:
            assert picture.size == (side, side)
            apart = np.abs(np.asarray(picture.convert("RGBA"), dtype=float) - np.asarray(drawn, dtype=float))
        assert apart.mean() < 1, f"{name} differs from icon.svg: python -m scripts.icons"
    await page.close()


@pytest.mark.slow
async def test_without_its_server_it_says_so_until_the_server_is_back(browser: Browser, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(contextlib.AsyncExitStack())
        address = await server.enter_async_context(serving(Console(port=0, broker_url=_BROKER)))
        page = await stack.enter_async_context(visit(browser, f"{address}#/robot/kitchen", tmp_path, locale="de-DE"))
        await page.button("Einstellungen").first.wait_for()
        assert await page.page.evaluate(_INSTALLED)
        await server.aclose()

        await page.page.reload()
        await page.page.get_by_role("heading", name="Keine Verbindung zum Server").wait_for()
        await expect(page.page.locator("html")).to_have_attribute("lang", "de")
        await expect(page.page.get_by_role("heading", name=_NO_CONNECTION)).to_be_hidden()
        await assert_accessible(page.page)
        again = page.page.get_by_role("link", name="Jetzt erneut versuchen")
        async with page.page.expect_navigation():
            await again.click()
        await page.page.get_by_role("heading", name="Keine Verbindung zum Server").wait_for()
        for path in ("snapshot.jpg", "config.json", "assets/nothing.js"):
            assert await page.page.evaluate("(path) => fetch(path).catch(() => 'refused')", path) == "refused"

        await stack.enter_async_context(serving(Console(port=port_of(address), broker_url=_BROKER)))
        await page.button("Einstellungen").first.wait_for()  # by itself
        assert page.page.url == f"{address}#/robot/kitchen"


@pytest.mark.slow
async def test_it_keeps_that_page_alone_and_a_new_build_replaces_it(browser: Browser, tmp_path: Path) -> None:
    files = page_files()
    async with behind_a_proxy(files, "robots") as address, visit(browser, address, tmp_path) as page:
        await page.page.evaluate(_INSTALLED)
        await page.page.reload()
        await page.button("Settings").first.wait_for()
        stored = await page.page.evaluate(_STORED)
        assert {path.rpartition(".")[2] for path in stored} == {"html", "js", "css"}
        assert all("offline" in path and path.startswith("/robots/") for path in stored)

        worker, shell = files["/sw.js"], files["/offline.html"]
        other = worker.content.replace(b'"version":"', b'"version":"other-')
        files["/sw.js"] = replace(worker, content=other, compressed=None)
        files["/offline.html"] = replace(shell, content=shell.content.replace(b"No connection", b"Nothing at all"))
        await page.page.evaluate("() => navigator.serviceWorker.ready.then((registration) => registration.update())")

        async def is_replaced() -> bool:
            names: list[str] = await page.page.evaluate("() => caches.keys()")
            return ["other-" in name for name in names] == [True]

        await eventually(is_replaced, "the other build's page is stored, and it alone")
        assert sorted(await page.page.evaluate(_STORED)) == sorted(stored)
        kept = "(url) => caches.match(url).then((found) => found.text())"
        assert "Nothing at all" in await page.page.evaluate(kept, f"{address}offline.html")


async def test_it_works_at_the_robots_own_server_with_its_token(browser: Browser, tmp_path: Path) -> None:
    routes = http_routes(load_settings())
    who = {"username": "anybody", "password": TOKEN}
    async with (
        running_server(HttpSettings(port=0, token=TOKEN), also=routes) as server,
        visit(browser, server.url, tmp_path, http_credentials=who) as page,
    ):
        await page.page.evaluate(_INSTALLED)
        devtools = await page.page.context.new_cdp_session(page.page)
        assert (await devtools.send("Page.getAppManifest"))["manifest"]["name"] == "robot-node"
        await page.page.context.clear_cookies()
        await page.page.reload()
        await page.button("Settings").first.wait_for()


@pytest.mark.slow
async def test_the_worker_is_not_started_while_the_page_is_loading(site: Site, tmp_path: Path) -> None:
    """It would take the processor from the page that a person waits for."""
    async with visit(site.browser, "about:blank", tmp_path) as page:
        await page.page.add_init_script(_SHOWN_BEFORE)
        page.url = site.address
        await page.page.goto(site.address)
        await page.page.evaluate(_INSTALLED)
        assert await page.page.evaluate("window.shownBefore") >= 1500


async def test_elsewhere_it_says_nothing(browser: Browser) -> None:
    """Neither https nor this machine: browsers have no service workers there."""
    files, address = page_files(), "http://192.0.2.7/"

    async def answer(route: Route) -> None:
        file = files.get(urlsplit(route.request.url).path)
        if file is None:
            await route.fulfill(status=404)
        else:
            await route.fulfill(body=file.content, content_type=file.media_type, headers=dict(headers()))

    context = await browser.new_context(locale="en-GB")
    try:
        await context.route("**", answer)
        page = ConsolePage(await context.new_page(), address)
        await page.open()
        await page.button("Settings").first.wait_for(timeout=DEADLINE_MS)
        assert await page.page.evaluate("() => !isSecureContext && !('serviceWorker' in navigator)")
        # What the browser itself says of a page that is not secure.
        assert [error for error in page.errors if not re.search("404|Cross-Origin-Opener-Policy", error)] == []
    finally:
        await context.close()
