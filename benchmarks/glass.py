"""How old the picture is that a person sees on the console's page: glass to glass, in real Chromium and Firefox.

``python -m benchmarks.glass`` prints one JSON line; for ``chromium`` and ``firefox`` each, times in milliseconds:

* ``p50_ms``, ``p95_ms``: from the simulated camera's capture until the browser expects the frame on the screen
  (``expectedDisplayTime`` of ``requestVideoFrameCallback``; Firefox gives the time of painting). Targets: 35 and 50.
  The capture time is read from the pixels of each painted frame.
* ``refresh_p50_ms``, ``refresh_p95_ms``: an upper bound of it, the refresh of the screen after that callback, at 60 Hz:
  Chromium names the time of painting as well when it paints a frame as soon as it has it.
* ``received_p50_ms``, ``received_p95_ms``: from the same moment until the frame's last packet had come.
* ``hidden_back_ms``: from when the tab was shown again after some seconds, until frames are younger than 60 ms, and
  four of five stay so for a second. Target: 1000. ``dropped_back_ms``: the same, from the end of two seconds in which
  the network dropped all packets; ``held_back_ms``: in which it held them, and then delivered all at once.
* ``after_hidden_p50_ms``, ``after_dropped_p50_ms``, ``after_held_p50_ms``: the picture's age in the third second after
  that: whether something is still queued. Null: not within 4 s; of ``hidden`` also if the browser did not hide the tab.
* ``frames``, ``unread_frames``: how many were measured, and could not be.
* ``clock_error_ms``: by this at most the browser's clock and the robot's differ.

Robot (``robot-node run`` with a simulated camera, 1280x720 at 30 frames/s), broker and browser are processes of their
own, on loopback; the browsers draw without a screen and without a GPU. The pauses are those of a relay between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from benchmarks._painted_frames import SAMPLER, PageClock, PaintedFrame, read_frames
from benchmarks._processes import robot
from benchmarks._report import BenchmarkError, command_line, percentile, positive, print_result, progress
from benchmarks._udp_relay import Relay, Traffic, relay
from robot_node.apps.private_broker import PrivateBroker
from robot_node.console.server import Console
from tests.console.browser import serving
from tests.console.devtools import chromium_tab
from tests.console.firefox import firefox

_YOUNG_MS = 60.0
_WATCH_S = 4.0
_START_LIMIT_S = 240.0
_WARM_UP_FRAMES = 60
_FIREFOX_PREFERENCES = 'user_pref("privacy.reduceTimerPrecision", false);\n'


class _Window(Protocol):
    """A page of a browser."""

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""

    def hidden(self) -> AbstractAsyncContextManager[None]:
        """Put another tab before it."""


@contextlib.asynccontextmanager
async def _chromium(url: str, *scripts: str) -> AsyncIterator[_Window]:
    with tempfile.TemporaryDirectory(prefix="glass-", ignore_cleanup_errors=True) as name:
        async with chromium_tab(Path(name)) as window:
            for script in scripts:
                await window.before_each_page(script)
            await window.open(url)
            yield window


@contextlib.asynccontextmanager
async def _firefox(url: str, *scripts: str) -> AsyncIterator[_Window]:
    with tempfile.TemporaryDirectory(prefix="glass-") as name:
        folder = Path(name)
        (folder / "user.js").write_text(_FIREFOX_PREFERENCES)
        async with firefox(folder) as window:
            for script in scripts:
                await window.before_each_page(f"() => {{ {script} }}")
            await window.open(url)
            yield window


async def _take(window: _Window, clock: PageClock, seconds: float) -> tuple[list[PaintedFrame], int]:
    await window.evaluate("void (window.painted = [])")
    await asyncio.sleep(seconds)
    return read_frames(await window.evaluate("window.painted"), clock)


async def _warm(window: _Window) -> PageClock:
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            while await window.evaluate("window.painted.length") < _WARM_UP_FRAMES:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise BenchmarkError(f"There are no {_WARM_UP_FRAMES} frames within {_START_LIMIT_S:g} s.") from error
    return await PageClock.read(window.evaluate)


def _back_ms(frames: Sequence[PaintedFrame], since_ms: float) -> float | None:
    """How long it took until frames were young again; None when it has not come to that."""
    shown = [frame for frame in frames if frame.displayed >= since_ms]
    for index, first in enumerate(shown):
        second = [frame for frame in shown[index:] if frame.displayed < first.displayed + 1000]
        young = sum(frame.latency_ms < _YOUNG_MS for frame in second)
        if first.latency_ms < _YOUNG_MS and len(second) > 1 and young >= 0.8 * len(second):
            return first.displayed - since_ms
    return None


async def _after(window: _Window, clock: PageClock, pause: Callable[[], Awaitable[bool]], name: str) -> dict[str, Any]:
    """What is seen after a pause."""
    if not await pause():
        return {f"{name}_back_ms": None, f"after_{name}_p50_ms": None}
    since_ms = time.monotonic() * 1000
    frames, _ = await _take(window, clock, _WATCH_S)
    back = _back_ms(frames, since_ms)
    later = [frame.latency_ms for frame in frames if 2000 <= frame.displayed - since_ms < 3000]
    return {
        f"{name}_back_ms": None if back is None else round(back),
        f"after_{name}_p50_ms": round(percentile(later, 50), 1) if later else None,
    }


def _pauses(window: _Window, network: Relay, seconds: float) -> dict[str, Callable[[], Awaitable[bool]]]:
    async def hide() -> bool:
        async with window.hidden():
            await asyncio.sleep(seconds)
            return bool(await window.evaluate("document.visibilityState") == "hidden")

    async def stop(traffic: Traffic) -> bool:
        network.let(traffic)
        await asyncio.sleep(seconds)
        network.let(Traffic.PASS)
        return True

    return {"hidden": hide, "dropped": lambda: stop(Traffic.DROP), "held": lambda: stop(Traffic.HOLD)}


async def _measure(
    browser: Callable[..., AbstractAsyncContextManager[_Window]], url: str, seconds: float, pause_s: float
) -> dict[str, Any]:
    async with browser(url, SAMPLER) as window:
        clock = await _warm(window)
        frames, unread = await _take(window, clock, seconds)
    latencies = [frame.latency_ms for frame in frames]
    refreshes = [frame.refresh_ms for frame in frames]
    received = [frame.received - frame.captured for frame in frames if frame.received is not None]
    result: dict[str, Any] = {
        "p50_ms": round(percentile(latencies, 50), 1),
        "p95_ms": round(percentile(latencies, 95), 1),
        "refresh_p50_ms": round(percentile(refreshes, 50), 1),
        "refresh_p95_ms": round(percentile(refreshes, 95), 1),
        "received_p50_ms": round(percentile(received, 50), 1) if received else None,
        "received_p95_ms": round(percentile(received, 95), 1) if received else None,
        "frames": len(frames),
        "unread_frames": unread,
        "clock_error_ms": round(clock.error_ms, 2),
    }
    async with relay() as network, browser(url, SAMPLER, network.script) as window:
        clock = await _warm(window)
        for name, pause in _pauses(window, network, pause_s).items():
            result |= await _after(window, clock, pause, name)
            progress(f"after {name}: {result[f'{name}_back_ms']} ms")
    return result


async def measure(seconds: float, pause_s: float) -> dict[str, Any]:
    """Watch with one browser after the other.

    Args:
        seconds: How long to watch with each.
        pause_s: How long the tab is hidden, and the network pauses.

    Returns:
        What is printed.
    """
    results: dict[str, Any] = {}
    for name, browser in (("chromium", _chromium), ("firefox", _firefox)):
        async with contextlib.AsyncExitStack() as stack:
            private = await stack.enter_async_context(PrivateBroker(websocket_port=0))
            addresses = "[]"  # Firefox uses no loopback address
            await stack.enter_async_context(robot(private, "robot", webrtc__addresses=addresses))
            broker_url = f"ws://127.0.0.1:{private.websocket_port}/mqtt"
            url = await stack.enter_async_context(serving(Console(port=0, broker_url=broker_url)))
            results[name] = await _measure(browser, url, seconds, pause_s)
            progress(f"{name}: {results[name]}")
    return results


def main() -> None:
    """Read the command line, measure, print one JSON line."""
    parser = command_line("benchmarks.glass", __doc__)
    parser.add_argument("--seconds", type=positive, default=30, metavar="S", help="how long to watch (default: 30)")
    parser.add_argument("--quick", action="store_true", help="three seconds, to see that it works")
    arguments = parser.parse_args()
    print_result(measure(3, 1) if arguments.quick else measure(arguments.seconds, 2))


if __name__ == "__main__":
    main()
