"""Who gets which frame, and when the encoder is asked for a keyframe. No clock but the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import pytest

from robot_node.core.media import EncodedFrame, FrameSink
from robot_node.webrtc.bitrate import BitrateLimits
from robot_node.webrtc.broadcast import Broadcast, EndOfStreamError, Viewer


class Timer:
    """A call that is due at some time."""

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        timer = Timer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer.due <= self.now + 1e-9 and not timer.cancelled]
        self.timers = [timer for timer in self.timers if timer not in due and not timer.cancelled]
        for timer in due:
            timer.callback()


class Source:
    """Records what it is asked for."""

    def __init__(self) -> None:
        self.sink: FrameSink | None = None
        self.watched: list[bool] = []
        self.in_use: list[bool] = []
        self.keyframes = 0
        self.bitrates: list[int] = []

    def set_sink(self, sink: FrameSink | None) -> None:
        self.sink = sink

    def set_watched(self, watched: bool, *, in_use: bool = True) -> None:
        self.watched.append(watched)
        self.in_use.append(in_use)

    def request_keyframe(self) -> None:
        self.keyframes += 1

    def set_bitrate(self, bits_per_second: int) -> None:
        self.bitrates.append(bits_per_second)


class Studio:
    """A source, a broadcast and the clock that they share."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.source = Source()
        self.broadcast = Broadcast(self.source, self.clock, queue_frames=4, bitrate=BitrateLimits(250_000, 2_000_000))
        self._count = 0

    def join(self) -> Viewer:
        """A viewer begins to watch."""
        viewer = Viewer(self.broadcast)
        viewer.join()
        return viewer

    def frame(self, *, key: bool = False, at_us: int | None = None, after_loss: bool = False) -> None:
        """The encoder delivers a frame that carries its number."""
        assert self.source.sink is not None
        self._count += 1
        time_us = self._count * 33_333 if at_us is None else at_us
        self.source.sink(EncodedFrame(bytes([self._count % 256]), key, time_us, after_loss))


def taken(viewer: Viewer) -> list[int]:
    """Take the frames that wait for the viewer: their numbers."""
    numbers: list[int] = []
    while True:
        packet = viewer.next_packet()
        try:
            packet.send(None)
        except StopIteration as received:
            numbers.append(bytes(received.value)[0])
        else:
            packet.close()  # it would wait
            return numbers


@pytest.fixture
def studio() -> Studio:
    return Studio()


async def test_a_viewer_on_the_robot_itself_makes_frames_but_does_not_keep_the_source_on(studio: Studio) -> None:
    ring = Viewer(studio.broadcast, local=True)
    ring.join()
    watcher = studio.join()
    watcher.leave()
    ring.in_use = True
    ring.leave()
    assert studio.source.watched == [True, True, True, True, False]
    assert studio.source.in_use == [False, True, False, True, False]


async def test_a_viewer_on_the_robot_itself_does_not_count_for_the_bitrate(studio: Studio) -> None:
    Viewer(studio.broadcast, local=True).join()
    slow = studio.join()
    studio.clock.advance(2.0)
    slow.estimate(400_000)
    slow.report_loss(0.2)
    studio.frame(key=True)
    studio.frame()
    assert taken(slow) == [1, 2], "it is the only one with a network: the bitrate follows it, and it is not thinned out"
    assert studio.source.bitrates[-1] == 400_000


async def test_the_source_is_watched_from_the_first_viewer_to_the_last(studio: Studio) -> None:
    first, second = studio.join(), studio.join()
    first.leave()
    assert studio.source.watched == [True]
    second.leave()
    second.leave()
    assert studio.source.watched == [True, False]
    studio.join()
    assert studio.source.watched == [True, False, True]


async def test_a_viewer_begins_with_a_keyframe_that_is_made_for_it(studio: Studio) -> None:
    early = studio.join()
    studio.frame(key=True)
    assert studio.source.keyframes == 1
    studio.clock.advance(5)
    late = studio.join()
    assert studio.source.keyframes == 2
    studio.frame()
    studio.frame(key=True)
    studio.frame()
    assert taken(early) == [1, 2, 3, 4]
    assert taken(late) == [3, 4]
    assert late.counts.dropped == 0


async def test_requests_within_the_window_become_one(studio: Studio) -> None:
    studio.join()
    studio.frame(key=True)
    for _ in range(10):
        studio.join()
    assert studio.source.keyframes == 1
    studio.clock.advance(0.25)
    assert studio.source.keyframes == 2
    studio.clock.advance(0.25)
    assert studio.source.keyframes == 2


async def test_a_request_counts_for_all_until_its_keyframe_comes(studio: Studio) -> None:
    studio.join()
    studio.clock.advance(0.5)
    viewer = studio.join()
    viewer.request_keyframe()
    studio.frame()
    assert studio.source.keyframes == 1


async def test_a_lost_request_is_made_again(studio: Studio) -> None:
    studio.join()
    studio.clock.advance(1.1)
    studio.frame()
    assert studio.source.keyframes == 2


async def test_a_request_whose_keyframe_does_not_come_is_repeated_although_nobody_asks_again(studio: Studio) -> None:
    viewer = studio.join()
    studio.frame(key=True)
    studio.clock.advance(1)
    viewer.request_keyframe()
    assert studio.source.keyframes == 2
    for _ in range(7):
        taken(viewer)
        studio.clock.advance(0.125)
        studio.frame()
    assert studio.source.keyframes == 2
    taken(viewer)
    studio.clock.advance(0.125)
    studio.frame()
    assert studio.source.keyframes == 3
    studio.frame(key=True)
    studio.clock.advance(5)
    studio.frame()
    assert studio.source.keyframes == 3


