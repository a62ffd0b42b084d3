"""How long a person waits for a photo on the console's page: by the robot's HTTP server, and by the broker's WebSocket.

``python -m benchmarks.page_photo`` prints one JSON line, times in milliseconds:

* ``door_p50_ms``, ``door_p95_ms``: from the click on "Photo" until real Chromium has decoded the photo and begins to
  paint it, with the page opened at the robot's HTTP server (``[http]``), through which it reaches the broker.
  Target: 400.
* ``listener_p50_ms``, ``listener_p95_ms``: the same with the page of the console's server, which reaches the broker at
  the broker's own WebSocket listener.
* ``door_ratio``: of the two medians, the robot's over the broker's.
* ``agent_p50_ms``: a call of ``take_photo`` over MQTT by TCP, without a page.
* ``photo_kb``: the photo's size as JPEG, in kilobytes, median.
* ``photos``: how many were taken each way.

The camera is on, 1280x720 at 30 frames/s with the noise of a real one, and the page shows its video meanwhile. Robot,
broker and browser are processes of their own, on loopback; both pages use the same broker and robot, in turn.
"""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path
from typing import Any

from mcp_types import ImageContent
from playwright.async_api import Browser, Page
from playwright.async_api import Error as BrowserError

from benchmarks._agent import agent
from benchmarks._footage import busy_clip
from benchmarks._processes import robot
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress, times_ms
from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.console.server import Console
from robot_node.mqtt import Broker
from tests.console.browser import chromium, serving

_ROBOT_ID = "robot"
_LIMIT_MS = 240_000
_WARM_UP = 1

# To be run in the page before its own scripts: a promise for each click, with what it took.
_STOPWATCH = """
(() => {
  let done = null;
  window.nextPhoto = () => new Promise((resolve) => { done = resolve; });
  let clicked = 0;
  window.addEventListener("click", (event) => { clicked = event.timeStamp; }, true);
  new MutationObserver(async () => {
    const image = document.querySelector(".photos li img");
    if (!image || image.timed) return;
    image.timed = true;
    await image.decode();
    requestAnimationFrame((now) => done?.(now - clicked));
  }).observe(document, {subtree: true, childList: true});
})();
"""


async def _photos(browser: Browser, url: str, count: int) -> list[float]:
    """Open the page, wait for its video, and take that many photos; returns how long after the click each was shown."""
    page = await browser.new_page(locale="en-GB")
    try:
        page.set_default_timeout(_LIMIT_MS)
        await page.add_init_script(_STOPWATCH)
        await page.goto(url)
        await page.wait_for_selector("video:not(.empty)")
        shown = [await _photo(page) for _ in range(_WARM_UP + count)]
    except BrowserError as error:
        raise BenchmarkError(f"The page at {url} shows no photo: {error.message.splitlines()[0]}") from error
    finally:
        await page.close()
    return shown[_WARM_UP:]


async def _photo(page: Page) -> float:
    await page.evaluate("void (window.photo = window.nextPhoto())")
    await page.get_by_role("button", name="Photo", exact=True).click()
    return float(await page.evaluate("window.photo"))


async def measure(count: int, rounds: int) -> dict[str, Any]:
    """Take photos on one page after the other.

    Args:
        count: How many photos in each round, each way.
        rounds: In how many turns.

    Returns:
        What is printed.
    """
    shown: dict[str, list[float]] = {"door": [], "listener": []}
    called, sizes = list[float](), list[int]()
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        clip: Path = stack.enter_context(busy_clip())
        private, port = await enter(PrivateBroker(websocket_port=0)), free_port()
        await enter(robot(private, _ROBOT_ID, scene=str(clip), http__enabled="true", http__port=str(port)))
        websocket = f"ws://127.0.0.1:{private.websocket_port}/mqtt"
        pages = {
            "door": f"http://127.0.0.1:{port}/",
            "listener": await enter(serving(Console(port=0, broker_url=websocket))),
        }
        caller = await enter(agent(Broker.from_url(private.url), _ROBOT_ID))
        browser = await enter(chromium())

        async def call() -> None:
            blocks = (await caller.call_tool("take_photo", {})).content
            sizes.extend(len(block.data) * 3 // 4 for block in blocks if isinstance(block, ImageContent))

        for number in range(rounds):
            for way, url in pages.items():
                shown[way] += await _photos(browser, url, count)
            called += await times_ms(call, count)
            so_far = ", ".join(f"{way} {percentile(times, 50):.0f} ms" for way, times in shown.items())
            progress(f"round {number + 1} of {rounds}: {so_far}")
    p50 = {way: percentile(times, 50) for way, times in shown.items()}
    return {
        "door_p50_ms": round(p50["door"]),
        "door_p95_ms": round(percentile(shown["door"], 95)),
        "listener_p50_ms": round(p50["listener"]),
        "listener_p95_ms": round(percentile(shown["listener"], 95)),
        "door_ratio": round(p50["door"] / p50["listener"], 3),
        "agent_p50_ms": round(percentile(called, 50)),
        "photo_kb": round(statistics.median(sizes) / 1000),
        "photos": len(shown["door"]),
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.page_photo", __doc__)
    parser.add_argument("--photos", type=positive, default=5, metavar="N", help="in each round, each way (default: 5)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="how often (default: 3)")
    parser.add_argument("--quick", action="store_true", help="two photos each way, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(2, 1) if arguments.quick else measure(arguments.photos, arguments.rounds))


if __name__ == "__main__":
    main()
