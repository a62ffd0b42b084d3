"""What the page costs: how much is loaded, how soon it can be used, how soon there is a picture. Printed at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.console.browser import visit
from tests.console.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LIMIT_BYTES = 300_000
_CLICKS = 5

# When the camera's switch can first be used, and every shift of what is on the screen.
_NOTES = """
window.usableAt = null;
window.shifts = [];
new MutationObserver((_, observer) => {
  if (!document.querySelector("[role=switch]:enabled")) return;
  window.usableAt = performance.now();
  observer.disconnect();
}).observe(document, {subtree: true, childList: true, attributes: true});
new PerformanceObserver((list) => {
  for (const {value, startTime} of list.getEntries()) window.shifts.push({value, at: startTime});
}).observe({type: "layout-shift", buffered: true});
"""


@pytest.mark.slow  # loads the page anew and starts the camera five times
async def test_the_page_is_light_and_soon_there(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    loaded: dict[str, int] = {}
    async with visit(site.browser, site.address, tmp_path) as page:
        network = await page.page.context.new_cdp_session(page.page)
        urls: dict[str, str] = {}

        def started(event: dict[str, Any]) -> None:
            urls[event["requestId"]] = event["request"]["url"]

        def finished(event: dict[str, Any]) -> None:
            loaded[urls.get(event["requestId"], "")] = int(event["encodedDataLength"])

        network.on("Network.requestWillBeSent", started)
        network.on("Network.loadingFinished", finished)
        await network.send("Network.enable")
        await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        await page.page.add_init_script(_NOTES)
        await page.page.reload()
        await page.ready()
        usable_ms = await page.page.evaluate("() => window.usableAt")
        began_ms = await page.page.evaluate("() => performance.now()")
        clicks_ms: list[float] = []
        for _ in range(_CLICKS):
            await page.camera.click()
            await page.moving_pictures(1)
            clicks_ms.append(await page.page.evaluate("() => window.paintedAt - window.clickedAt"))
            await page.camera.click()
            await page.sees(page.overlay, "The camera is off")
        shifts = [shift["value"] for shift in await page.page.evaluate("window.shifts") if shift["at"] > began_ms]
    here = {url.removeprefix(site.address): size for url, size in loaded.items() if url.startswith(site.address)}
    assert {"", "config.json", "faces/happy.png"} <= set(here)
    assert len([name for name in here if name.startswith("assets/")]) >= 2
    assert sum(here.values()) < _LIMIT_BYTES, here
    assert sum(shifts) < 0.01, "the page jumps when the video starts"  # a tenth of what is taken for good
    record_property("console: page weight", f"{sum(here.values()) / 1000:.0f} kB in {len(here)} files")
    record_property("console: time to interactive", f"{usable_ms:.0f} ms")
    record_property("console: click to first frame, p50", f"{median(clicks_ms):.0f} ms")