async def test_frames_lost_on_the_way_from_the_encoder_cost_all_up_to_a_keyframe_that_is_asked_for(
    studio: Studio,
) -> None:
    viewers = studio.join(), studio.join()
    studio.frame(key=True)
    studio.frame()
    studio.clock.advance(1)
    studio.frame(after_loss=True)
    studio.frame()
    assert studio.source.keyframes == 2
    studio.frame(key=True)
    studio.frame()
    assert [taken(viewer) for viewer in viewers] == [[1, 2, 5, 6]] * 2
    assert studio.source.keyframes == 2


async def test_a_keyframe_after_a_loss_is_shown(studio: Studio) -> None:
    viewer = studio.join()
    studio.frame(key=True)
    studio.frame(key=True, after_loss=True)
    studio.frame()
    assert taken(viewer) == [1, 2, 3]


async def test_a_flood_from_one_viewer_makes_four_keyframes_a_second_at_most(studio: Studio) -> None:
    viewer = studio.join()
    encoded = 0
    for _ in range(1000):
        viewer.request_keyframe()
        studio.clock.advance(0.01)
        studio.frame(key=studio.source.keyframes > encoded)
        encoded = studio.source.keyframes
        taken(viewer)
    assert 35 <= studio.source.keyframes <= 41


async def test_a_slow_viewer_loses_frames_up_to_the_next_keyframe_and_holds_up_nobody(studio: Studio) -> None:
    slow, quick = studio.join(), studio.join()
    studio.frame(key=True)
    seen = []
    for number in range(2, 12):
        studio.clock.advance(0.033)
        studio.frame(key=number == 9)
        seen += taken(quick)
    assert seen == list(range(1, 12))
    # 1 to 4 waited when 5 came: all were dropped, and then everything up to the keyframe 9.
    assert taken(slow) == [9, 10, 11]
    assert (slow.counts.dropped, quick.counts.dropped) == (8, 0)


async def test_a_viewer_that_fell_behind_gets_a_keyframe_made_for_it(studio: Studio) -> None:
    studio.join()
    studio.frame(key=True)
    studio.clock.advance(1)
    for _ in range(4):
        studio.frame()
    assert studio.source.keyframes == 2


async def test_timestamps_are_in_90_khz_and_increase_whatever_the_source_does(studio: Studio) -> None:
    viewer = studio.join()
    for at_us, expected in ((1_000_000, 90_000), (1_033_333, 92_999), (500_000, 93_000), (60_000_000, 5_400_000)):
        studio.frame(key=True, at_us=at_us)
        packet = await viewer.next_packet()
        assert (packet.pts, packet.time_base) == (expected, Fraction(1, 90_000))


async def test_a_frame_is_awaited_and_leaving_ends_the_wait(studio: Studio) -> None:
    viewer = studio.join()
    wait = asyncio.ensure_future(viewer.next_packet())
    await asyncio.sleep(0)
    studio.frame(key=True)
    assert bytes(await wait) == b"\x01"
    wait = asyncio.ensure_future(viewer.next_packet())
    await asyncio.sleep(0)
    viewer.leave()
    with pytest.raises(EndOfStreamError):
        await wait


async def test_nothing_is_asked_for_once_nobody_watches(studio: Studio) -> None:
    viewer = studio.join()
    studio.frame(key=True)
    viewer.request_keyframe()
    viewer.leave()
    viewer.request_keyframe()
    studio.clock.advance(10)
    studio.frame()
    assert studio.source.keyframes == 1


async def test_whoever_comes_right_after_the_last_has_left_gets_a_keyframe_too(studio: Studio) -> None:
    studio.join().leave()
    studio.join()
    studio.clock.advance(0.25)
    assert studio.source.keyframes == 2


async def test_closing_lets_the_source_go(studio: Studio) -> None:
    viewer = studio.join()
    studio.broadcast.close()
    assert studio.source.sink is None
    assert studio.source.watched == [True, False]
    with pytest.raises(EndOfStreamError):
        await viewer.next_packet()


async def test_the_encoder_follows_the_viewers_networks(studio: Studio) -> None:
    viewer = studio.join()
    viewer.estimate(700_000)
    viewer.report_loss(0.1)
    assert studio.source.bitrates == [700_000]
    studio.clock.advance(2)
    viewer.leave()
    assert studio.source.bitrates == [700_000, 2_000_000]


async def test_a_viewer_far_below_the_rest_gets_a_keyframe_now_and_then_and_later_all_again(studio: Studio) -> None:
    quick, slow = studio.join(), studio.join()
    studio.frame(key=True, at_us=0)
    slow.estimate(250_000)
    slow.report_loss(0.3)
    for at_us in range(100_000, 2_000_000, 100_000):
        studio.clock.advance(0.1)
        studio.frame(key=at_us == 1_000_000, at_us=at_us)
        taken(quick)
    assert taken(slow) == [1]
    assert studio.source.keyframes == 1  # what others need not is asked for only now and then
    studio.clock.advance(0.1)
    studio.frame(at_us=2_000_000)
    assert studio.source.keyframes == 2
    studio.frame(key=True, at_us=2_033_333)
    studio.frame(at_us=2_066_666)
    assert taken(slow) == [22]
    assert quick.counts.dropped == 0
    assert studio.source.bitrates == []
    for _ in range(30):
        studio.clock.advance(1)
        slow.report_loss(0.0)
    studio.frame(at_us=2_100_000)
    assert taken(slow) == []
    studio.frame(key=True, at_us=2_133_333)
    studio.frame(at_us=2_166_666)
    assert taken(slow) == [25, 26]
