"""A web page of somebody else, in the browser of a person whose robot is on the same machine. Real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from robot_node.apps.private_broker import PrivateBroker
from robot_node.settings.http import HttpSettings
from tests.console.browser import DEADLINE_MS, chromium, visit
from tests.end_to_end.test_demo import running_demo
from tests.robot.web.conftest import CAMERAS, running_server

# The page speaks MQTT 5 by itself: CONNECT as a user or as nobody, until CONNACK with its reason code.
_CONNECT = """
([url, user, password]) => new Promise((resolve) => {
  const text = (value) => [0, value.length, ...new TextEncoder().encode(value)];
  const account = user ? [...text(user), ...text(password)] : [];
  const body = [...text("MQTT"), 5, user ? 0xc2 : 0x02, 0, 60, 0, ...text(""), ...account];
  const socket = new WebSocket(url, "mqtt");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(new Uint8Array([0x10, body.length, ...body]));
  socket.onmessage = ({data}) => { resolve(new Uint8Array(data)[3]); socket.close(); };
  socket.onerror = () => resolve("error");
  socket.onclose = () => resolve("closed");
})
"""
_READ = "(url) => fetch(url).then((response) => response.text()).catch((error) => error.name)"
_SHOW = """
(url) => new Promise((resolve) => {
  const image = new Image();
  image.onload = () => resolve(image.naturalWidth);
  image.onerror = () => resolve("error");
  image.src = url;
})
"""
_ACCEPTED = 0


_PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 17\r\nConnection: close\r\n\r\n<p>Win a robot!</p"
)


async def _send_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_PAGE)
        await writer.drain()
    writer.close()


@pytest.fixture
async def hostile_page() -> AsyncIterator[Page]:
    """A page of another origin, and nothing else in the browser.

    It comes from this machine: Chromium since version 142 asks the person before a page of the internet may do the
    same, other browsers do not.
    """
    async with await asyncio.start_server(_send_page, "127.0.0.1", 0) as server, chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(DEADLINE_MS)
        await page.goto(f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        yield page


async def test_browsers_let_any_page_connect_to_a_listener_without_a_password(
    hostile_page: Page, broker: PrivateBroker
) -> None:
    """What the other test is worth: this page can do it, where nobody stops it."""
    url = f"ws://127.0.0.1:{broker.websocket_port}/mqtt"
    assert await hostile_page.evaluate(_CONNECT, [url, "", ""]) == _ACCEPTED


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_page_of_another_server_shows_pictures_only_if_the_settings_name_it(
    hostile_page: Page, allowed: bool
) -> None:
    origin = await hostile_page.evaluate("location.origin")
    settings = HttpSettings(port=0, embed_origins=(origin,) if allowed else ())
    async with running_server(settings) as server:
        await server.camera.start()
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            for path in ("snapshot.jpg", "stream.mjpeg"):
                shown = await hostile_page.evaluate(_SHOW, f"{url}{path}")
                assert shown == (CAMERAS["front"].width if allowed else "error")


@pytest.mark.slow
async def test_a_page_of_another_server_gets_nothing_of_the_demo(hostile_page: Page, tmp_path: Path) -> None:
    async with running_demo(tmp_path) as demo:
        socket = re.search(r"for web pages (ws:\S+/mqtt)", demo.printed)
        console = re.search(r"Open it in a browser: (\S+)", demo.printed)
        assert socket
        assert console
        for host in ("127.0.0.1", "localhost"):  # this is a page of localhost, too
            url = socket[1].replace("127.0.0.1", host)
            assert await hostile_page.evaluate(_CONNECT, [url, "", ""]) in {"error", "closed"}
            for path in ("config.json", "snapshot.jpg"):
                address = f"{console[1]}{path}".replace("127.0.0.1", host)
                assert await hostile_page.evaluate(_READ, address) == "TypeError"
        # Nor where MQTT is spoken without WebSocket.
        plain = demo.broker_url.replace("mqtt://", "ws://")
        assert await hostile_page.evaluate(_CONNECT, [plain, "", ""]) in {"error", "closed"}
        # The person's own page works.
        assert hostile_page.context.browser
        async with visit(hostile_page.context.browser, console[1], tmp_path) as own:
            await own.ready()
            await own.camera.click()
            await own.moving_pictures()
