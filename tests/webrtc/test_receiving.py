"""What a viewer reports of the frames that it received."""

from __future__ import annotations

import asyncio
from itertools import count

import av

from robot_node.webrtc.receiving import ReceivedFrame, WatchReport, watch_frames


async def test_the_report_has_the_time_to_the_first_frame_and_the_frame_rate() -> None:
    arrivals = (10.0 + number / 8 for number in count())

    async def next_frame() -> ReceivedFrame:
        return ReceivedFrame(av.VideoFrame(160, 120), next(arrivals))

    seen: list[int] = []
    report = await watch_frames(
        next_frame, offered_at=9.5, frames=5, output=None, stop=asyncio.Event(), on_progress=seen.append
    )
    assert report == WatchReport(first_frame_ms=500.0, frames=5, width=160, height=120, fps=8.0)
    assert seen == [1, 2, 3, 4, 5]
