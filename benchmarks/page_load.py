"""How soon the console's page can be used, on a slow device: a processor four times slower, 10 Mbit/s, nothing cached.

``python -m benchmarks.page_load`` prints one JSON line, times in milliseconds from the navigation, in real Chromium:

* ``usable_p50_ms``, ``usable_min_ms``: until a frame is painted in which the robot is listed as online, and the switch
  of its camera and the buttons of its face can be pressed. Target: 1000.
* ``answer_p50_ms``: from a press of a button of the face, as soon as it is usable, until the page shows that the robot
  has this expression; throttled.
* ``listed_p50_ms``: until the robot is listed. ``painted_p50_ms``: until anything is painted: the page's frame.
* ``script_p50_ms``: until the page's script has been loaded, and can begin to run.
* ``cpu_p50_ms``: processor time of the main thread until the page was usable, without throttling: what else the machine
  does hardly changes it. Four times that, and the transfer, are the least that ``usable`` can be.
* ``unthrottled_p50_ms``: ``usable`` without any throttling. ``throttled_ratio``: of the two medians.
* ``listener_p50_ms``: ``usable``, throttled, with the page of the console's server, and the broker's own WebSocket
  listener. The other figures are of the page at the robot's HTTP server (``[http]``), which leads to the broker, too.
* ``loaded_kb``: what was transferred over HTTP, in kilobytes. ``loads``: how often, each way.

Chromium throttles processor and HTTP by its DevTools protocol, each request with 10 ms of latency more; MQTT over
WebSocket is not throttled, nor are the threads on which scripts are compiled while they arrive. Robot and broker are
processes of their own, on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from typing import Any, NamedTuple

from playwright.async_api import Browser
from playwright.async_api import Error as BrowserError

from benchmarks._processes import robot
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress
from robot_node.apps.private_broker import PrivateBroker, free_port
from robot_node.console.server import Console
from tests.console.browser import chromium, serving

_ROBOT_ID = "robot"
_LIMIT_S = 240.0
_SLOWDOWN = 4
_BYTES_PER_S = 10_000_000 / 8
_LATENCY_MS = 10

# With DevTools connected, V8 parses a script once more for the first stack trace that it takes, e.g. at fetch(), unless
# it keeps the lines when it parses it first. Without DevTools there are no stack traces: this is nearer to that.
_BROWSER = ("--js-flags=--no-enable-lazy-source-positions",)

# To be run in the page before its own scripts.
_STOPWATCH = """
(() => {
  const seen = (name, selector) => {
    if (window.times[name] === undefined && document.querySelector(selector)) {
      window.times[name] = 0;
      requestAnimationFrame(() => setTimeout(() => {
        window.times[name] = performance.now();
        if (name === "usable") window.tellUsable();
      }));
    }
  };
  window.times = {};
  window.usable = new Promise((resolve) => { window.tellUsable = resolve; });
  new MutationObserver(() => {
    seen("listed", ".robot .dot.on");
    if (document.querySelector(".emotions button:enabled")) seen("usable", ".switch:enabled");
  }).observe(document, {subtree: true, childList: true, attributes: true});
})();
"""
_PRESS = """
new Promise((resolve) => {
  const pressed = performance.now();
  const button = document.querySelector(".emotions button[aria-pressed=false]");
  const look = () => { if (button.ariaPressed === "true") resolve(performance.now() - pressed); };
  new MutationObserver(look).observe(button, {attributes: true});
  button.click();
})
"""
_FIGURES = """
(() => {
  const entries = performance.getEntriesByType("resource");
  const script = entries.find(({name}) => name.endsWith(".js"));
  const [page] = performance.getEntriesByType("navigation");
  return {
    ...window.times,
    painted: performance.getEntriesByType("paint")[0]?.startTime ?? 0,
    script: script?.responseEnd ?? 0,
    bytes: [page, ...entries].reduce((sum, {transferSize}) => sum + transferSize, 0),
  };
})()
"""


class _Load(NamedTuple):
    """One load of the page: times in milliseconds since the navigation."""

    usable: float
    answer: float
    listed: float
    painted: float
    script: float
    cpu: float
    size: float


async def _load(browser: Browser, url: str, *, throttled: bool) -> _Load:
    context = await browser.new_context(locale="en-GB", viewport={"width": 1360, "height": 900})
    try:
        page = await context.new_page()
        devtools = await context.new_cdp_session(page)

        # Not page.evaluate() and its like: the scripts that they bring take a tenth of the page's own time.
        async def evaluated(expression: str) -> Any:
            awaited = {"expression": expression, "awaitPromise": True, "returnByValue": True}
            return (await devtools.send("Runtime.evaluate", awaited))["result"].get("value")

        await devtools.send("Page.enable")
        await devtools.send("Page.addScriptToEvaluateOnNewDocument", {"source": _STOPWATCH})
        if throttled:
            await devtools.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWDOWN})
            speed = {"downloadThroughput": _BYTES_PER_S, "uploadThroughput": _BYTES_PER_S}
            await devtools.send("Network.enable")
            await devtools.send("Network.emulateNetworkConditions", {"offline": False, "latency": _LATENCY_MS, **speed})
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        await page.goto(url, wait_until="commit")
        async with asyncio.timeout(_LIMIT_S):
            await evaluated("window.usable")
            metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
            found = await evaluated(_FIGURES)
            answer = await evaluated(_PRESS)
        cpu_s = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
    except BrowserError as error:
        raise BenchmarkError(f"The page at {url} cannot be used: {error.message.splitlines()[0]}") from error
    except TimeoutError as error:
        raise BenchmarkError(f"The page at {url} cannot be used after {_LIMIT_S:g} s.") from error
    finally:
        await context.close()
    times = (found["usable"], answer, found["listed"], found["painted"], found["script"])
    return _Load(*times, cpu_s * 1000, found["bytes"])


async def measure(count: int) -> dict[str, Any]:
    """Load the page in each way, in turn.

    Args:
        count: How often, each way, after one load that is not counted.

    Returns:
        What is printed.
    """
    slow: list[_Load] = []
    fast: list[_Load] = []
    listener: list[_Load] = []
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        private, port = await enter(PrivateBroker(websocket_port=0)), free_port()
        await enter(robot(private, _ROBOT_ID, http__enabled="true", http__port=str(port)))
        door = f"http://127.0.0.1:{port}/"
        websocket = f"ws://127.0.0.1:{private.websocket_port}/mqtt"
        other = await enter(serving(Console(port=0, broker_url=websocket)))
        browser = await enter(chromium(*_BROWSER))
        await _load(browser, door, throttled=False)
        for number in range(count):
            slow.append(await _load(browser, door, throttled=True))
            fast.append(await _load(browser, door, throttled=False))
            listener.append(await _load(browser, other, throttled=True))
            times = ", ".join(f"{loads[-1].usable:.0f} ms" for loads in (slow, fast, listener))
            progress(f"load {number + 1} of {count}: throttled, unthrottled, by the listener: {times}")
    usable, unthrottled = [load.usable for load in slow], [load.usable for load in fast]
    p50 = percentile(usable, 50)
    return {
        "usable_p50_ms": round(p50),
        "usable_min_ms": round(min(usable)),
        "answer_p50_ms": round(percentile([load.answer for load in slow], 50)),
        "listed_p50_ms": round(percentile([load.listed for load in slow], 50)),
        "painted_p50_ms": round(percentile([load.painted for load in slow], 50)),
        "script_p50_ms": round(percentile([load.script for load in slow], 50)),
        "cpu_p50_ms": round(percentile([load.cpu for load in fast], 50)),
        "unthrottled_p50_ms": round(percentile(unthrottled, 50)),
        "throttled_ratio": round(p50 / percentile(unthrottled, 50), 2),
        "listener_p50_ms": round(percentile([load.usable for load in listener], 50)),
        "loaded_kb": round(statistics.median(load.size for load in slow) / 1000),
        "loads": len(slow),
    }


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.page_load", __doc__)
    parser.add_argument("--loads", type=positive, default=9, metavar="N", help="how often, each way (default: 9)")
    parser.add_argument("--quick", action="store_true", help="two loads each way, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(2 if arguments.quick else arguments.loads))


if __name__ == "__main__":
    main()
