"""The frames that a browser paints: the capture time in each picture, and when the browser expects to display it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._report import BenchmarkError

Evaluate = Callable[[str], Awaitable[Any]]
"""Returns the value of a JavaScript expression, or of its promise, in a page."""

_STAMP_MODULO_MS = 1 << 24
_RTP_CLOCK_PER_MS = 90
_RTP_TIMESTAMPS = 1 << 32
_CLOCK_READINGS = 50
_REFRESH_MS = 1000 / 60

# As hw_mocks.clock_scene.read_stamp: 24 bits of the time and 8 to check as black and white blocks, of which the
# middle is read.
SAMPLER = """
window.painted = [];
(() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const stampOf = (video) => {
    const width = video.videoWidth, height = video.videoHeight;
    const side = Math.max(2, Math.floor(width / 36 / 2) * 2);
    const left = Math.floor((width - side * 32) / 4) * 2, top = Math.floor((height - 2 * side) / 2) * 2;
    canvas.width = side * 32; canvas.height = 2;
    context.drawImage(video, left, top + side / 2 - 1, side * 32, 2, 0, 0, side * 32, 2);
    const pixels = context.getImageData(0, 0, side * 32, 1).data;
    let stamp = 0, check = 0;
    for (let bit = 0; bit < 32; bit += 1) {
      const white = pixels[4 * (bit * side + side / 2)] > 125 ? 1 : 0;
      if (bit < 24) stamp = stamp * 2 + white; else check = check * 2 + white;
    }
    return check === ((stamp ^ stamp >> 8 ^ stamp >> 16 ^ 0x5A) & 0xFF) ? stamp : null;
  };
  const watch = (video) => {
    if (video.sampled) return;
    video.sampled = true;
    const painted = (now, {expectedDisplayTime, receiveTime, rtpTimestamp}) => {
      video.requestVideoFrameCallback(painted);
      if (window.painted.length < 20000)
        window.painted.push([stampOf(video), expectedDisplayTime, now, receiveTime ?? null, rtpTimestamp ?? null]);
    };
    video.requestVideoFrameCallback(painted);
  };
  const look = () => { for (const video of document.querySelectorAll("video")) watch(video); };
  new MutationObserver(look).observe(document, {subtree: true, childList: true});
  look();
})();
"""
"""To be run in the page before its own scripts; ``window.painted`` then has a list for each frame."""


@dataclass(frozen=True, slots=True)
class PaintedFrame:
    """A frame that was painted; times in milliseconds of the machine's monotonic clock.

    Attributes:
        captured: When the simulated camera captured it.
        received: When its last packet had come, where the browser tells.
        displayed: When the browser expected it to be on the screen.
        called: When it called back to say so, at the begin of a refresh of the screen.
    """

    captured: float
    received: float | None
    displayed: float
    called: float

    @property
    def latency_ms(self) -> float:
        """From the camera to the screen."""
        return self.displayed - self.captured

    @property
    def refresh_ms(self) -> float:
        """The same until the end of the refresh in which the browser called back."""
        return max(self.displayed, self.called + _REFRESH_MS) - self.captured


class PageClock:
    """Converts times of a page's ``performance.now()`` to the machine's monotonic clock.

    Attributes:
        error_ms: The conversion is off by this at most.
    """

    def __init__(self, offset_ms: float, error_ms: float) -> None:
        self.offset_ms = offset_ms
        self.error_ms = error_ms

    @classmethod
    async def read(cls, evaluate: Evaluate) -> PageClock:
        """Compare the clocks, and use the fastest answer of several."""
        best: tuple[float, float] | None = None
        for _ in range(_CLOCK_READINGS):
            before = time.monotonic() * 1000
            there = float(await evaluate("performance.now()"))
            after = time.monotonic() * 1000
            if best is None or after - before < best[0]:
                best = after - before, (before + after) / 2 - there
        if best is None:
            raise BenchmarkError("The clocks were not compared.")
        return cls(best[1], best[0] / 2)


def read_frames(samples: Sequence[Sequence[float | None]], clock: PageClock) -> tuple[list[PaintedFrame], int]:
    """What was painted.

    The canvas may already show the next frame when the page is late; the RTP timestamp, where the browser tells it,
    says which one was painted.

    Args:
        samples: ``window.painted``.
        clock: That of the page.

    Returns:
        The frames, and how many could not be read.
    """
    stamps = [_captured(sample[0], sample[1], clock) for sample in samples]
    offsets = [
        stamp - _ms(sample[4]) for stamp, sample in zip(stamps, samples, strict=True) if stamp and sample[4] is not None
    ]
    offset = statistics.median(offsets) if offsets else None
    frames = []
    for stamp, (_, displayed, called, received, rtp) in zip(stamps, samples, strict=True):
        captured = stamp if rtp is None or offset is None else _ms(rtp) + offset
        if captured is None or displayed is None or called is None:
            continue
        arrived = None if received is None else received + clock.offset_ms
        frames.append(PaintedFrame(captured, arrived, displayed + clock.offset_ms, called + clock.offset_ms))
    return frames, len(samples) - len(frames)


def _ms(rtp_timestamp: float | None) -> float:
    return (rtp_timestamp or 0) / _RTP_CLOCK_PER_MS


def _captured(stamp: float | None, displayed: float | None, clock: PageClock) -> float | None:
    if stamp is None or displayed is None:
        return None
    now = displayed + clock.offset_ms
    return now - (now - stamp) % _STAMP_MODULO_MS
